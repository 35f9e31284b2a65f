"""Entries that come as the same bytes are not decoded again: what the mirror holds is as if they were."""

import random
import re
import sqlite3

from lib import Slapd, deadline, need, wait_for

LOG = {"log": {"level": "debug"}}
MIRROR = ("SELECT id, dn, kind, searches, gone_usec > 0, login_key, primary_key, mail_key, attributes FROM entries ORDER BY id",
          "SELECT g.id, m.kind, m.key, m.text FROM members m JOIN entries g ON g.n = m.group_n ORDER BY 1, 2, 3",
          "SELECT g.id, a.key, x.id FROM stale s JOIN entries g ON g.n = s.group_n JOIN entries x ON x.n = s.entry_n JOIN name a ON a.n = s.name_n "
          "ORDER BY 1, 2, 3",
          "SELECT e.id, l.key FROM entry_login l JOIN entries e ON e.n = l.n ORDER BY 1, 2",
          "SELECT entry_id, login, status FROM links ORDER BY 1")


class Pair:
    """Two daemons of one directory: one remembers what entries came as, from the other it is taken before each read."""

    def __init__(self, t, ground, rules, **keys):
        self.both = []
        for name in ("remembers", "decodes"):
            tenant = t.simulator()
            daemon = t.rosterd(ground.server, tenant, ground, name=name, rules=rules(None), directory_keys=dict(keys),
                               user={"email": "${mail}"}, lifecycle={"leave_grace": "0"},
                               guard={"max_disable": "unlimited", "max_update": "unlimited"}, **LOG)
            self.both.append((daemon, tenant))

    def configure(self, **sections):
        for daemon, _ in self.both:
            daemon.configure(**sections)

    def read(self, whole=True):
        """How many entries the first of them did not decode, of how many."""
        for daemon, _ in self.both:
            forget(daemon, cookies=whole, raw=daemon is self.both[1][0])
            daemon.once()
        seen = [counts(daemon) for daemon, _ in self.both]
        need(seen[1][0] == 0, "the other one decodes always", seen)
        first, second = ([daemon.state_query(sql) for sql in MIRROR] for daemon, _ in self.both)
        for mine, theirs in zip(first, second):
            need(mine == theirs, "the mirrors are the same", sorted(set(mine) ^ set(theirs)))
        users = [{login: {k: v for k, v in user.items() if k in ("team", "roles", "disabled", "email", "lastName")}
                  for login, user in tenant.users().items()} for _, tenant in self.both]
        need(users[0] == users[1], "and so are the users", *users)
        return seen[0]


def forget(daemon, cookies, raw):
    try:
        daemon.state_query("SELECT 1")
    except Exception:  # no state file yet
        return
    database = sqlite3.connect(daemon.state_file, timeout=10)
    if cookies:
        database.execute("DELETE FROM cookie")
    if raw:
        database.execute("UPDATE entry SET raw = NULL")
    database.commit()
    database.close()


def counts(daemon):
    rows = re.findall(r"(\d+) of (\d+) entr(?:y|ies) came as the same bytes", daemon.log().split("--- ")[-1])
    return sum(int(row[0]) for row in rows), sum(int(row[1]) for row in rows)


def change(ground, people, groups, rng):
    """One change of any kind that a directory knows; people: uid to DN."""
    kind = rng.choice(("mail", "mail", "sn", "join", "leave", "hire", "fire", "rename", "move", "names"))
    uid = rng.choice(sorted(people))
    group = rng.choice(groups)
    server = ground.server
    if kind == "mail":
        server.replace(people[uid], mail="%s%d@example.com" % (uid, rng.randrange(4)))
    elif kind == "sn":
        server.replace(people[uid], sn=rng.choice(("Müller", "O'Brien", "X" * 300, "a b")))
    elif kind == "names":
        server.replace(people[uid], displayName=rng.choice(("One", "Two")))
    elif kind in ("join", "leave"):
        try:
            server.modify("dn: %s\nchangetype: modify\n%s: member\nmember: %s\n\n"
                          % (group, "add" if kind == "join" else "delete", people[uid]))
        except Exception:  # is one already, or was none, or would be the last
            pass
    elif kind == "hire":
        new = "n%d" % rng.randrange(10 ** 6)
        people[new] = ground.person(new, mail=new + "@example.com")
    elif kind == "fire" and len(people) > 5:
        server.delete(people.pop(uid))
    elif kind == "rename":
        people[uid] = rename(server, people[uid], "cn=%s %d" % (uid, rng.randrange(10 ** 6)), None)
    elif kind == "move":
        people[uid] = rename(server, people[uid], people[uid].split(",")[0], rng.choice(ground.places))


