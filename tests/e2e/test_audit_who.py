"""The audit says who asked for what, by names that mean something a year later, and under which configuration."""

import getpass
import grp
import hashlib
import json
import os
import signal
import subprocess

from lib import Slapd, auditlines, base, need, wait_for
from lib.varlink import Refused, Varlink


def scene(t, **keys):
    ground = t.shared(Slapd).fresh()
    ground.persons({"u%d" % i: {} for i in range(6)})
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"poll_interval": "1s"}, lifecycle={"leave_grace": "0"},
                       guard={"max_disable": "0", **keys.pop("guard", {})}, **keys)
    daemon.start()
    tenant.wait_users(["u%d" % i for i in range(6)])
    return ground, tenant, daemon


def parked_hash(daemon, n):
    plan = {}

    def waits():
        plan.update(daemon.ctl("plan", "--json", code=None).json)
        return len([o for o in plan["operations"] if o["state"] == "parked"]) == n
    wait_for(waits, 20, "%d wait for approval" % n, lambda: plan)
    return plan["hash"]


def rows(daemon, event, **wanted):
    return wait_for(lambda: daemon.audit(event=event, **wanted), 10, "a row %s %s" % (event, wanted),
                    lambda: daemon.audit()[-5:])


def test_names_reasons_and_plans(t):
    """Approvals, pauses, retries, syncs and reloads carry uid, name, reason; an approval its plan's hash."""
    ground, tenant, daemon = scene(t)
    ground.remove("u1")
    plan = parked_hash(daemon, 1)
    daemon.ctl("approve", plan, "--reason", "CHG-1234")
    tenant.wait_user("u1", disabled=True)
    approve = rows(daemon, "approve")[-1]
    me = {"uid": os.getuid(), "name": getpass.getuser() if os.getuid() else "root"}
    need({name: approve["actor"][name] for name in me} == me, "who, by name", approve)
    need(approve["plan"] == plan and approve["reason"] == "CHG-1234", "which plan, and why", approve)
    daemon.ctl("pause", "--reason", "night shift")
    daemon.ctl("resume")
    pauses = wait_for(lambda: len(daemon.audit(event="configuration", code="paused")) == 2 and
                      daemon.audit(event="configuration", code="paused"), 10, "two rows")
    need(pauses[0]["actor"]["uid"] == os.getuid() and pauses[0]["reason"] == "night shift" and "reason" not in pauses[1],
         "pauses", pauses)
    daemon.ctl("sync")
    daemon.ctl("sync", "u2", "--reason", "phone call")
    daemon.ctl("retry", "--all")
    wait_for(lambda: len(daemon.audit(event="request")) == 4, 10, "four requests", lambda: daemon.audit(event="request"))
    requests = daemon.audit(event="request")
    need([row["code"] for row in requests] == ["approve", "sync", "sync", "retry"] and requests[2]["person"]["id"] and
         requests[2]["reason"] == "phone call" and requests[0]["reason"] == "CHG-1234" and requests[0]["plan"] and all(row["actor"]["uid"] == os.getuid() for row in requests),
         "requests", requests)
    need("CHG-1234" in daemon.ctl("audit", "show", "--event", "approve", daemon.audit_file).out, "the text has the reason")
    daemon.stop()
    auditlines.need_whole(daemon.audit_file)


def test_configuration_is_on_record(t):
    """Start and reload hold the effective configuration and what differs; its text has the fingerprint that lines name."""
    ground, _, daemon = scene(t)
    first = rows(daemon, "start")[-1]
    details = first["details"]
    need(hashlib.sha256(details["facts"].encode()).hexdigest() == details["fingerprint"], "recomputed", details)
    need(details["changed"] is None and details["state"] and details["file"] == daemon.config_file, "the first one", details)
    need(first["fingerprint"] == details["fingerprint"][:12], "lines name it", first)
    with open(os.path.join(daemon.folder, "tenant.client_secret"), encoding="ascii") as secret:
        need(secret.read().strip() not in json.dumps(daemon.audit()), "no secret")
    daemon.configure(guard={"max_rename": "3"})
    daemon.ctl("reload", "--reason", "CHG-9")
    loaded = rows(daemon, "configuration")[-1]
    need(loaded["details"]["changed"] == [{"key": "[guard] max_rename", "from": "5%, at least 5", "to": "3"}], "what differs",
         loaded["details"]["changed"])
    need(loaded["actor"]["uid"] == os.getuid() and loaded["reason"] == "CHG-9", "who", loaded)
    need(hashlib.sha256(loaded["details"]["facts"].encode()).hexdigest()[:12] == loaded["fingerprint"], "recomputed")
    daemon.reload()
    wait_for(lambda: len(daemon.audit(event="configuration")) == 2, 10, "by a signal, too")
    need(daemon.audit(event="configuration")[-1]["actor"]["uid"] == os.getuid(), "who sent it")
    daemon.restart()
    wait_for(lambda: len(daemon.audit(event="start")) == 2, 10, "a second start")
    again = daemon.audit(event="start")[-1]["details"]
    need(again["changed"] == [] and again["state"] == details["state"], "nothing differs now", again)


