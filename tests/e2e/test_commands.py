"""Configured commands: few at a time, nothing of ours in their hands, and no password that nobody was told."""

import json
import os
import re
import signal
import time

from lib import deadline, life, need, wait_for
from lib.faked import Faked
from lib.life import AGENTS, crowd, settled


def people(n):
    return ["p%03d" % i for i in range(n)]


def documents(path):
    try:
        with open(path, encoding="utf-8") as text:
            return [json.loads(line) for line in text if line.endswith("\n")]
    except FileNotFoundError:
        return []


def test_descriptors_and_environment(t):
    """A command has descriptors 0, 1 and 2 and a small environment: no connection of ours, no credentials."""
    ground, group, tenant = crowd(t, people(3))
    seen = t.path("seen")
    command = t.write("look", "#!/bin/sh\ncat > /dev/null\nfor f in /proc/$$/fd/*; do echo \"${f##*/} $(readlink $f)\"; done >> '%s'\n"
                      "tr '\\0' '\\n' < /proc/$$/environ >> '%s'\necho done >> '%s'\n" % (seen, seen, seen), 0o755)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, guard={"max_disable": "0"},
                    notify={"command": command},
                    tenant_keys={"initial_password": "generate", "password_command": command})
    d.start(env={"CREDENTIALS_DIRECTORY": t.folder, "SECRET_OF_THE_SERVICE": "x"})
    tenant.wait_users(people(3))
    ground.leave(group, "p001")
    wait_for(lambda: os.path.exists(seen) and open(seen, encoding="utf-8").read().count("done\n") >= 4, 20, "four commands")
    text = open(seen, encoding="utf-8").read()
    need("socket:" not in text and "state.db" not in text and "audit" not in text, "nothing of ours", text)
    numbers = {int(n) for n in re.findall(r"^(\d+) ", text, re.M)}
    # A shell keeps copies from 10 on, and 3 may be the folder that it lists.
    need({n for n in numbers if n < 10} <= {0, 1, 2, 3}, "0, 1, 2", numbers)
    names = {line.split("=")[0] for line in re.findall(r"^\w+=.*$", text, re.M)}
    need("PATH" in names and not names & {"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "SECRET_OF_THE_SERVICE", "LDAPNOINIT",
                                          "LISTEN_FDS", "INVOCATION_ID"}, "a small environment", names)


def test_words_and_names_are_no_shells(t):
    """Neither what stands behind a command in the configuration nor a name of the directory means anything to a shell: the
    command gets its words as they are, and what is told of a person by its standard input alone."""
    ground, group, tenant = crowd(t, [])
    made, got, told = t.path("made"), t.path("got"), t.path("told")
    odd = "$(touch %s)" % made
    ground.person(odd)
    ground.join(group, odd)
    words = [odd, "a; touch " + made, "|", "touch", made, "&"]
    command = t.write("look", "#!/bin/sh\ncat > '%s'\ntr '\\0' '\\n' < /proc/$$/cmdline > '%s'\n" % (told, got), 0o755)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"initial_password": "generate", "password_command": " ".join('"%s"' % w for w in [command, *words])})
    d.start()
    tenant.wait_user(odd)
    wait_for(lambda: os.path.exists(got) and open(got, encoding="utf-8").read().count("\n") >= 2 + len(words), 20, "it ran", d.log_tail)
    need(open(got, encoding="utf-8").read().split("\n")[:-1] == ["/bin/sh", command, *words], "its words and no more",
         open(got, encoding="utf-8").read())
    need(json.loads(open(told, encoding="utf-8").read())["login"] == odd, "told by the standard input")
    settled(d)
    need(not os.path.exists(made), "nothing was run")


def test_few_at_a_time(t):
    """A slow password_command in a first load: a few processes at once, creates wait for them, nobody is left out."""
    ground, group, tenant = crowd(t, people(40))
    told, running = t.path("told"), t.path("running")
    command = t.write("slow", "#!/bin/sh\ntext=$(cat)\necho + >> '%s'\nsleep 0.4\necho - >> '%s'\necho \"$text\" >> '%s'\n"
                      % (running, running, told), 0o755)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"initial_password": "generate", "password_command": command, "max_concurrent": "32"})
    d.start()
    most = [0]

    def all_told():
        # No more users than those who were told and those whose command may run.
        n_told = len(documents(told))
        most[0] = max(most[0], len(tenant.users()) - n_told)
        return n_told == 40
    wait_for(all_told, 40, "all were told", lambda: len(documents(told)))
    tenant.wait_users(people(40))
    need({x["login"] for x in documents(told)} == set(people(40)), "each once")
    count = peak = 0
    for line in open(running, encoding="ascii"):
        count += 1 if line == "+\n" else -1
        peak = max(peak, count)
    need(2 <= peak <= 8, "a few at a time", peak)
    need(most[0] <= 18, "creates wait for a runner", most)
    settled(d)


