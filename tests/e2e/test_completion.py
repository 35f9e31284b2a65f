"""Completion asks the daemon: bash itself completes logins, causes, hashes and letters."""

import os
import subprocess

from lib import base, life, need, wait_for
from lib.life import PARKED, crowd, settled

SCRIPT = """
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_rosterctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(t, d, *words):
    """What bash offers for the last word; rosterctl is found by PATH and talks to this daemon."""
    folder = t.path("bin")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "rosterctl"), "w", encoding="utf-8") as text:
        text.write("#!/bin/sh\nexec %s --socket %s \"$@\"\n" % (base.built("rosterctl"), d.socket))
    os.chmod(os.path.join(folder, "rosterctl"), 0o755)
    file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../etc/rosterctl.bash-completion")
    done = subprocess.run(["bash", "-c", SCRIPT, "bash", file, "rosterctl", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, PATH=folder + ":" + os.environ["PATH"]))
    need(done.returncode == 0 and not done.stderr, "bash is content", done.stderr)
    return done.stdout.split("\n")[:-1]


def test_completion_asks_the_daemon(t):
    """A cause with a blank stays one word; hash and letters are those of the plan; without a daemon it is quiet."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    d = life.daemon(t, ground, tenant, {"Agents": {"group": group, "team": "Night Watch", "roles": "Supervisor"}},
                    guard={"privileged_roles": "Supervisor", "max_privileged": "0"}).start()
    wait_for(lambda: len(life.operations(d, state=PARKED)) == 2, 20, "both wait", lambda: life.operations(d))
    settled(d)
    plan = d.ctl("plan", "--json", code=2).json
    need(completed(t, d, "approve", "") == [plan["hash"][:8]], "the hash")
    need("a" in completed(t, d, "approve", plan["hash"][:8], "a"), "a letter")
    need(completed(t, d, "explain", "a") == ["ada"], "a login")
    need(completed(t, d, "plan", "--rule", "") == ["Agents"], "a rule")
    need("status" in completed(t, d, "sta") and "start" in completed(t, d, "sta"), "verbs")
    d.ctl("approve", plan["hash"])
    wait_for(lambda: life.operations(d, reason="team-missing"), 20, "there is no such team")
    need(completed(t, d, "retry", "--cause", "") == ["team:Night Watch"], "a cause")
    d.stop()
    need(completed(t, d, "explain", "a")[:1] in ([], ["--all"], [""]), "quiet when nobody answers")
