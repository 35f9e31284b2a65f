"""State and audit that cannot be written for a while, that go away, or that are not ours alone."""

import ctypes
import json
import os
import resource
import shutil
import signal
import sqlite3

from lib import deadline, life, need, wait_for
from lib.faked import Faked
from lib.life import AGENTS, crowd, settled

USER = "/configapi/v2/user"


def keeper(t):
    """A notify command that keeps what it is told."""
    kept = t.path("told.jsonl")
    command = t.write("notify", "#!/bin/sh\ntext=$(cat)\nprintf '%%s\\n' \"$text\" >> '%s'\n" % kept, 0o755)

    def told():
        try:
            with open(kept, encoding="utf-8") as text:
                return [json.loads(line) for line in text if line.endswith("\n")]
        except FileNotFoundError:
            return []
    return command, told


def estate(t, names, **sections):
    ground, group, tenant = crowd(t, names)
    command, told = keeper(t)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, notify={"command": command}, **sections)
    d.start()
    tenant.wait_users(names)
    settled(d)
    return ground, group, tenant, d, told


def verified(d):
    answer = d.ctl("audit", "verify", d.audit_file, code=None)
    need(answer.code == 0, "the chain is whole", answer)


def test_state_busy(t):
    """T53 T78: somebody holds the state file by an open transaction: told at once, nothing is sent, and it goes on by
    itself, without a restart and with every change that came meanwhile."""
    ground, group, tenant, d, told = estate(t, ["ada", "bob"])
    pid = d.pid
    other = sqlite3.connect(d.state_file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    tenant.forget_requests()
    ground.person("eve")
    ground.join(group, "eve")
    wait_for(lambda: [x for x in told() if x["code"] == "state-failed"], 20, "an alarm, without the state", told)
    need(d.ctl("status", "--json", code=None).json["health"] == "failed", "status says so")
    need(tenant.writes() == [], "nothing is sent", tenant.writes())
    other.execute("ROLLBACK")
    other.close()
    tenant.wait_user("eve", team="Customer Service", seconds=40)
    settled(d, 30)
    wait_for(lambda: [x["event"] for x in told()] == ["alarm", "alarm-over"], 20, "told once, and when it is over", told)
    need(d.pid == pid, "the same process")
    need(tenant.counters()["creates"] == 3, "each once", tenant.counters())
    need(d.audit(event="alarm-over", code="state-failed"), "on record")
    need(d.ctl("status", "--json", code=None).json["health"] == "ok", "well again")
    ground.leave(group, "ada")
    tenant.wait_user("ada", disabled=True)
    settled(d)
    verified(d)


def test_reload_meets_busy_state(t):
    """Another configuration is loaded while the state cannot be written: it is refused, said to come, and comes by itself
    when it can be, in the name and with the reason of who asked. One that is another by then, or broken, does not."""
    ground, group, tenant, d, told = estate(t, ["ada", "bob"])
    for team, signal_it, breaks in (("Sales", False, ""), ("Customer Service", True, ""), ("Sales", False, "another"),
                                    ("Sales", False, "broken")):
        other = sqlite3.connect(d.state_file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        d.configure(rules={"Agents": dict(AGENTS, group=group, team=team)})
        if signal_it:
            said = d.log().count("It is loaded by itself")
            d.process.send_signal(signal.SIGHUP)
            wait_for(lambda: d.log().count("It is loaded by itself") > said, 30, "it is said to come", d.log_tail)
        else:
            answer = d.ctl("reload", "--reason", "moved to " + team, code=None)
            need(answer.code and "by itself as soon as the state file can be written" in answer.err, "refused, and to come",
                 answer)
        files = d.ctl("status", "--json", code=None).json["config_files"]
        need(files["state"] == "changed" and "is loaded as soon as" in files["sentence"], "status says so", files)
        if breaks == "broken":
            d.configure(rules={"Agents": dict(AGENTS, group=group, team=team, when="(")})
        elif breaks:
            d.configure(rules={"Others": dict(AGENTS, group=group, team=team)})
        other.execute("ROLLBACK")
        other.close()
        if breaks:
            d.wait_log("The old configuration stays in force: " + (
                "the configuration has 1 error" if breaks == "broken" else "the files were changed since"), seconds=40)
            continue
        for login in ("ada", "bob"):
            tenant.wait_user(login, team=team, seconds=40)
        files = d.ctl("status", "--json", code=None).json["config_files"]
        need(files["state"] == "in-force", "status says so", files)
        line = d.audit(event="configuration")[-1]
        need(line["actor"]["uid"] == os.getuid(), "on record, and who it was", line)
        need(signal_it or line["reason"] == "moved to " + team, "and why", line)
    settled(d, 30)
    need(d.ctl("status", "--json", code=None).json["config_files"]["state"] == "broken", "and what is broken")
    need(tenant.user("ada")["team"] == "Customer Service", "is not in force", tenant.user("ada"))
    verified(d)


def test_outcome_meets_busy_state(t):
    """T78: the state cannot be written when answers arrive: what was sent is settled by reading, never repeated."""
    ground, group, tenant, d, told = estate(t, ["ada"])
    tenant.fault("delay", delay_ms=3000, count=8, method="POST", path=USER)
    names = ["n%02d" % i for i in range(8)]
    ground.persons(names)
    ground.join(group, *names)
    wait_for(lambda: tenant.counters()["in_flight"] >= 4, 20, "requests are under way", tenant.counters)
    other = sqlite3.connect(d.state_file, isolation_level=None, timeout=20)
    other.execute("BEGIN IMMEDIATE")
    wait_for(lambda: [x for x in told() if x["code"] == "state-failed"], 20, "an alarm", told)
    other.execute("ROLLBACK")
    other.close()
    tenant.wait_users(["ada"] + names, seconds=40)
    settled(d, 30)
    need(len(tenant.users()) == 9 and tenant.counters()["creates"] == 9, "each once", tenant.counters())
    need(len([r for r in tenant.requests(method="POST", path=USER) if r["login"] != "ada"]) == 8, "and asked for once")
    verified(d)


@deadline(120)
def test_state_fails_at_the_end(t):
    """T55 T78: the state cannot be written when rosterd is to end, before or after the signal: somebody is told, it ends by
    itself and with 1, and what was under way is settled by reading after the next start."""
    for before in (False, True):
        ground, group, tenant, d, all_told = estate(t, ["ada"])
        n = len(all_told())
        told = lambda n=n, all_told=all_told: all_told()[n:]
        tenant.fault("delay", delay_ms=2000, count=8, method="POST", path=USER)
        names = ["n%02d" % i for i in range(8)]
        ground.persons(names)
        ground.join(group, *names)
        wait_for(lambda: tenant.counters()["in_flight"] >= 4, 20, "requests are under way", tenant.counters)
        other = sqlite3.connect(d.state_file, isolation_level=None, timeout=20)
        if before:
            other.execute("BEGIN IMMEDIATE")
            wait_for(lambda: told(), 20, "an alarm", told)
            d.process.send_signal(signal.SIGTERM)
        else:
            d.process.send_signal(signal.SIGTERM)
            wait_for(lambda: "finishing what is under way first" in d.log(), 10, "it is to end", d.log_tail)
            other.execute("BEGIN IMMEDIATE")
        d.wait_end(25, code=1)
        other.execute("ROLLBACK")
        other.close()
        need([x["code"] for x in told()] == ["state-failed"], "told", told())
        d.start()
        tenant.wait_users(["ada"] + names, seconds=40)
        settled(d, 30)
        need(len(tenant.users()) == 9 and tenant.counters()["creates"] == 9, "each once", tenant.counters())
        wait_for(lambda: told()[-1]["event"] == "alarm-over", 10, "who was told of it is told that it is over", told)
        verified(d)
        d.restart()
        settled(d)
        need(len(told()) == 2, "and once", told())
        d.stop()


def test_disk_full(t):
    """T53 T78: no file may grow any more: told at once, nothing is sent, nothing is lost, and it goes on by itself."""
    ground, group, tenant, d, told = estate(t, ["ada"])
    pid = d.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    tenant.forget_requests()
    names = ["n%02d" % i for i in range(20)]
    ground.persons(names)
    ground.join(group, *names)
    wait_for(lambda: {x["code"] for x in told()} & {"state-failed", "audit-failed"}, 20, "an alarm", told)
    n = len(tenant.writes())
    need(d.ctl("status", "--json", code=None).json["health"] == "failed", "status says so")
    need(len(tenant.writes()) == n == 0, "nothing is sent", tenant.writes())
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    tenant.wait_users(["ada"] + names, seconds=40)
    settled(d, 30)
    wait_for(lambda: told()[-1]["event"] == "alarm-over", 20, "over", told)
    need(d.pid == pid and tenant.counters()["creates"] == 21, "each once", tenant.counters())
    verified(d)


def test_state_removed(t):
    """T53 T78: the state file is removed, or another one is put in its place, while rosterd runs: it ends with a sentence."""
    ground, group, tenant, d, told = estate(t, ["ada"])
    for put in (False, True):
        copy = d.path("copy.db")
        source, target = sqlite3.connect(d.state_file), sqlite3.connect(copy)
        with target:
            source.backup(target)
        source.close()
        target.close()
        os.unlink(d.state_file)
        if put:
            shutil.copy(copy, d.state_file)
        d.wait_end(60, code=1)
        need("was removed or replaced while rosterd runs" in d.log(), "it says why", d.log_tail())
        for suffix in ("-wal", "-shm"):
            if os.path.exists(d.state_file + suffix):
                os.unlink(d.state_file + suffix)
        shutil.copy(copy, d.state_file)
        os.unlink(d.audit_file)
        d.start()
        settled(d)


def test_other_path(t):
    """T53: the same state file by another path (a hard link) is locked as well; by a symbolic link it is refused."""
    ground, group, tenant, d, told = estate(t, ["ada"])
    for make, sentence, code in ((os.link, "under another path", 75), (os.symlink, "symbolic link", 1)):
        place = d.path("elsewhere.db")
        make(d.state_file, place)
        second = t.rosterd(ground.server, tenant, ground, rules={"Agents": dict(AGENTS, group=group)}, name=make.__name__,
                           state={"file": place})
        answer = second.run("--once", code=None)
        need(answer.code == code and sentence in answer.err, "refused", make, answer)
        os.unlink(place)
    settled(d)


def test_two_audits(t):
    """A second instance with the first one's audit file: it refuses to start, and the chain stays whole."""
    ground, group, tenant, d, told = estate(t, ["ada"])
    second = t.rosterd(ground.server, tenant, ground, rules={"Agents": dict(AGENTS, group=group)}, name="second",
                       audit={"file": d.audit_file})
    answer = second.run("--once", code=None)
    need(answer.code not in (0, 2) and "another rosterd" in answer.err and d.audit_file in answer.err, "refused", answer)
    ground.person("eve")
    ground.join(group, "eve")
    tenant.wait_user("eve")
    settled(d)
    verified(d)


def exchange(one, other):
    """The two paths, without a moment in which nothing lies at one of them: rosterd would make a file there."""
    libc = ctypes.CDLL(None, use_errno=True)
    at_cwd, renameat2_exchange = -100, 2
    if libc.renameat2(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), renameat2_exchange) != 0:
        raise OSError(ctypes.get_errno(), "exchanging files", one)


def test_audit_cannot_be_written(t):
    """T78: the audit file cannot be written (something else lies at its path): told at once, nothing is sent, and it
    goes on by itself."""
    ground, group, tenant, d, told = estate(t, ["ada"])
    d.audit_is_spoilt = True  # parts of it are put away
    away = d.path("away.log")
    for what in ("folder", "foreign", "link"):
        name, other = "new-" + what, away + "." + what
        tenant.forget_requests()
        n_told = len(told())
        if what == "folder":
            os.mkdir(other)
        elif what == "link":
            os.symlink(away, other)
        else:
            with open(other, "w", encoding="utf-8") as text:
                text.write("somebody's notes\n")
        exchange(d.audit_file, other)
        ground.person(name)  # a change that is no request yet: its line meets the fault
        ground.replace("ada", telephoneNumber="+1 " + what)
        d.ctl("pause")
        wait_for(lambda: d.ctl("status", "--json", code=None).json["audit"]["error"], 20, "it is said", d.log_tail)
        d.wait_log("Nothing more is sent")
        d.ctl("resume")
        ground.join(group, name)
        wait_for(lambda: life.operations(d, state=life.READY), 20, "the create is planned", lambda: life.operations(d))
        need(not [w for w in tenant.writes() if w["method"] == "POST"], "nothing is sent", what, tenant.writes())
        if what == "folder":
            os.rmdir(d.audit_file)
        else:
            os.unlink(d.audit_file)
        tenant.wait_user(name, seconds=30)
        settled(d)
        if n_told == 0:
            wait_for(lambda: [x["event"] for x in told()] == ["alarm", "alarm-over"], 20, "told", told)
    os.rename(away + ".folder", d.audit_file + "-1")
    need(d.audit(event="alarm", code="audit-failed"), "on record")


def test_state_takes_long_to_open(t):
    """The service manager is asked for more time while the state file is opened, and not after that."""
    ground, group, tenant = crowd(t, ["ada"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)})
    lie = Faked(t)
    lie.say("slow-sync", "state.db.new")
    d.start(env=lie.env)
    asked = [at for at, note in d.notes if "EXTEND_TIMEOUT_USEC" in note]
    ready = [at for at, note in d.notes if note.get("READY") == "1"]
    need(len(asked) >= 2 and asked[-1] < ready[0], "asked while it was opened", d.notes)
    tenant.wait_user("ada")
    need(len([1 for _, note in d.notes if "EXTEND_TIMEOUT_USEC" in note]) == len(asked), "and not any more", d.notes)