def rename(server, dn, rdn, above):
    if above is None:
        above = dn.split(",", 1)[1]
    if "%s,%s" % (rdn, above) != dn:
        server.rename(dn, rdn, above)
    return "%s,%s" % (rdn, above)


def histories(t, server, seed, rounds, **keys):
    rng = random.Random(seed)
    ground = server.fresh()
    ground.places = [ground.people] + ["ou=%s,%s" % (name, ground.people) for name in ("east", "west")]
    for name in ("east", "west"):
        server.add("dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %s\n\n" % (name, ground.people, name))
    people = {uid: ground.person(uid, mail=uid + "@example.com") for uid in ["p%02d" % i for i in range(20)]}
    groups = [ground.group("g%d" % i, sorted(people)[i:i + 5]) for i in range(3)]
    groups.append(ground.group("nest", [groups[0]]))

    def rules(more):
        some = {"R%d" % i: {"group": group, "team": "Support", "roles": ("Agent", "Supervisor")[i % 2]}
                for i, group in enumerate(groups)}
        some["All"] = {"when": more or "(uid=*)", "team": "Sales"}
        return some

    pair = Pair(t, ground, rules, **keys)
    pair.read()
    same, all_of_them = pair.read()
    need(same == all_of_them > 20, "nothing changed, nothing is decoded", same, all_of_them)
    n_same = 0
    for n in range(rounds):
        for _ in range(rng.randrange(1, 6)):
            change(ground, people, groups, rng)
        if n % 3 == 1:  # there and back: every DN below is another one, and then is what it was
            for old, new in (("east", "moved"), ("moved", "east")):
                server.rename("ou=%s,%s" % (old, ground.people), "ou=" + new)
                n_same += pair.read(whole=rng.random() < 0.7)[0]
        n_same += pair.read(whole=rng.random() < 0.7)[0]
    need(n_same > rounds * 10, "most entries were not decoded", n_same)
    return pair, ground, people, rules


@deadline(240)
def test_random_histories_by_polling(t):
    """T27, T31: random changes, renamed containers, whole reads between: the mirror is as if everything was decoded."""
    server = t.server(Slapd)
    pair, ground, people, rules = histories(t, server, 11, 8, feed="poll")
    # Another list of attributes: nothing that came before says anything.
    pair.configure(rules=rules("(displayName=One)"), user={"email": "${mail}", "last_name": "${description:-${sn}}"})
    same, n = pair.read()
    need(same == 0 and n > 20, "another attribute is read: all are decoded", same, n)
    same, n = pair.read()
    need(same == n, "and known again", same, n)
    # Another schema.
    server.add("dn: cn=site,cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: site\n"
               "olcAttributeTypes: ( 1.3.6.1.4.1.32473.9.1 NAME 'badge' EQUALITY caseExactMatch"
               " SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n\n")
    same, n = pair.read()
    need(same == 0 and n > 20, "another schema: all are decoded", same, n)
    # Another attribute that members are named by.
    pair.configure(directory={"login_attribute": "mail"})
    same, n = pair.read()
    need(same == 0 and n > 20, "another login attribute: all are decoded", same, n)


@deadline(240)
def test_random_histories_by_syncrepl(t):
    """T18, T31: the same through syncrepl, with refreshes from a cookie between."""
    histories(t, t.server(Slapd, sesslog=1000), 12, 8, feed="syncrepl")