def test_command_that_fails_for_a_while(t):
    """A password that could not be handed on: holds and audit name the person, another one is set and handed on later."""
    ground, group, tenant = crowd(t, people(3))
    told, broken = t.path("told"), t.path("broken")
    t.write("broken", "x")
    command = t.write("deliver", "#!/bin/sh\ntext=$(cat)\ntest -e '%s' && exit 1\necho \"$text\" >> '%s'\n" % (broken, told), 0o755)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, notify={"alarm_after": "1s"},
                    tenant_keys={"initial_password": "generate", "password_command": command})
    d.start()
    tenant.wait_users(people(3))
    rows = wait_for(lambda: [r for r in d.ctl("holds", "--json", code=None).json["holds"]
                             if r["reason"] == "password-not-handed-on" and r["people"] == 3], 20, "holds",
                    lambda: d.ctl("holds", code=None).out)
    need({x["login"] for x in rows[0]["examples"]} == set(people(3)), "names them", rows)
    wait_for(lambda: {x.get("login") or x["person"]["login"] for x in d.audit(event="hold", code="password-not-handed-on")}
             == set(people(3)), 10, "the audit names them", lambda: d.audit(event="hold"))
    wait_for(lambda: re.search(r"password_command for p00\d ended with exit code 1", d.log()), 5, "the log as well")
    wait_for(lambda: d.audit(event="alarm", code="password-not-handed-on"), 20, "an alarm", lambda: d.audit()[-4:])
    d.kill()  # nothing is lost with a crash either
    os.unlink(broken)
    d.start()
    wait_for(lambda: {x["login"] for x in documents(told)} == set(people(3)), 30, "handed on", lambda: documents(told))
    wait_for(lambda: not d.state_query("SELECT * FROM password_due"), 10, "nothing is due")
    last = {x["login"]: x["password"] for x in documents(told)}
    need(all(life.is_password(tenant, login, word) for login, word in last.items()), "those that were set", last)
    puts = [w for w in tenant.writes() if w["method"] == "PUT"]
    need(puts and all(w["body"].get("password") or "password" in str(w["body"]) for w in puts), "other passwords were set", puts)
    wait_for(lambda: d.audit(event="alarm-over"), 10, "over")
    settled(d)


@deadline(120)
def test_command_without_end(t):
    """A command that does not end is killed after its time, with what it started, and said so; others are told meanwhile."""
    ground, group, tenant = crowd(t, people(2))
    started = t.path("started")
    command = t.write("endless", "#!/bin/sh\ncat > /dev/null\nsleep 600 &\necho $$ $! >> '%s'\nwait\n" % started, 0o755)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, guard={"max_disable": "0"},
                    notify={"command": command}).start()
    tenant.wait_users(people(2))
    ground.leave(group, "p001")
    wait_for(lambda: os.path.exists(started), 20, "the command runs")
    d.wait_log("has run for over 30 seconds: it is killed", 45)
    pids = [int(pid) for pid in open(started, encoding="ascii").readline().split()]
    wait_for(lambda: not any(os.path.exists("/proc/%d/exe" % pid) and os.readlink("/proc/%d/exe" % pid) for pid in pids), 10,
             "nothing of it is left", lambda: pids)
    need(d.running(), "rosterd goes on")


def alive(pids):
    return [pid for pid in pids if os.path.exists("/proc/%d/status" % pid)
            and "State:\tZ" not in open("/proc/%d/status" % pid, encoding="utf-8").read()]


@deadline(120)
def test_command_that_writes_and_stays(t):
    """A command that closes its input, ignores SIGTERM and writes without end fills neither log nor memory, holds nobody up,
    and is gone when rosterd is."""
    ground, group, tenant = crowd(t, people(1))
    started = t.path("started")
    # No file grows beyond 2 MiB by it, so that a rosterd that fails here fills no disk.
    command = t.write("flood", "#!/bin/sh\nulimit -f 4096\nexec <&-\ntrap '' TERM HUP\nyes noise &\necho $$ $! >> '%s'\nyes more\n" % started, 0o755)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"initial_password": "generate", "password_command": command}).start()
    tenant.wait_users(people(1))
    wait_for(lambda: os.path.exists(started) and open(started, encoding="ascii").read().count("\n"), 20, "it runs")
    ground.person("later")
    ground.join(group, "later")
    tenant.wait_user("later")
    wait_for(lambda: open(started, encoding="ascii").read().count("\n") == 2, 20, "the other, too")
    pids = [int(pid) for pid in open(started, encoding="ascii").read().split()]
    t.cleanup(lambda: [os.killpg(pid, signal.SIGKILL) for pid in pids[::2] if alive(pids)])
    need(d.memory("VmHWM") < 200 << 20 and os.path.getsize(d.log_file) < 1 << 20, "bounded", d.memory("VmHWM"))
    d.stop()
    need(not alive(pids), "nothing of it is left", alive(pids))
    need("has run for over 5 seconds: it is killed" in d.log(), "said so")


