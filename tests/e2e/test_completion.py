"""Completion asks the daemon: bash itself completes logins, causes, hashes and letters."""

import os
import re
import subprocess

from lib import base, life, need, wait_for
from lib.life import PARKED, crowd, settled
from lib.terminal import Terminal

ETC = os.path.join(base.ROOT, "etc")
SHELLS = {name: os.path.join(ETC, "rosterctl.%s-completion" % name) for name in ("bash", "zsh", "fish")}

SCRIPT = """
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_rosterctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


def with_rosterctl(t, d):
    """A folder with a rosterctl that talks to this daemon, to be found by PATH."""
    folder = t.path("bin")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "rosterctl"), "w", encoding="utf-8") as text:
        text.write("#!/bin/sh\nexec %s --socket %s \"$@\"\n" % (base.built("rosterctl"), d.socket))
    os.chmod(os.path.join(folder, "rosterctl"), 0o755)
    return folder


def environment(t, d):
    return dict(os.environ, PATH=with_rosterctl(t, d) + ":" + os.environ["PATH"], HOME=t.folder, LC_ALL="C.UTF-8")


def completed(t, d, *words):
    """What bash offers for the last word."""
    done = subprocess.run(["bash", "-c", SCRIPT, "bash", SHELLS["bash"], "rosterctl", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30, stdin=subprocess.DEVNULL, env=environment(t, d))
    need(done.returncode == 0 and not done.stderr, "bash is content", done.stderr)
    return [line for line in done.stdout.split("\n") if line]


def offered(t, d, line):
    """What fish offers at the end of a line."""
    done = subprocess.run(["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", SHELLS["fish"], line],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30, stdin=subprocess.DEVNULL,
                          env=environment(t, d))
    need(done.returncode == 0 and not done.stderr, "fish is content", done)
    return [row.split("\t")[0] for row in done.stdout.splitlines()]


def stuck(t, **options):
    """ada and bob wait for approval; later for a team with a blank in its name."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    d = life.daemon(t, ground, tenant, {"Agents": {"group": group, "team": "Night Watch", "roles": "Supervisor"}},
                    guard={"privileged_roles": "Supervisor", "max_privileged": "0"}, **options).start()
    wait_for(lambda: len(life.operations(d, state=PARKED)) == 2, 20, "both wait", lambda: life.operations(d))
    settled(d)
    return d, d.ctl("plan", "--json", code=2).json["hash"]


def released(d, plan):
    d.ctl("approve", plan)
    wait_for(lambda: life.operations(d, reason="team-missing"), 20, "there is no such team")


def test_bash(t):
    """A cause with a blank stays one word; hash and letters are those of the plan; without a daemon it is quiet."""
    d, plan = stuck(t)
    need(completed(t, d, "approve", "") == [plan[:8]], "the hash")
    need("a" in completed(t, d, "approve", plan[:8], "a"), "a letter")
    need(completed(t, d, "explain", "a") == ["ada"], "a login")
    need(completed(t, d, "explain", "A") == [], "letters as they are typed")
    need(completed(t, d, "plan", "--rule", "") == ["Agents"], "a rule")
    need(completed(t, d, "plan", "--rule", "=", "A") == ["Agents"], "with an equals sign too")
    need(sorted(completed(t, d, "sta")) == ["start", "status"], "verbs")
    need("--four" not in completed(t, d, "--") and "--no-pager" in completed(t, d, "--"), "options")
    need("--watch" in completed(t, d, "status", "--w") and completed(t, d, "explain", "ada", "--w") == [], "those of the verb")
    need(completed(t, d, "--color", "=", "a") == ["always", "auto"], "values")
    need(completed(t, d, "--color=n") == ["--color=never"], "in one word")
    need("etc/" in completed(t, d, "--config", base.ROOT + "/et")[0] + "/", "files")
    released(d, plan)
    need(completed(t, d, "retry", "--cause", "") == ["team:Night Watch"], "a cause")
    d.stop()
    need(completed(t, d, "explain", "a") == [] and "status" in completed(t, d, ""), "quiet when nobody answers")