def test_configuration_that_decides_nothing(t):
    """Another feed, another log, the same once more: nobody is looked at again; a rule, and everybody is."""
    ground = t.shared(Slapd).fresh()
    ground.persons(["p%02d" % i for i in range(15)])
    tenant = t.simulator()
    rules = {"All": {"when": "(uid=*)", "team": "Sales"}}
    daemon = t.rosterd(ground.server, tenant, ground, rules=rules, directory_keys={"feed": "syncrepl"})

    def runs():
        return daemon.state_query("SELECT count(*) FROM run")[0][0]

    def settled(n):
        """A person who is asked for by name is looked at after all that was marked before, and in a run of their own."""
        wait_for(lambda: daemon.state_query("SELECT count(*) FROM run WHERE ended_usec = 0")[0][0] == 0, 20, "the run before is over")
        before = runs()
        daemon.ctl("sync", "p%02d" % n)
        wait_for(lambda: runs() > before and daemon.state_query(
            "SELECT ended_usec > 0 FROM run ORDER BY number DESC LIMIT 1")[0][0], 20, "the run's end")
        wait_for(lambda: daemon.state_query("SELECT count(*) FROM round")[0][0] == 0, 20, "nobody is marked")
        return daemon.state_query("SELECT count(*) FROM person WHERE run = (SELECT max(number) FROM run)")[0][0]

    daemon.start()
    tenant.wait_users(["p%02d" % i for i in range(15)])
    need(settled(1) == 1, "one is asked for, one is looked at")
    daemon.configure(log={"level": "debug"})
    daemon.reload()
    daemon.reload()
    need(settled(2) == 1, "the log decides nothing")
    daemon.stop()
    daemon.configure(directory={"feed": "poll", "poll_interval": "1h"})
    daemon.start()
    daemon.wait_status("following")
    need(settled(3) == 1, "nor does the feed")
    daemon.configure(rules={"All": {"when": "(uid=*)", "team": "Support"}})
    daemon.reload()
    for n in range(15):
        tenant.wait_user("p%02d" % n, team="Support")


def members_at(server, group):
    """As slapd answers them, whatever their spelling."""
    return sorted(re.sub(r" *([,=]) *", r"\1", dn.decode()).lower() for dn in server.read(group, "member").get("member", []))


def members_of(daemon, group):
    rows = daemon.state_query("SELECT coalesce(m.text, a.text) FROM member m JOIN name a ON a.n = m.name_n JOIN entries g "
                              "ON g.n = m.group_n WHERE g.dn = ? AND m.kind = MEMBER_DN", group)
    return sorted(re.sub(r" *([,=]) *", r"\1", row[0]).lower() for row in rows)


def change_of_group(rng, group, members, others):
    """LDIF, and who are members then; others may become members."""
    add = rng.sample(others, rng.randrange(1, 4))
    leave = rng.sample(members, rng.randrange(1, 4))
    respelt = leave[0].upper().replace(",", " , ") if leave[0].islower() else leave[0].lower().replace(" ", "")
    kind = rng.choice(("add", "add", "add", "add", "leave", "both", "respell", "describe", "many"))
    rows = {"add": (add, []), "leave": ([], leave), "both": (add, leave), "respell": ([respelt] + add, leave[:1]),
            "describe": ([], []), "many": (add, members[::11])}[kind]
    text = "dn: %s\nchangetype: modify\n" % group
    if rows[1]:
        text += "delete: member\n" + "".join("member: %s\n" % dn for dn in rows[1]) + "-\n"
    if rows[0]:
        text += "add: member\n" + "".join("member: %s\n" % dn for dn in rows[0]) + "-\n"
    if kind == "describe":
        text += "replace: description\ndescription: %d\n-\n" % rng.randrange(10 ** 6)
    return kind, text, [dn for dn in members if dn not in rows[1]] + rows[0]