def test_command_at_the_end(t):
    """A command that runs when rosterd is to end may finish, and rosterd waits for it."""
    ground, group, tenant = crowd(t, people(1))
    began, done = t.path("began"), t.path("done")
    command = t.write("slow", "#!/bin/sh\ncat > /dev/null\n: > '%s'\nsleep 1\n: > '%s'\n" % (began, done), 0o755)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"initial_password": "generate", "password_command": command}).start()
    wait_for(lambda: os.path.exists(began), 30, "it runs")
    d.stop()
    need(os.path.exists(done), "it was waited for")


def test_command_that_cannot_be_ended(t):
    """A command for which the kernel waits in uninterruptible sleep, so that no signal ends it, holds up neither the end nor the
    password's person."""
    ground, group, tenant = crowd(t, people(1))
    began = t.path("began")
    command = t.write("stuck", "#!/bin/sh\ncat > /dev/null\necho $$ > '%s'\nexec sleep 1000\n" % began, 0o755)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"initial_password": "generate", "password_command": command})
    lie = Faked(t)
    lie.say("immortal")
    d.start(env=lie.env)
    wait_for(lambda: os.path.exists(began) and open(began, encoding="ascii").read().strip(), 30, "it runs")
    pid = int(open(began, encoding="ascii").read())
    t.cleanup(os.kill, pid, signal.SIGKILL)
    d.stop()
    os.kill(pid, 0)     # it is still there
    need("cannot be stopped" in d.log(), "it is said", d.log_tail())
    t.write("stuck", "#!/bin/sh\ncat > '%s'\n" % t.path("told"), 0o755)
    d.start()
    wait_for(lambda: os.path.exists(t.path("told")) and "p000" in open(t.path("told"), encoding="utf-8").read(), 20, "another password is handed on")
    settled(d)


@deadline(120)
def test_told_to_the_last(t):
    """Whoever is to be told of an alarm is told, also where rosterd ends at once: of what came in the last turn, of what
    waited behind others, and of the last checkpoint; of a command without end it waits for some seconds and no longer."""
    ground, group, tenant = crowd(t, people(1))
    told = t.path("told")
    command = t.write("slow", "#!/bin/sh\ntext=$(cat)\nsleep 1\nprintf '%%s\\n' \"$text\" >> '%s'\n" % told, 0o755)
    rules = {"R%02d" % n: dict(AGENTS, group="cn=g%02d,%s" % (n, ground.groups)) for n in range(20)}
    d = life.daemon(t, ground, tenant, dict(rules, Agents=dict(AGENTS, group=group)),
                    notify={"command": command, "alarm_after": "0", "checkpoints": "yes"})
    d.once(code=None)
    seen = documents(told)
    need(sorted(x["sentence"] for x in seen if x["event"] == "alarm") == sorted(r["sentence"] for r in d.audit(event="alarm")),
         "each alarm of the audit is told", seen)
    need(len([x for x in seen if x["event"] == "alarm"]) == 20, "twenty", len(seen))
    last = max(r["seq"] for r in d.audit())
    need(max(x["line"] for x in seen if x["event"] == "checkpoint") >= last - 1, "and the last checkpoint", last, seen[-1])
    t.write("slow", "#!/bin/sh\ncat > /dev/null\nexec sleep 1000\n", 0o755)
    os.unlink(d.state_file)
    os.unlink(d.audit_file)
    at = time.monotonic()
    d.once(code=None)
    need(time.monotonic() - at < 25, "bounded", time.monotonic() - at)
    need("is not run any more: rosterd stops" in d.log(), "and it says who was not told", d.log_tail())


@deadline(120)
def test_notify_at_the_end(t):
    """The end waits for the notify command, and no longer than for it, where no passwords are handed on."""
    ground, group, tenant = crowd(t, people(2))
    began, done = t.path("began"), t.path("done")
    command = t.write("slow", "#!/bin/sh\ncat > /dev/null\n: > '%s'\nsleep 2\n: > '%s'\n" % (began, done), 0o755)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, guard={"max_disable": "0"},
                    notify={"command": command}).start()
    tenant.wait_users(people(2))
    ground.leave(group, "p001")
    wait_for(lambda: os.path.exists(began), 30, "it runs")
    at = time.monotonic()
    d.stop()
    need(os.path.exists(done), "it was waited for")
    need(time.monotonic() - at < 15, "and then rosterd ended", time.monotonic() - at)
