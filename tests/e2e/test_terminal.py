"""rosterctl at a terminal: a pager by the habits of systemctl, and lines that fit."""

import os
import re
import unicodedata

from lib import base, life, need, wait_for
from lib.life import PARKED, crowd, settled
from lib.terminal import Terminal

PEOPLE = ["p%02d" % i for i in range(40)]


def waiting(t, people=PEOPLE, **options):
    """Everybody waits for approval, so that a plan is long."""
    ground, group, tenant = crowd(t, people)
    d = life.daemon(t, ground, tenant, {"Agents": {"group": group, "team": "Night Watch", "roles": "Supervisor"}},
                    guard={"privileged_roles": "Supervisor", "max_privileged": "0"}, **options).start()
    wait_for(lambda: len(life.operations(d, state=PARKED)) == len(people), 30, "all wait", lambda: life.operations(d))
    settled(d)
    return d, ground, tenant


def at_terminal(t, d, *words, columns=80, rows=24, **env):
    whole = dict(d.environment(), TERM="xterm", **env)
    terminal = Terminal([base.built("rosterctl"), "--socket", d.socket, *words], whole, columns, rows, d.folder)
    t.cleanup(terminal.close)
    return terminal


def test_pager(t):
    """$SYSTEMD_PAGER before $PAGER, none for cat, nothing, --no-pager and a pipe; its text and settings; the exit code stays."""
    d = waiting(t)[0]
    seen = t.path("seen")
    pager = t.write("pager", "#!/bin/sh\n{ echo \"$1 LESS=$LESS secure=$LESSSECURE\"; cat; } > '%s'\n" % seen, 0o755)
    quiet = dict(PAGER=pager + " two", SYSTEMD_PAGER=pager + " one", NO_COLOR="1")

    def paged(*words, **env):
        if os.path.exists(seen):
            os.unlink(seen)
        terminal = at_terminal(t, d, *words, **env)
        code = terminal.end()
        text = open(seen, encoding="utf-8").read() if os.path.exists(seen) else None
        return code, text, terminal.text

    code, text, screen = paged("plan", "--all", **quiet)
    need(code == 2 and text.startswith("one LESS=FRXMK secure=1\n") and screen == "", "the pager has all", code, text, screen)
    need(all("+ create  %s (" % name in text for name in PEOPLE), "everybody", text[-1000:])
    code, text, screen = paged("plan", "--all", PAGER=pager + " two", SYSTEMD_LESS="R")
    need(code == 2 and text.startswith("two LESS=R "), "the other variable, and options of less", text)
    code, text, screen = paged("audit", "show", d.audit_file, **quiet)
    need(code == 0 and text.count("\n") > 3 and screen == "", "answers that are not kept too", text)
    for words, env in ((("--no-pager", "plan", "--all"), quiet), (("plan", "--all"), {"SYSTEMD_PAGER": "", "PAGER": pager}),
                       (("plan", "--all"), {"PAGER": "cat"})):
        code, text, screen = paged(*words, **env)
        need(code == 2 and text is None and PEOPLE[-1] in screen, "no pager", words, env, screen)
    code, text, screen = paged("nonsense", **quiet)
    need(code == 2 and text is None and "there is no verb" in screen, "a complaint needs none", screen)
    done = d.ctl("plan", "--all", code=2)
    need(PEOPLE[-1] in done.out, "nor does a pipe", done)


def test_less(t):
    """less itself: what fits ends by itself, what does not waits for a key, and leaving it early is no failure."""
    d = waiting(t)[0]
    short = at_terminal(t, d, "approve", "--help", rows=60)
    need(short.end() == 0 and "release what waits" in short.text, "one screen needs no key", short.text)
    long = at_terminal(t, d, "plan", "--all")
    long.wait("Waits for you")
    long.wait(r"lines 1-2\d|^:|\n:$")
    long.send(" ")
    long.wait("p03")
    long.send("q")
    need(long.end() == 2, "the exit code is rosterctl's", long.code)
    need("cannot be written" not in long.text, "no complaint", long.text)


def width(line):
    """In columns, by Python's tables of Unicode."""
    return sum(0 if unicodedata.combining(c) or unicodedata.category(c) in ("Mn", "Me", "Cf")
               else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def test_lines_fit(t):
    """At 80 columns no line of any verb is wider, and nothing of the wide text is missing; CJK and emoji too."""
    d, ground, _ = waiting(t, ["ada", "bob"], tenant_keys={"max_rate": "50"})
    ground.replace("ada", givenName="芳芳芳芳芳芳芳芳芳芳芳芳芳芳芳芳芳", sn="王 🎧🎧 Łukasz-Österreich",
                   telephoneNumber="+44 20 1234 5678 90123 and an extension that is long 99999")
    wait_for(lambda: "芳芳" in d.ctl("plan", "--all", code=None).out, 20, "the name")
    settled(d)
    for words in (["status"], ["plan"], ["plan", "--all"], ["explain", "ada"], ["explain", "ada", "--all"], ["holds"],
                  ["history", "ada"], ["config", "show"], ["--config", d.config_file, "check"], ["--help"],
                  ["audit", "show", d.audit_file], ["audit", "verify", d.audit_file], ["audit", "report", d.audit_file]):
        narrow = at_terminal(t, d, "--no-pager", *words)
        narrow.end(40)
        lines = narrow.text.split("\n")
        need(len(lines) > 1, "there is something", words, narrow.text)
        wide = [line for line in lines if width(line) > 80]
        need(not wide, "rosterctl %s fits into 80 columns" % " ".join(words), *wide)
        need(not re.search(r"\S…", narrow.text), "nothing is cut", words, narrow.text)
    plan = at_terminal(t, d, "--no-pager", "plan", "--all")
    plan.end()
    need(plan.text.count(ground.person_dn("ada")) == 1, "a DN is told once", plan.text)