def test_large_group_after_a_start(t):
    """T16: whoever enters a large group is decoded alone also where nothing of it is remembered, if all else came as the
    mirror has it; if not, it is decoded whole."""
    ground = t.shared(Slapd, entries=1, memberof=0).fresh()
    people = [ground.person("s%d" % i) for i in range(8)]
    group = ground.group("crowd", ["uid=x%04d,ou=elsewhere,%s" % (i, ground.dn) for i in range(400)])
    daemon = t.rosterd(ground.server, t.simulator(), ground, directory_keys={"feed": "syncrepl", "full_interval": "0"},
                       rules={"Agents": {"group": group, "roles": "Agent"}, "None": {"when": "(cn=none)", "team": "Sales"}},
                       **LOG)
    head = "dn: %s\nchangetype: modify\n" % group
    steps = [(1, "add: member\nmember: %s\n" % people[0]),
             (1, "add: member\nmember: %s\n" % people[1]),
             (0, "add: member\nmember: %s\nmember: %s\n" % tuple(people[2:4])),
             (0, "delete: member\nmember: %s\n" % people[0]),
             (0, "add: member\nmember: %s\n-\nadd: cn\ncn: more\n" % people[4]),
             (1, "add: member\nmember: %s\n" % people[5]),
             (0, "delete: member\nmember: %s\n-\nadd: member\nmember: %s\n" % (people[1], people[6])),
             (1, "add: member\nmember: %s\n" % people[7])]
    grown = 0
    for number, (alone, text) in enumerate(steps):
        daemon.start()
        daemon.wait_status("following")
        ground.server.modify(head + text)
        wait_for(lambda: members_of(daemon, group) == members_at(ground.server, group), 10, "step %d" % number,
                 daemon.log_tail)
        daemon.stop()
        found = len(re.findall(r" [1-9]\d* more member", daemon.log()))
        need(found == grown + alone, "what was new was read alone, or all of it", number, found, grown)
        grown = found


def test_large_group_at_random(t):
    """T16: of a large group that has more members only these are decoded, and whatever else happens to it, the mirror
    has what the server answers; from time to time members are entries, and move."""
    ground = t.shared(Slapd, entries=1, memberof=0).fresh()
    rng = random.Random(20)
    people = {uid: ground.person(uid) for uid in ("p%02d" % i for i in range(30))}
    members = ["uid=x%04d,ou=elsewhere,%s" % (i, ground.dn) for i in range(400)]
    group = ground.group("crowd", members)
    daemon = t.rosterd(ground.server, t.simulator(), ground, directory_keys={"feed": "syncrepl", "full_interval": "0"},
                       rules={"Agents": {"group": group, "roles": "Agent"}, "None": {"when": "(cn=none)", "team": "Sales"}},
                       **LOG)
    daemon.start()
    daemon.wait_status("following")
    grown = 0
    for i in range(30):
        others = [dn for dn in list(people.values()) + ["cn=y%d,%s" % (i * 9 + k, ground.dn) for k in range(3)]
                  if dn.lower() not in [re.sub(" *, *", ",", member).lower() for member in members]]
        if i % 10 == 9:  # slapd does not follow her: the group names who was there
            uid = rng.choice(sorted(people))
            people[uid] = rename(ground.server, people[uid], "cn=%s-%d" % (uid, i), None)
        kind, text, members = change_of_group(rng, group, members, others)
        ground.server.modify(text)
        wait_for(lambda: members_of(daemon, group) == members_at(ground.server, group), 10, "step %d: %s" % (i, kind),
                 daemon.log_tail)
        grown += kind == "add"
    found = len(re.findall(r" [1-9]\d* more member", daemon.log()))
    need(grown / 2 <= found <= grown, "of most that only grew, what was new was read alone", found, grown)
    daemon.stop()
    fresh = t.rosterd(ground.server, t.simulator(), ground, name="fresh", directory_keys={"feed": "poll"},
                      rules={"Agents": {"group": group, "roles": "Agent"}, "None": {"when": "(cn=none)", "team": "Sales"}})
    fresh.once()
    sql = "SELECT g.id, m.kind, m.key FROM members m JOIN entries g ON g.n = m.group_n ORDER BY 1, 2, 3"
    need(daemon.state_query(sql) == fresh.state_query(sql), "as who reads it for the first time has it")
