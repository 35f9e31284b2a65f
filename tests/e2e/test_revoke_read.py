"""Revocations while the directory is read whole, from a real server that takes long over that."""

import time

from lib import Slapd, deadline, life, need, wait_for
from lib.ldaprelay import LdapRelay
from lib.life import AGENTS, settled
from test_revoke import REVOKED, disables

SYNCHRONISES = b"1.3.6.1.4.1.4203.1.9.1.1"
SECOND = "(|(employeeType=Revoked)(title=Out))"


def whole_read(request):
    return SYNCHRONISES in request and b"Revoked" not in request


def begin_read(d, relay, after, **sections):
    """A configuration that needs other attributes is loaded, and its read stands still in the middle."""
    relay.hold(after)
    d.configure(**sections)
    d.reload()
    need(relay.held.wait(30), "the read has begun, and lasts")


def revoked_in_time(d, tenant, ground, uid, **attributes):
    """From the directory's commit to the request."""
    ground.replace(uid, **attributes)
    committed = time.time()
    wait_for(lambda: uid in disables(tenant), 10, "%s is disabled" % uid)
    return disables(tenant)[uid] - committed


def enabled_again(tenant, since):
    return [row for row in tenant.writes()[since:] if row["method"] == "PUT" and row["body"].get("disabled") is False]


def long_read(t, people, others=4000, **sections):
    """(ground, tenant, daemon, relay): `people` are users, and as many others are read."""
    server = t.server(Slapd)
    ground = server.fresh()
    ground.persons(people)
    ground.persons(["x%04d" % i for i in range(others)])
    group, tenant = life.group(ground, "crowd", people), t.simulator()
    relay = LdapRelay(t, server, whole_read)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    directory_keys={"uri": relay.uri, "tls": "no", "tls_ca_file": None},
                    lifecycle={"revoke_when": REVOKED, **sections})
    return ground, tenant, d, relay


@deadline(240)
def test_amid_a_read(t):
    """Who was shown already, who was not yet, who matches the new filter alone, who is unusable otherwise: each within a
    second of the commit, and nobody else; whoever is revoked no more is given back after the read."""
    people = ["r%02d" % i for i in range(20)]
    ground, tenant, d, relay = long_read(t, people)
    d.start()
    tenant.wait_users(people)
    settled(d)
    ground.replace("r10", title="Out")
    began = time.time()
    begin_read(d, relay, 2000, user={"extension": "${roomNumber}"}, lifecycle={"revoke_when": SECOND})
    wait_for(lambda: "r10" in disables(tenant), 10, "by the new filter")
    took = {"r10": disables(tenant)["r10"] - began}
    for i, uid in enumerate(people[:6]):
        more = [{}, {"roomNumber": "no digits"}, {"title": "Out"}][i % 3]
        took[uid] = revoked_in_time(d, tenant, ground, uid, employeeType="Revoked", **more)
    need(d.ctl("status", "--json", code=None).json["directory"]["state"] == "reading", "the read lasts")
    need(max(took[uid] for uid in people[:6]) < 1, "each within a second", took)
    need(took["r10"] < 5, "a reload and a new connection come first", took)  # the reload itself takes its time
    ground.replace("r01", employeeType="Agent", roomNumber="12")
    ground.replace("r02", employeeType="Agent", title="Agent")
    revoked_in_time(d, tenant, ground, "r07", employeeType="Revoked")
    relay.release()
    for uid in ("r01", "r02"):
        tenant.wait_user(uid, disabled=False)
    settled(d)
    gone = {"r00", "r03", "r04", "r05", "r07", "r10"}
    need({u for u in people if tenant.user(u)["disabled"]} == gone, "these and nobody else", tenant.users())
    need({row["login"] for row in enabled_again(tenant, 0)} <= {"r01", "r02"}, "nobody came back in between", tenant.writes())


@deadline(240)
def test_a_death_amid_a_read(t):
    """Killed after the request, and once more after the commit: whoever is revoked stays so, while an older read shows them as
    they were, and when the read is over."""
    people = ["r%02d" % i for i in range(12)]
    ground, tenant, d, relay = long_read(t, people, others=2500)
    d.start()
    tenant.wait_users(people)
    settled(d)
    begin_read(d, relay, 1500, user={"extension": "${roomNumber}"})
    for n, uid in enumerate(("r01", "r02", "r03")):
        ground.replace(uid, employeeType="Revoked")
        tenant.wait_user(uid, disabled=True)
        d.kill()
        if n == 1:
            ground.replace("r05", employeeType="Revoked")
        relay.hold(1500)
        d.start()
        need(relay.held.wait(30), "it is read again")
    tenant.wait_user("r05", disabled=True)
    n = len(tenant.writes())
    relay.release()
    settled(d)
    need({u for u in people if tenant.user(u)["disabled"]} == {"r01", "r02", "r03", "r05"}, "as they were", tenant.users())
    need(len(tenant.writes()) == n, "and nothing was written for it", tenant.writes()[n:])


def test_shown_by_a_page(t):
    """Without changes that are pushed nobody is told of beside the read; but whom a page of it has shown as revoked is disabled
    then, and not when the last page is there."""
    server = t.server(Slapd)
    ground = server.fresh()
    people = ["r%02d" % i for i in range(8)]
    ground.persons(people)
    ground.persons(["x%03d" % i for i in range(600)])
    group, tenant = life.group(ground, "crowd", people), t.simulator()
    relay = LdapRelay(t, server, lambda raw: b"1.2.840.113556.1.4.319" in raw)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    directory_keys={"feed": "poll", "uri": relay.uri, "tls": "no", "tls_ca_file": None, "page_size": "1000",
                                    "poll_interval": "1h"},
                    lifecycle={"revoke_when": REVOKED}).start()
    tenant.wait_users(people)
    settled(d)
    ground.replace("r01", employeeType="Revoked")
    ground.replace("r02", employeeType="Revoked", mail=None)
    ground.replace("r03", givenName="Other")
    relay.hold(300)
    d.ctl("sync")
    wait_for(lambda: set(disables(tenant)) == {"r01", "r02"}, 20, "both are disabled", lambda: disables(tenant))
    need(relay.held.is_set(), "and the read lasts", d.log())
    need(tenant.users()["r03"]["firstName"] != "Other", "which everybody else waits for", tenant.users()["r03"])
    relay.release()
    tenant.wait_user("r03", firstName="Other")
    settled(d)
    need(set(disables(tenant)) == {"r01", "r02"}, "nobody else", disables(tenant))