def somebody_else(t, daemon, *words):
    """rosterctl by another account that may connect; None where this one is not root."""
    if os.geteuid() != 0:
        return None
    for folder in (t.folder, daemon.folder):
        os.chmod(folder, 0o711)
    return subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--groups", str(grp.getgrnam("mail").gr_gid), "--",
                           base.built("rosterctl"), "--socket", daemon.socket, *words],
                          capture_output=True, text=True, timeout=30, check=False, env=daemon.environment())


def test_four_eyes_of_a_start(t):
    """Nobody knows who wrote what a start found: an approval takes two people, each for the same plan, also for `start`,
    also after a further start; and so it does after a start with a configuration that ends four_eyes."""
    ground = t.shared(Slapd).fresh()
    ground.persons({"o1": {}, "o2": {}})
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, guard={"four_eyes": True, "max_disable": "0"}, sync={"mode": "observe"},
                       control={"group": "mail"}, lifecycle={"leave_grace": "0"}).start()
    need("takes two" in daemon.ctl("start", code=1).err and "somebody else" in daemon.ctl("start", code=1).err, "one person alone")
    daemon.restart()
    need("somebody else" in daemon.ctl("start", code=1).err and not tenant.writes(), "nor after a start")
    if not somebody_else(t, daemon, "status"):
        return
    done = somebody_else(t, daemon, "start")
    need(done.returncode == 0, "the second", done)
    tenant.wait_users(["o1", "o2"])
    ground.remove("o1")
    plan = parked_hash(daemon, 1)
    need("takes two" in somebody_else(t, daemon, "approve", plan).stderr, "one alone")
    need("somebody else" in somebody_else(t, daemon, "approve", plan[:12]).stderr, "twice the same")
    ground.remove("o2")
    other = parked_hash(daemon, 2)
    need(other != plan and "takes two" in daemon.ctl("approve", other, code=1).err, "another plan needs two again")
    daemon.stop()
    daemon.configure(guard={"four_eyes": False, "max_disable": "0"})
    daemon.start()
    other = parked_hash(daemon, 2)
    need("takes two" in daemon.ctl("approve", other, code=1).err, "ended by a start")
    need("somebody else" in daemon.ctl("approve", other, code=1).err, "the same again")
    need(not tenant.user("o1")["disabled"], "nothing was done")
    need(somebody_else(t, daemon, "approve", other).returncode == 0, "two did")
    tenant.wait_user("o1", disabled=True)
    firsts = [row for row in daemon.audit(event="request", code="approve") if "first of the two" in json.dumps(row)]
    need(len(firsts) == 4 and len({row["actor"]["uid"] for row in firsts}) == 2, "on record", firsts)


def test_reason_and_four_eyes(t):
    """[audit] require_reason refuses what has none; with [guard] four_eyes the one who loaded the configuration does not
    approve what follows from it."""
    ground, tenant, daemon = scene(t, guard={"four_eyes": True}, audit={"require_reason": True})
    need("reason" in daemon.ctl("pause", code=1).err, "a reason is needed")
    need("reason" in daemon.ctl("reload", code=1).err, "a reason is needed")
    ground.remove("u1")
    need("takes two" in daemon.ctl("approve", parked_hash(daemon, 1), "--reason", "leaver", code=1).err, "nobody knows who started it")
    daemon.configure(guard={"max_rename": "3"})
    daemon.ctl("reload", "--reason", "CHG-9")
    ground.remove("u2")
    answer = daemon.ctl("approve", parked_hash(daemon, 2), "--reason", "leaver", code=1)
    need("somebody else must approve" in answer.err, "four eyes", answer)
    need(not tenant.user("u1")["disabled"] and not tenant.user("u2")["disabled"], "nothing was done")