def test_all_words(t):
    """Each verb and each option of the help can be completed: all come from one table."""
    d = t.rosterd()
    shown = base.run([base.built("rosterctl"), "--help"]).stdout
    verbs = re.findall(r"^  (\w+)(?: (.*))?$", shown, re.M)
    need(set(completed(t, d, "")) == {verb for verb, _ in verbs}, "verbs", completed(t, d, ""), verbs)
    for verb, arguments in verbs:
        for option in set(re.findall(r"--[a-z-]+", arguments)):
            need(option in completed(t, d, verb, option[:-1]), "%s of %s" % (option, verb))
    for option in re.findall(r"^ +(?:-\w, |    )(--[a-z-]+)", shown, re.M):
        need(option in completed(t, d, option[:-1]), option)


def test_fish(t):
    """fish itself completes verbs with what they do, logins, rules, causes, hash and letters."""
    d, plan = stuck(t)
    need({"start", "status"} <= set(offered(t, d, "rosterctl sta")), "verbs", offered(t, d, "rosterctl sta"))
    need(offered(t, d, "rosterctl explain a") == ["ada"], "a login", offered(t, d, "rosterctl explain a"))
    need(plan[:8] in offered(t, d, "rosterctl approve "), "the hash", offered(t, d, "rosterctl approve "))
    need("a" in offered(t, d, "rosterctl approve %s a" % plan[:8]), "a letter")
    need("Agents" in offered(t, d, "rosterctl plan --rule "), "a rule")
    need("--no-pager" in offered(t, d, "rosterctl --no"), "an option", offered(t, d, "rosterctl --no"))
    released(d, plan)
    need("team:Night Watch" in offered(t, d, "rosterctl retry --cause "), "a cause")


def typing(t, d, command, prepare):
    """A shell at a terminal, with the completion loaded."""
    terminal = Terminal(command, dict(environment(t, d), TERM="dumb" if "zsh" in command[0] else "xterm", PS1="ready> ", PROMPT="ready> "), 200, 40, t.folder)
    t.cleanup(terminal.close)
    terminal.wait("ready> ")
    for line in prepare:
        terminal.send(line + "\n")
    terminal.send("echo lo''aded\n")
    terminal.wait("loaded\n(.|\n)*ready> ")
    return terminal


def completes(terminal, keys, pattern):
    terminal.forget()
    terminal.send(keys + "\t")
    terminal.wait(pattern)
    terminal.send("\x15")  # the line is forgotten


def at_the_keyboard(t, d, plan, shell, prepare, cause):
    terminal = typing(t, d, shell, prepare)
    completes(terminal, "rosterctl expl", "rosterctl explain ")
    completes(terminal, "rosterctl explain a", "rosterctl explain ada")
    completes(terminal, "rosterctl approve ", "rosterctl approve " + plan[:8])
    completes(terminal, "rosterctl plan --rule A", "rosterctl plan --rule Agents")
    completes(terminal, "rosterctl --no", "rosterctl --no-pager")
    released(d, plan)
    completes(terminal, "rosterctl retry --cause te", cause)
    completes(terminal, "rosterctl retry --cause team:Ni", cause)


def test_bash_at_the_keyboard(t):
    """Typed into bash with Debian's bash-completion: a blank is escaped, and a colon ends no word."""
    d, plan = stuck(t)
    at_the_keyboard(t, d, plan, ["bash", "--norc", "--noprofile", "-i"],
                    ["PS1='ready> '", ". /usr/share/bash-completion/bash_completion", ". " + SHELLS["bash"]], r"--cause team\\?:Night\\ Watch")


def test_zsh_at_the_keyboard(t):
    """Typed into zsh, with the file where zsh looks for it."""
    d, plan = stuck(t)
    folder = t.path("functions")
    os.makedirs(folder)
    os.symlink(SHELLS["zsh"], os.path.join(folder, "_rosterctl"))
    at_the_keyboard(t, d, plan, ["zsh", "-f", "-i"],
                    ["PROMPT='ready> '", "fpath=(%s $fpath)" % folder, "autoload -Uz compinit && compinit -u -D"],
                    r"--cause team\\?:Night\\ Watch")
