"""Intents are written ahead of the free slot. What waits there leaves by what is in force at that moment, or not at all."""

import time

from lib import deadline, life, need, wait_for
from lib.life import AGENTS, crowd, settled

PEOPLE = ["n%03d" % i for i in range(300)]
AT_ONCE = 4


def now():
    """By the clock of the tenant's `arrivedUsec`."""
    return time.monotonic() * 1000000


def creates(tenant, since=0):
    return [row for row in tenant.requests(method="POST", path="/configapi/v2/user") if row["arrivedUsec"] > since]


def line(t):
    """A daemon with hundreds of creates in its queue, and a tenant so slow that a dozen wait for one of four slots."""
    ground, group, tenant = crowd(t, PEOPLE)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"max_rate": "40", "max_concurrent": str(AT_ONCE)}).start()
    wait_for(lambda: tenant.counters()["creates"] >= 60, 30, "the first are made")
    tenant.fault("delay", count=-1, delay_ms=3000)
    waiting = wait_for(lambda: tenant.counters()["in_flight"] == AT_ONCE and life.operations(d, state="started"), 20, "they wait")
    need(len(waiting) >= 3 * AT_ONCE, "many intents are written ahead", len(waiting))
    return ground, tenant, d, waiting


def stands_still(tenant, d, since):
    """Nothing is under way any more, and nothing has left since."""
    wait_for(lambda: not life.operations(d, state="started"), 30, "nothing is under way")
    late = creates(tenant, since)
    need(not late, "creates that left afterwards", len(late), late[:2])


def all_are_made(tenant, d, people):
    tenant.clear_faults()
    tenant.wait_users(people, seconds=60)
    settled(d)
    made = [row["login"] for row in creates(tenant) if row["status"] < 300]
    need(sorted(made) == sorted(set(made)), "nobody was made twice", len(made), len(set(made)))
    need(sorted(tenant.users()) == sorted(people), "whoever is wanted is there, and nobody else")


@deadline(120)
def test_pause(t):
    """After `rosterctl pause` has answered no request leaves that is to change anybody; `resume` goes on with all of them."""
    _, tenant, d, waiting = line(t)
    d.ctl("pause")
    since = now()
    stands_still(tenant, d, since)
    withdrawn = d.audit(event="outcome", code="withdrawn")
    need(len(waiting) - 2 * AT_ONCE <= len(withdrawn) <= len(waiting), "the audit says so", len(withdrawn), len(waiting))
    need("paused" in withdrawn[0]["sentence"], "and why", withdrawn[0])
    need({o["attempts"] for o in life.operations(d)} == {0}, "none of them counts as an attempt")
    d.ctl("resume")
    all_are_made(tenant, d, PEOPLE)


@deadline(120)
def test_reload(t):
    """A reload that takes people out of scope comes in time for those who wait."""
    _, tenant, d, _ = line(t)
    d.configure(scope={"when": "(employeeType=Nobody)"})
    d.reload()
    since = now()
    stands_still(tenant, d, since)
    need(not life.operations(d, kind="create"), "nobody is to be made any more")


@deadline(120)
def test_stop(t):
    """The end waits for what is on the wire, and for nothing else; the next start does the rest, once."""
    _, tenant, d, _ = line(t)
    since = now()
    d.stop()
    need(now() - since < 15e6, "it ended soon", (now() - since) / 1e6)
    stands_still(tenant, d, since)
    d.start()
    all_are_made(tenant, d, PEOPLE)


@deadline(120)
def test_leavers(t):
    """Whoever leaves the directory while the create waits gets no user."""
    ground, tenant, d, waiting = line(t)
    gone = [o["login"] for o in waiting[-3:]]
    for uid in gone:
        ground.remove(uid)
    wait_for(lambda: not [o for o in life.operations(d) if o["login"] in gone], 30, "their creates are gone")
    need(not [row for row in creates(tenant) if row["login"] in gone], "none of them left")
    all_are_made(tenant, d, [uid for uid in PEOPLE if uid not in gone])
    need(not [row for row in creates(tenant) if row["login"] in gone], "nor later")
