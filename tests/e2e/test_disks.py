"""Disks that fail while rosterd runs: syncing fails, the file system becomes read-only, or is full; on file systems of their own."""

import ctypes
import os
import subprocess

from lib import base, deadline, life, need, wait_for
from lib.faked import Faked
from lib.life import AGENTS, crowd, settled
from test_storage import keeper, verified

CLONE_NEWNS = 0x20000


def mount(*arguments):
    done = subprocess.run(["mount", *arguments], stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode == 0 or done.stderr


def own_mounts():
    """What this process and its children mount is seen by nobody else, and gone with them."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.getuid() != 0 or libc.unshare(CLONE_NEWNS) != 0 or mount("--make-rprivate", "/") is not True:
        raise base.Missing("no mount namespace for this test")


def estate(t, folder=None, env=None, audit=None):
    ground, group, tenant = crowd(t, ["ada"])
    command, told = keeper(t)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, notify={"command": command})
    if folder:
        d.state_file = os.path.join(folder, "state.db")
        d.sections["state"]["file"] = d.state_file
    if audit:
        d.audit_file = os.path.join(audit, "audit.jsonl")
        d.sections["audit"]["file"] = d.audit_file
    d.write_config()
    d.start(env=env)
    tenant.wait_user("ada")
    settled(d)
    before = len(told())
    return ground, group, tenant, d, lambda: told()[before:]


def fails(t, ground, group, tenant, d, told, codes):
    """A change comes while the disk fails: told at once, in the status, and nothing is sent."""
    tenant.forget_requests()
    ground.person("eve")
    ground.join(group, "eve")
    wait_for(lambda: {x["code"] for x in told() if x["event"] == "alarm"} & codes, 20, "an alarm", lambda: (told(), d.log_tail()))
    need(d.ctl("status", "--json", code=None).json["health"] == "failed", "status says so")
    need(codes != {"state-failed"} or not tenant.writes(), "nothing is sent", tenant.writes())
    need(d.running(), "it stays")
    return left_before(tenant, told)


def left_before(tenant, told):
    """Whose request left amid it, and when it was known that something fails. What the audit's file does not take yet is on
    record in the state, and the request whose lines show that the file fails leaves with them."""
    return {w["login"] for w in tenant.writes()}, min(x["since"] for x in told() if x["event"] == "alarm")


def on_record_before(d, logins, known):
    """Each such request has an intent of before that; all else would have left by what nobody can be sure of."""
    for login in logins:
        rows = [row for row in d.audit(event="intent") if row["person"]["login"] == login]
        need(any(row["time"] <= known for row in rows), "on record before it was known", login, known, rows)


def goes_on(tenant, d, told, pid):
    tenant.wait_user("eve", seconds=40)
    settled(d, 30)
    wait_for(lambda: told()[-1]["event"] == "alarm-over", 20, "over", told)
    need(d.pid == pid and tenant.counters()["creates"] == 2, "each once, by itself", tenant.counters())
    verified(d)


@deadline(120)
def test_failing_sync(t):
    """T78: syncing the state fails, then that of the audit: told at once, nothing is sent, and it goes on by itself."""
    for part, codes in (("state.db", {"state-failed"}), ("state.db-wal$", {"state-failed"}), ("audit.jsonl", {"audit-failed"})):
        lie = Faked(t)
        ground, group, tenant, d, told = estate(t, env=lie.env)
        lie.say("fail-sync", part)
        if codes == {"state-failed"}:
            logins, known = fails(t, ground, group, tenant, d, told, codes)
        else:  # the intent is written when the create is planned, and is not on the disk
            tenant.forget_requests()
            ground.person("eve")
            ground.join(group, "eve")
            wait_for(lambda: {x["code"] for x in told() if x["event"] == "alarm"} & codes, 20, "an alarm", lambda: (told(), d.log_tail()))
            logins, known = left_before(tenant, told)
            n = len(tenant.writes())
            ground.person("zoe")
            ground.join(group, "zoe")
            wait_for(lambda: life.operations(d, login="zoe"), 20, "zoe is planned", lambda: life.operations(d))
            need(len(tenant.writes()) == n, "nothing more is sent", tenant.writes())
            ground.leave(group, "zoe")
            wait_for(lambda: not life.operations(d, login="zoe"), 20, "zoe is not wanted", lambda: life.operations(d))
        lie.unsay("fail-sync")
        goes_on(tenant, d, told, d.pid)
        on_record_before(d, logins, known)
        d.stop()


@deadline(120)
def test_folder_cannot_be_synced(t):
    """T78: the audit begins a new file, and its folder cannot be synced: the file might be nameless after a crash. Told at once, nothing is
    sent, and it goes on by itself."""
    lie = Faked(t)
    ground, group, tenant, d, told = estate(t, env=lie.env)
    lie.say("fail-sync", "/%s$" % os.path.basename(os.path.dirname(d.audit_file)))
    tenant.forget_requests()
    os.rename(d.audit_file, d.audit_file + "-20260101-000000")
    ground.person("eve")
    d.ctl("pause")  # its line meets the fault, and no request is on the way
    wait_for(lambda: {x["code"] for x in told() if x["event"] == "alarm"} == {"audit-failed"}, 20, "an alarm", lambda: (told(), d.log_tail()))
    d.ctl("resume")
    ground.join(group, "eve")
    wait_for(lambda: life.operations(d, login="eve"), 20, "eve is planned", lambda: life.operations(d))
    need(tenant.writes() == [], "nothing is sent", tenant.writes())
    lie.unsay("fail-sync")
    goes_on(tenant, d, told, d.pid)


@deadline(120)
def test_approval_is_lost(t):
    """T78: the state cannot be synced when an approval is to be put on record: whoever approves is told so, nothing is released, and
    the same approval holds when the disk is well again."""
    lie = Faked(t)
    ground, group, tenant, d, told = estate(t, env=lie.env)
    people = ["q%02d" % i for i in range(8)]
    ground.persons(people)
    ground.join(group, *people)
    tenant.wait_users(["ada"] + people)
    settled(d)
    ground.leave(group, *people)
    wait_for(lambda: d.ctl("status", "--json", code=None).json["queue"]["parked"] == 3, 30, "three are parked", d.log_tail)
    settled(d)
    digest = d.ctl("plan", "--json", code=None).json["hash"]
    lie.say("fail-sync", "state.db")
    answer = d.ctl("approve", digest, "--json", code=None)
    need(answer.code == 1 and "is on record" not in answer.out and "plan" in answer.out, "it is not said to be on record", answer)
    need(sum(u["disabled"] for u in tenant.users().values()) == 5, "nothing was released", tenant.users)
    lie.unsay("fail-sync")
    wait_for(lambda: told() and told()[-1]["event"] == "alarm-over", 40, "over", lambda: (told(), d.log_tail()))
    plan = d.ctl("plan", "--json", code=None).json
    need(plan["summary"] == {"disable": 3} and plan["hash"] == digest, "they still wait", plan)
    need(d.ctl("approve", digest, "--json", code=None).json["approved"] == 3, "approved")
    wait_for(lambda: sum(u["disabled"] for u in tenant.users().values()) == 8, 30, "all are disabled", tenant.users)


@deadline(120)
def test_read_only(t):
    """T53 T78: the file system of the state, or of the audit, becomes read-only while rosterd runs, as after an error of the disk: told at
    once, nothing is sent, it stays; put right and started again, nothing is lost or done twice."""
    own_mounts()
    for part, codes in (("state", {"state-failed"}), ("audit", {"audit-failed", "state-failed"})):
        folder, image = t.path("mount-" + part), t.path(part + ".img")
        os.makedirs(folder)
        with open(image, "wb") as data:
            data.truncate(24 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        said = mount("-o", "loop", image, folder)
        if said is not True:
            raise base.Missing("no loop device: %s" % said)
        t.cleanup(subprocess.run, ["umount", "-l", folder])
        ground, group, tenant, d, told = estate(t, **({"folder": folder} if part == "state" else {"audit": folder}))
        need(mount("-o", "remount,abort", folder) is True, "the disk has an error")
        logins, known = fails(t, ground, group, tenant, d, told, codes)
        d.kill()
        subprocess.run(["umount", folder], check=True)
        need(mount("-o", "loop", image, folder) is True, "put right")
        d.start()
        tenant.wait_user("eve", seconds=40)
        settled(d)
        on_record_before(d, logins, known)
        need(tenant.counters()["creates"] == 2, "each once", tenant.counters())
        verified(d)
        d.stop()
        tenant.stop()


@deadline(120)
def test_full_disk(t):
    """T53 T78: the file system of the state, or of the audit, is full: told at once, nothing is sent, and it goes on by itself when there is room."""
    own_mounts()
    for part, codes in (("state", {"state-failed"}), ("audit", {"audit-failed", "state-failed"})):
        folder = t.path("small-" + part)
        os.makedirs(folder)
        need(mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", folder) is True, "a small file system")
        t.cleanup(subprocess.run, ["umount", "-l", folder])
        ground, group, tenant, d, told = estate(t, **({"folder": folder} if part == "state" else {"audit": folder}))
        ballast = os.path.join(folder, "ballast")
        try:
            with open(ballast, "wb", buffering=0) as data:
                while True:
                    data.write(b"\0" * 4096)
        except OSError:
            pass
        people = ["n%02d" % i for i in range(60)]  # more than fits into what pages there are
        ground.persons(people)
        ground.join(group, *people)
        wait_for(lambda: {x["code"] for x in told() if x["event"] == "alarm"} & codes, 20, "an alarm", lambda: (told(), d.log_tail()))
        wait_for(lambda: tenant.counters()["in_flight"] == 0, 20, "what was on the wire is answered", tenant.counters)
        n = len(tenant.writes())
        need(d.ctl("status", "--json", code=None).json["health"] == "failed", "status says so")
        need(len(tenant.writes()) == n, "nothing more is sent", tenant.writes())
        os.unlink(ballast)
        tenant.wait_users(["ada"] + people, seconds=40)
        settled(d, 30)
        wait_for(lambda: told()[-1]["event"] == "alarm-over", 20, "over", told)
        need(tenant.counters()["creates"] == 61, "each once", tenant.counters())
        verified(d)
        d.stop()
        tenant.stop()


def test_second_path_by_a_mount(t):
    """T53: the folder of the state, or of the audit, is mounted at a second place: a second instance there ends, and the first goes on."""
    own_mounts()
    folder, place = t.path("first"), t.path("second")
    os.makedirs(folder)
    os.makedirs(place)
    ground, group, tenant, d, told = estate(t, folder=folder, audit=folder)
    need(mount("--bind", folder, place) is True, "a second place")
    t.cleanup(subprocess.run, ["umount", "-l", place])
    rules = {"Agents": dict(AGENTS, group=group)}
    both = t.rosterd(ground.server, tenant, ground, rules=rules, name="both",
                     state={"file": os.path.join(place, "state.db")}, audit={"file": os.path.join(place, "audit.jsonl")})
    answer = both.run("--once", code=None)
    need(answer.code == 75 and "another rosterd" in answer.err, "the state is in use", answer)
    audit = t.rosterd(ground.server, tenant, ground, rules=rules, name="audit", audit={"file": os.path.join(place, "audit.jsonl")})
    answer = audit.run("--once", code=None)
    need(answer.code not in (0, 2) and "another rosterd" in answer.err, "the audit is in use", answer)
    ground.person("eve")
    ground.join(group, "eve")
    tenant.wait_user("eve")
    settled(d)
    need(tenant.counters()["creates"] == 2, "each once", tenant.counters())
    verified(d)
