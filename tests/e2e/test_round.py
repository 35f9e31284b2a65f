"""A new configuration, and everybody is looked at again: changes of the directory go first, whom it cannot touch is
passed, and an end in the middle loses nobody."""

import random

from lib import Slapd, deadline, need, wait_for

N = 1500


def company(t, n):
    ground = t.shared(Slapd).fresh()
    people = {"p%04d" % i: {"departmentNumber": str(i % 10), "givenName": "G%d" % i} for i in range(n)}
    ground.persons(people)
    few = ground.group("few", ["p%04d" % i for i in range(0, n, 97)])
    return ground, people, few


def settled(daemon):
    wait_for(lambda: daemon.state_query("SELECT (SELECT count(*) FROM operation) + (SELECT count(*) FROM dirty) + "
                                        "(SELECT count(*) FROM round)")[0][0] == 0, 60, "nothing is left", daemon.log_tail)


def looked_at(daemon):
    return daemon.state_query("SELECT count(*) FROM person WHERE run = (SELECT max(number) FROM run)")[0][0]


def daemon_for(t, ground, tenant, rules):
    return t.rosterd(ground.server, tenant, ground, rules=rules, directory_keys={"feed": "syncrepl"},
                     tenant_keys={"max_rate": "0", "max_concurrent": "16"}, lifecycle={"verify_interval": "0"},
                     guard={"max_update": "unlimited", "max_team_change": "unlimited"})


@deadline(120)
def test_few_of_many(t):
    """A rule for a group, for a filter, for a new skill: only those whom it can touch are looked at, and they are right."""
    ground, people, few = company(t, 1000)
    tenant = t.simulator()
    # departmentNumber is read from the beginning, else everybody's entry is another one then.
    rules = {"All": {"when": "(departmentNumber=*)", "team": "Sales", "skills": "English:10"}}
    daemon = daemon_for(t, ground, tenant, rules)
    daemon.start()
    tenant.wait_users(list(people))
    settled(daemon)

    def load(n, **more):
        before = daemon.state_query("SELECT max(number) FROM run")[0][0]
        daemon.configure(rules={**more, **rules})
        daemon.reload()
        wait_for(lambda: daemon.state_query("SELECT count(*) FROM run WHERE number > %d AND ended_usec > 0" % before)[0][0],
                 30, "another run", daemon.log_tail)
        settled(daemon)
        need(looked_at(daemon) == n, "those whom it can touch", looked_at(daemon), n)

    members = {"p%04d" % i for i in range(0, 1000, 97)}
    load(len(members), Few={"group": few, "team": "Support"})
    filtered = {uid for uid, values in people.items() if values["departmentNumber"] == "7"}
    load(len(filtered), Few={"group": few, "team": "Support"}, Seven={"when": "(departmentNumber=7)", "skills": "Spanish:40"})
    users = tenant.users()
    for uid in people:
        need(users[uid]["team"] == ("Support" if uid in members else "Sales"), uid, users[uid])
        need(("Spanish" in str(users[uid]["skills"])) == (uid in filtered), uid, users[uid])
    daemon.configure(user={"last_name": "${sn}-x"})
    load(1000, Few={"group": few, "team": "Support"}, Seven={"when": "(departmentNumber=7)", "skills": "Spanish:40"})


@deadline(240)
def test_end_in_the_middle(t):
    """kill -9 while everybody is looked at again, with changes of the directory ahead: all end as the last
    configuration and the directory say, however often."""
    dice = random.Random(7)
    ground, people, few = company(t, N)
    tenant = t.simulator()
    daemon = daemon_for(t, ground, tenant, {"All": {"when": "(uid=*)", "team": "Sales"}})
    daemon.start()
    tenant.wait_users(list(people))
    settled(daemon)
    n_middle = 0
    for turn in range(5):
        team = ("Support", "Sales")[turn % 2]
        daemon.configure(rules={"All": {"when": "(uid=*)", "team": team}}, user={"last_name": "${sn}-%d" % turn})
        daemon.reload()
        for uid in dice.sample(sorted(people), 3):
            people[uid]["givenName"] = "T%d" % turn
            ground.replace(uid, givenName="T%d" % turn)
        hire = "h%d" % turn
        people[hire] = {"departmentNumber": "1", "givenName": "H"}
        ground.person(hire, **people[hire])
        daemon.kill()
        at = daemon.state_query("SELECT stage, passed_n, last_n FROM round")
        n_middle += bool(at)
        daemon.start()
        wait_for(lambda: hire in tenant.users(), 60, "the hire", daemon.log_tail)
        settled(daemon)
        users = tenant.users()
        need(set(users) == set(people), "everybody once", sorted(set(users) ^ set(people))[:5])
        for uid, values in people.items():
            need(users[uid]["team"] == team and users[uid]["firstName"] == values["givenName"]
                 and users[uid]["lastName"].endswith("-%d" % turn), uid, users[uid], team)
    need(n_middle > 0, "at least once it ended in the middle")
