"""Searches speak for themselves only: layouts of bases at random, and what happens while rosterd looks away."""

import os

from lib import Lines, Slapd, deadline, need, wait_for
from lib.company import OPEN, QUICK, Company, play

@deadline(240)
def test_changed_while_down(t):
    """T57: base and group_base in every position to each other, with a session log: who changed while rosterd was
    down has changed, and nobody is gone."""
    server = t.server(Slapd, sesslog=1000)
    for seed, layout in enumerate(Company.LAYOUTS):
        play(t, server, 100 + seed, layout)


@deadline(240)
def test_changed_while_down_present(t):
    """T57: the same without a session log, where the server lists what is present."""
    server = t.server(Slapd, sesslog=0, memberof=0)
    for seed, layout in enumerate(Company.LAYOUTS):
        play(t, server, 200 + seed, layout)


@deadline(240)
def test_changed_while_down_accesslog(t):
    """T57: the same with an accesslog as session log."""
    server = t.server(Slapd, accesslog=1)
    for seed in range(int(os.environ.get("COMPANIES", "4"))):
        play(t, server, int(os.environ.get("SEED", "300")) + seed)


@deadline(240)
def test_several_bases(t):
    """T57: several bases for people and for groups, beside, in and above each other: who moves between them stays."""
    server = t.server(Slapd, sesslog=1000)
    for seed, layout in enumerate(Company.SEVERAL):
        play(t, server, 500 + seed, layout)


@deadline(240)
def test_several_bases_present(t):
    """T57: the same where the server lists what is present."""
    server = t.server(Slapd, sesslog=0, memberof=0)
    for seed, layout in enumerate(Company.SEVERAL):
        play(t, server, 600 + seed, layout)


@deadline(120)
def test_bases_changed(t):
    """T57: a base more, a base less, another order: whoever is below those that are left stays, the others leave."""
    server = t.server(Slapd)
    ground, other, third = server.fresh(), server.fresh(), server.fresh()
    for place, uids in ((ground, ["ada", "bob"]), (other, ["cem", "dan"]), (third, ["eve"])):
        place.persons({uid: {} for uid in uids})
    tenant = t.simulator()
    for feed in ("syncrepl", "poll"):
        tenant.clear_users()
        daemon = t.rosterd(server, tenant, None, directory_keys={"feed": feed, "full_interval": "0", "base": ground.people},
                           rules={"All": {"when": "(objectClass=inetOrgPerson)", "team": "Sales"}}, retry=QUICK,
                           lifecycle={"leave_grace": "0"}, guard=OPEN, name=feed)
        everybody = {"ada", "bob", "cem", "dan", "eve"}
        for bases, left in (([ground], {"ada", "bob"}), ([other, ground], {"ada", "bob", "cem", "dan"}),
                            ([third, ground, other], everybody), ([other, third], {"cem", "dan", "eve"}),
                            ([third], {"eve"}), ([third, ground], {"eve", "ada", "bob"})):
            daemon.configure(directory={"base": Lines(place.people for place in bases)})
            daemon.start()
            wait_for(lambda: {u for u, user in tenant.users().items() if not user["disabled"]} == left, 20,
                     "%s are left" % left, lambda: (tenant.users(), daemon.log_tail()))
            daemon.stop()
        hurt = [row["person"]["login"] for row in daemon.audit(event="intent", operation="disable")]
        need(sorted(hurt) == ["ada", "bob", "cem", "dan"], "each once, and nobody else", hurt)


@deadline(240)
def test_polled_companies(t):
    """T57: the same by polling."""
    server = t.server(Slapd)
    for seed in range(5):
        play(t, server, 400 + seed, feed="poll", days=2)


@deadline(120)
def test_many_removed_by_ids(t):
    """T57: more people than max_disable lets go are named as removed by ids alone: everything is read again first;
    who is really gone waits for approval."""
    server = t.server(Slapd, sesslog=1000)
    ground = server.fresh()
    uids = ["u%02d" % i for i in range(20)]
    ground.persons(uids)
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, ground, directory_keys={"feed": "syncrepl", "full_interval": "0"},
                       rules={"All": {"when": "(objectClass=inetOrgPerson)", "team": "Sales"}}, retry=QUICK,
                       lifecycle={"leave_grace": "0"}, guard={"max_disable": "3"})
    daemon.start()
    tenant.wait_users(uids)
    daemon.wait_status("following")
    daemon.stop()
    server.delete(*[ground.person_dn(uid) for uid in uids[:8]])
    daemon.start()
    daemon.wait_log("8 people at once as removed, by their ids alone")
    daemon.wait_log("8 entries are gone: not in the full refresh")
    daemon.wait_status("following")
    need(len([u for u in tenant.users().values() if u["disabled"]]) <= 3, "who is beyond the budget waits for approval")
    daemon.stop()
    server.delete(*[ground.person_dn(uid) for uid in uids[8:10]])
    tenant.forget_requests()
    daemon.start()
    daemon.wait_log("changes since the last connection")


def test_one_removed_by_ids(t):
    """The same of a single person, where nobody may be disabled without approval."""
    server = t.server(Slapd, sesslog=1000)
    ground = server.fresh()
    ground.persons(["ada", "bob"])
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, ground, directory_keys={"feed": "syncrepl", "full_interval": "0"}, retry=QUICK,
                       lifecycle={"leave_grace": "0"}, guard={"max_disable": "0"})
    daemon.start()
    tenant.wait_users(["ada", "bob"])
    daemon.wait_status("following")
    daemon.stop()
    ground.remove("ada")
    daemon.start()
    daemon.wait_log("names 1 person at once as removed, by their ids alone")