def test_four_eyes_ended_by_the_same(t):
    """Who ends four_eyes by loading another configuration is bound by it once more, also after a further load and a
    restart; somebody else is not."""
    ground, tenant, daemon = scene(t, guard={"four_eyes": True}, control={"group": "mail"})
    ground.remove("u1")
    plan = parked_hash(daemon, 1)
    daemon.configure(guard={"four_eyes": False})
    daemon.ctl("reload")
    need("somebody else" in daemon.ctl("approve", plan, code=1).err, "who ended it")
    daemon.configure(guard={"max_rename": "3"})
    daemon.ctl("reload")
    daemon.restart()
    plan = parked_hash(daemon, 1)
    need("somebody else" in daemon.ctl("approve", plan, code=1).err, "still the same person")
    need(not tenant.user("u1")["disabled"], "nothing was done")
    done = somebody_else(t, daemon, "approve", plan)
    if done:
        need(done.returncode == 0, "somebody else", done)
        tenant.wait_user("u1", disabled=True)


def test_four_eyes_while_observing(t):
    """`start` releases the plan that was shown, so it is an approval."""
    ground = t.shared(Slapd).fresh()
    ground.persons({"o1": {}})
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, guard={"four_eyes": True}, sync={"mode": "observe"}).start()
    daemon.configure(guard={"max_rename": "3"})
    daemon.ctl("reload")
    need("somebody else" in daemon.ctl("start", code=1).err, "four eyes")
    need(not tenant.writes(), "nothing was written")


def test_four_eyes_over_a_reload(t):
    """Asked for before a configuration was loaded and answered after it: that is the new one's plan."""
    ground, _, daemon = scene(t, guard={"four_eyes": True}, control={"group": "mail"})
    for i in range(1, 4):
        ground.remove("u%d" % i)
    plan = parked_hash(daemon, 3)
    somebody_else(t, daemon, "approve", plan) # of the two whom the start's configuration needs
    daemon.configure(guard={"max_rename": "3"})
    asking, loading = Varlink(daemon.socket), Varlink(daemon.socket)
    for client in (loading, asking):
        client.call("org.varlink.service.GetInfo")
    os.kill(daemon.process.pid, signal.SIGSTOP)
    asking.send("org.rosterd.Approve", {"hash": plan})
    loading.send("org.rosterd.Reload", {})
    os.kill(daemon.process.pid, signal.SIGCONT)
    loading.receive()
    try:
        asking.receive()
    except Refused as refused:
        need("FourEyes" in refused.error, "four eyes", refused)
    rows(daemon, "configuration")
    daemon.stop()
    events = [row["event"] for row in daemon.audit() if row["event"] in ("approve", "configuration")]
    need("approve" not in events or "configuration" not in events[:events.index("approve")], "never behind it", events)


def test_reasons_over_the_socket(t):
    """A reason says something: blanks do not, nor what cannot be seen; it is bounded, and stays one line of the audit."""
    _, _, daemon = scene(t, audit={"require_reason": True})
    client = Varlink(daemon.socket)

    def refused(reason):
        try:
            client.call("org.rosterd.Pause", {"reason": reason})
        except Refused as answer:
            return answer.error
        return None
    for reason in ("", " ", "\t \n", "\u00a0\u3000", "\u200b\u2060\ufeff", "\x1b\x07", "x" * 1001, 7, ["x"], {"x": 1}, True):
        need(refused(reason), "refused", repr(reason)[:40])
    need(refused("a\x00b"), "a NUL is no text")
    client = Varlink(daemon.socket)
    need(refused(None).endswith("ReasonRequired"), "none is none")
    need(not daemon.ctl("status", "--json", code=None).json["paused"], "nothing was paused")
    hostile = "a\nb\r\x1b[2J\u202e\u2028\"},\"p\":{\"s\":\"x"
    for reason in (hostile, "\u00e9" * 500, "x" * 1000):
        client.call("org.rosterd.Pause", {"reason": reason})
        client.call("org.rosterd.Resume", {"reason": "over"})
    written = [row["reason"] for row in wait_for(lambda: len(daemon.audit(event="configuration", code="paused")) == 6 and
                                                 daemon.audit(event="configuration", code="paused"), 10, "six rows")]
    need(written[0].startswith("a\\x0ab\\x0d\\x1b[2J") and written[2::2] == ["\u00e9" * 500, "x" * 1000], "kept", written)
    shown = daemon.ctl("audit", "show", daemon.audit_file).out
    need(not any(c in shown for c in "\x1b\r\u202e\u2028"), "inert in the text", shown)
    daemon.stop()
    auditlines.need_whole(daemon.audit_file)
