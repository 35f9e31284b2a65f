"""How fast requests come, as the tenant counts them when they arrive, and what a refusal of too many does to the pace."""

import random

from lib import deadline, life, need, wait_for
from lib.life import AGENTS, crowd, settled

USER = "/configapi/v2/user"
SECOND = 1000000


def people(n):
    return ["p%03d" % i for i in range(n)]


def most_in_a_second(tenant):
    """The largest number of requests of any kind that arrived within a second, wherever it begins."""
    times = sorted(r["arrivedUsec"] for r in tenant.requests())
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - SECOND:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_rate_in_any_second(t):
    """`max_rate` is not exceeded in any second, as the tenant counts, wherever the second begins."""
    ground, group, tenant = crowd(t, people(150))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, tenant_keys={"max_rate": "30"}).start()
    tenant.wait_users(people(150), seconds=40)
    settled(d)
    most = most_in_a_second(tenant)
    need(25 <= most <= 30, "requests in a second", most)


def bad_days(tenant, draw):
    """Faults that make requests late, lost, repeated, and tokens void."""
    for _ in range(draw.randint(1, 3)):
        tenant.fault("delay", count=-1, probability=draw.random() / 2, seed=draw.randint(1, 99), delay_ms=draw.choice((20, 150, 700, 1500)))
    rules = [("cut", {}), ("cut", {"reset": True}), ("cut", {"method": "GET"}), ("lost-answer", {}), ("revoke", {}),
             ("status", {"status": 500}), ("redirect", {}), ("short-body", {})]
    for action, more in draw.sample(rules, 4):
        tenant.fault(action, count=draw.randint(5, 40), probability=draw.random() / 4, seed=draw.randint(1, 99), **more)


@deadline(280)
def test_random_days_in_any_second(t):
    """Random rates, concurrencies and answer times, broken connections, void tokens, restarts: never one more than `max_rate`."""
    draw = random.Random(915)
    for day in range(6):
        rate, concurrent = draw.choice((7, 13, 37, 90)), draw.choice((1, 3, 16, 64))
        tokens, kills = draw.choice((2, 3600)), draw.choice((0, 0, 2))
        said = "day %d: max_rate %d, max_concurrent %d, tokens of %d s, %d kills" % (day, rate, concurrent, tokens, kills)
        n = min(4 * rate, 160)
        ground, group, tenant = crowd(t, people(n), token_lifetime=tokens)
        bad_days(tenant, draw)
        d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, name="day%d" % day,
                        retry={"min": "50ms", "max": "500ms", "hold": "1s"},
                        tenant_keys={"max_rate": str(rate), "max_concurrent": str(concurrent)}).start()
        for kill in range(kills):
            wait_for(lambda: len(tenant.users()) >= n * (kill + 1) // 4, 40, said, tenant.counters)
            d.kill()
            d.start()
        wait_for(lambda: len(tenant.users()) == n, 60, said, tenant.counters)
        tenant.clear_faults()
        settled(d, 40)
        most = most_in_a_second(tenant)
        need(rate * 0.5 <= most <= rate, said, most)
        d.stop()
        tenant.stop()


def test_one_users_429_slows_nobody(t):
    """One user's call always gets a 429 with a long Retry-After, others are served: the pace stays, and the others go on."""
    logins = people(120)
    ground, group, tenant = crowd(t, logins)
    tenant.fault("status", status=429, headers={"Retry-After": "2"}, login="p000", count=-1)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, tenant_keys={"max_rate": "20"},
                    retry={"min": "100ms", "max": "1s", "hold": "1s"}).start()
    tenant.wait_users(logins[1:], seconds=25)  # 6 s at the full pace; a halved one needs twice as long for each cut
    wait_for(lambda: len(tenant.requests(login="p000")) >= 5, 20, "it was tried again", lambda: tenant.requests(login="p000"))
    status = d.ctl("status", "--json", code=None).json
    need(status["tenant"]["rate"] == 20, "the pace is whole", status["tenant"])
    tenant.forget_requests()
    fresh = ["q%03d" % i for i in range(40)]
    ground.persons(fresh)
    ground.join(group, *fresh)
    tenant.wait_users(logins[1:] + fresh, seconds=10)
    tenant.clear_faults()
    tenant.wait_user("p000")
    settled(d)


@deadline(90)
def test_one_users_refused_writes_slow_nobody(t):
    """One user is read, and each write of that one gets a 429 with a long Retry-After: the others go on."""
    logins = people(20)
    ground, group, tenant = crowd(t, logins)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, tenant_keys={"max_rate": "20"},
                    retry={"min": "100ms", "max": "1s", "hold": "1s"}).start()
    tenant.wait_users(logins, seconds=25)
    settled(d)
    tenant.fault("status", method="PATCH", status=429, headers={"Retry-After": "3"}, login="p000", count=-1)
    tenant.forget_requests()
    ground.replace("p000", mail="other@example.com")

    def refused(n):
        wait_for(lambda: len(tenant.requests(login="p000", method="PATCH")) >= n, 20, "it was tried again", tenant.requests)

    refused(1)
    fresh = ["q%03d" % i for i in range(20)]
    ground.persons(fresh)
    ground.join(group, *fresh)
    tenant.wait_users(logins + fresh, seconds=20)
    refused(len(tenant.requests(login="p000", method="PATCH")) + 1)  # by now others were served
    wait_for(lambda: d.ctl("status", "--json", code=None).json["tenant"]["rate"] == 20, 2, "the pace is whole",
             lambda: d.ctl("status", "--json", code=None).json["tenant"])
    tenant.clear_faults()
    tenant.wait_user("p000", email="other@example.com")
    settled(d)


@deadline(120)
def test_settles_near_the_tenants_limit(t):
    """A tenant that refuses a few of a hundred requests, and one that takes 15 a second: neither ends near nothing."""
    logins = people(300)
    for settings, fault, most in (({}, 0.03, 20), ({"rate": 15}, 0, 45)):
        ground, group, tenant = crowd(t, logins, **settings)
        if fault:
            tenant.fault("status", status=429, count=-1, probability=fault, seed=3)
        d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, tenant_keys={"max_rate": "40"},
                        name="daemon%d" % most).start()
        tenant.wait_users(logins, seconds=most)  # 8 s and 20 s at the tenant's limit
        tenant.clear_faults()
        settled(d)
        d.stop()
        tenant.stop()
