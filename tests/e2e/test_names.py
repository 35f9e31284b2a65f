"""Names are equal when the server says so, and only then: DNs of people and groups, spelled in every way."""

import sqlite3
import unicodedata

from lib import Ds389, SambaAD, ScriptedServer, Slapd, deadline, names, need, wait_for

TWO_NAMES = [("Straße", "Strasse"), ("σας", "σασ"), ("ıx", "Ix"), ("co\u00adop", "coop"), ("ℂx", "Cx"), ("Ⅷ", "viii")]
ONE_NAME = [("ﬁn", "FIN"), ("José", unicodedata.normalize("NFD", "JOSÉ")), ("Ａx", "ax"), ("a b", "A  B")]
AT_ONCE = {"leave_grace": "0"}


def differ(t, server, seed, rounds):
    taken, same, wrong = names.compare(server, t.folder, seed, rounds)
    need(taken > rounds / 10 and 0 < same < taken, "pairs of both kinds were compared", taken, same)
    need(not wrong, "differences that nobody wants", *wrong)


@deadline(120)
def test_differential_openldap(t):
    """T34 T66: random DNs: slapd says entryAlreadyExists exactly where two spellings have one key."""
    differ(t, t.server(Slapd), 7, 1500)


@deadline(120)
def test_differential_389ds(t):
    """T34 T66: the same on 389 Directory Server, which compares names in its own way."""
    differ(t, t.server(Ds389), 8, 600)


@deadline(180)
def test_differential_samba(t):
    """T34 T66: the same on Samba."""
    differ(t, t.server(SambaAD), 9, 400)


def two_groups(t, ground, pairs, keys=None, **sections):
    """Each pair is two people: the first of it is in one group, the second in the other."""
    leads, crowd = [], []
    for i, (a, b) in enumerate(pairs):
        for uid, name, group in (("a%d" % i, a, leads), ("b%d" % i, b, crowd)):
            dn = "cn=%s,%s" % (name, ground.people)
            group.append(ground.person(uid, dn=dn, cn=name))
    rules = {"Leads": {"group": ground.group("leads", leads), "team": "Sales", "roles": "Supervisor"},
             "Crowd": {"group": ground.group("crowd", crowd), "team": "Support", "roles": "Agent"}}
    tenant = t.simulator()
    options = {"lifecycle": AT_ONCE, "rules": rules, "notify": {"alarm_after": "0"}}
    options.update(sections)
    return t.rosterd(ground.server, tenant, ground, directory_keys=keys or {}, **options), tenant


def need_apart(tenant, n):
    for i in range(n):
        a = tenant.wait_user("a%d" % i, team="Sales")
        b = tenant.wait_user("b%d" % i, team="Support")
        need(a["roles"] == ["Supervisor"] and b["roles"] == ["Agent"], "each has what her own group gives", a, b)


def test_two_names_that_are_nearly_one(t):
    """T66: sharp s, final sigma, dotless i, a soft hyphen: two entries on the server are two people here, while
    rosterd follows, after a change, and after a restart."""
    ground = t.shared(Slapd).fresh()
    daemon, tenant = two_groups(t, ground, TWO_NAMES)
    daemon.start()
    need_apart(tenant, len(TWO_NAMES))
    ground.leave(ground.group_dn("leads"), "cn=Straße,%s" % ground.people)
    tenant.wait_user("a0", disabled=True)
    need(not tenant.user("b0")["disabled"], "the other one stays", tenant.user("b0"))
    ground.join(ground.group_dn("leads"), "cn=Straße,%s" % ground.people)
    tenant.wait_user("a0", disabled=False)
    daemon.restart()
    need_apart(tenant, len(TWO_NAMES))


def test_two_names_on_389ds(t):
    """T66: what 389 Directory Server holds as two, among it what OpenLDAP would hold as one."""
    ground = t.shared(Ds389).fresh()
    pairs = [("Straße", "Strasse"), ("ﬁn", "fin"), ("José", unicodedata.normalize("NFD", "José")), ("Ａx", "ax")]
    daemon, tenant = two_groups(t, ground, pairs)
    daemon.start()
    need_apart(tenant, len(pairs))


def test_members_spelled_otherwise(t):
    """T34: what the server takes for one name is one: NFKC, case, blanks, aliases and OIDs of types, in members and
    in the rule's own group."""
    ground = t.shared(Slapd).fresh()
    members = []
    for i, (name, other) in enumerate(ONE_NAME):
        ground.person("a%d" % i, dn="cn=%s,%s" % (name, ground.people), cn=name)
        members.append("2.5.4.3=%s, %s" % (other, ground.people.replace("ou=", "organizationalUnitName = ")))
    ground.person("d", dn="displayName=Dee,%s" % ground.people, displayName="Dee", cn="d")
    members.append("2.16.840.1.113730.3.1.241=DEE,%s" % ground.people)
    group = ground.group("crowd", members)
    tenant = t.simulator()
    spelled = group.replace("cn=crowd", "commonName= CROWD").replace("ou=groups", "2.5.4.11=Groups")
    daemon = t.rosterd(ground.server, tenant, ground, rules={"Crowd": {"group": spelled, "team": "Sales"}})
    daemon.once()
    need(sorted(tenant.users()) == ["a%d" % i for i in range(len(ONE_NAME))] + ["d"], "all are members",
         sorted(tenant.users()))


def test_own_naming_attribute(t):
    """T66: a site's own attribute with caseExactMatch: Anna and anna are two people; the schema is read, not guessed."""
    server = t.server(Slapd)
    server.add("dn: cn=site,cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: site\n"
               "olcAttributeTypes: ( 1.3.6.1.4.1.32473.8.1 NAME ( 'badge' 'siteBadge' ) EQUALITY caseExactMatch"
               " SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n"
               "olcObjectClasses: ( 1.3.6.1.4.1.32473.8.2 NAME 'badged' SUP top AUXILIARY MAY badge )\n\n")
    ground = server.fresh()
    dns = {}
    for uid, name in (("a0", "badge=Anna"), ("b0", "badge=anna")):
        dns[uid] = ground.person(uid, dn="%s,%s" % (name, ground.people), cn=uid, badge=name[6:],
                                 objectClass=["inetOrgPerson", "badged"])
    rules = {"Leads": {"group": ground.group("leads", [dns["a0"].replace("badge=", "siteBadge=")]), "team": "Sales",
                       "roles": "Supervisor"},
             "Crowd": {"group": ground.group("crowd", [dns["b0"].replace("badge=", "1.3.6.1.4.1.32473.8.1=")]),
                       "team": "Support", "roles": "Agent"}}
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, ground, rules=rules)
    daemon.once()
    need_apart(tenant, 1)
    # Of an earlier version, or of another schema: the stored keys are made anew, and everything is read again.
    # Both had the key of badge=anna then, which stood for two names.
    anna, other = [daemon.state_query("SELECT n, key FROM name WHERE kind = MEMBER_DN AND key LIKE ?", "%badge=" + value + "\n")[0]
                   for value in ("anna", "Anna")]
    database = sqlite3.connect(daemon.state_file)
    database.execute("UPDATE meta SET value = 'older' WHERE name = 'names'")
    if anna[1] != other[1]:
        database.execute("UPDATE entry SET dn = coalesce(dn, (SELECT text FROM name WHERE name.n = name_n)), name_n = ? "
                         "WHERE name_n = ?", (anna[0], other[0]))
        database.execute("UPDATE member SET text = coalesce(text, (SELECT text FROM name WHERE name.n = name_n)), name_n = ? "
                         "WHERE name_n = ?", (anna[0], other[0]))
        database.execute("DELETE FROM name WHERE n = ?", (other[0],))
    database.commit()
    database.close()
    tenant.forget_requests()
    daemon.once()
    need_apart(tenant, 1)
    need(tenant.writes() == [], "nobody was touched", tenant.writes())


def test_key_that_two_share(t):
    """T66: two living entries whose names we cannot tell apart: neither inherits the other's groups, both wait, the
    alarm names both, what the entry itself says still counts; once one is renamed both go on."""
    server = t.server(ScriptedServer)
    # A server that holds these two holds them by a rule of its own: the scripted one compares bytes.
    first = server.person("a0", dn="cn=Anna,ou=people," + server.suffix)
    second = server.person("b0", dn="commonName=ANNA,ou=people," + server.suffix)
    crowd = server.group("crowd", [first])
    server.person("zoe")
    rules = {"Crowd": {"group": crowd, "team": "Sales"}, "All": {"when": "(uid=*)", "team": "Support"}}
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, None, tls=server.tls, rules=rules, notify={"alarm_after": "0"},
                       lifecycle=AT_ONCE, directory_keys={"feed": "poll", "poll_interval": "1s"})
    daemon.start()
    tenant.wait_user("zoe", team="Support")
    holds = wait_for(lambda: daemon.ctl("holds", "--json", code=2).json["holds"], 20, "two holds")
    said = str(holds)
    need("name-shared" in said and first in said and second in said, "both are named", said)
    need(sorted(tenant.users()) == ["zoe"], "neither has a user", sorted(tenant.users()))
    wait_for(lambda: any(row[0] == "name-shared" for row in daemon.state_query("SELECT code FROM alarm")), 20, "an alarm",
             lambda: daemon.state_query("SELECT code, sentence FROM alarm"))
    server.rename(second, "cn=Annabel")
    tenant.wait_user("a0", team="Sales")
    tenant.wait_user("b0", team="Support")


def test_logins_that_look_alike(t):
    """T34: values go out in one Unicode form; two people whose logins the tenant could take for one wait."""
    ground = t.shared(Slapd).fresh()
    ground.person("jose", cn="x", sn=unicodedata.normalize("NFD", "Núñez"))
    ground.person("straße", mail="s@example.com", dn="cn=b0,%s" % ground.people, cn="b0")
    ground.person("STRASSE", dn="cn=b1,%s" % ground.people, cn="b1")
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, rules={"All": {"when": "(uid=*)", "team": "Support"}})
    daemon.once(code=None)
    users = tenant.users()
    need(users["jose"]["lastName"] == unicodedata.normalize("NFC", "Núñez"), "composed", users["jose"]["lastName"])
    need(sorted(users) == ["jose"], "the two wait", sorted(users))


def wants(daemon, tenant, *logins):
    for login in logins:
        tenant.wait_user(login, team="Sales", disabled=False)
    need(sorted(tenant.users()) == sorted(logins), "these and no others", sorted(tenant.users()))
    need("is not in the directory" not in daemon.log(), "the group was found", daemon.log())


SITE = ("dn: cn=kinds,cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: kinds\n"
        "olcObjectClasses: ( 1.3.6.1.4.1.32473.9.1 NAME ( 'acmeGroup' 'acmeGruppe' ) SUP groupOfNames STRUCTURAL MAY l )\n"
        "olcObjectClasses: ( 1.3.6.1.4.1.32473.9.2 NAME 'acmeSquad' SUP acmeGroup STRUCTURAL )\n"
        "olcObjectClasses: ( 1.3.6.1.4.1.32473.9.3 NAME 'acmePerson' SUP inetOrgPerson STRUCTURAL )\n"
        "olcObjectClasses: ( 1.3.6.1.4.1.32473.9.4 NAME 'acmeLeader' SUP acmePerson STRUCTURAL )\n"
        "olcObjectClasses: ( 1.3.6.1.4.1.32473.9.5 NAME 'acmeTeam' SUP top STRUCTURAL MUST cn MAY ( member $ description ) )\n"
        "olcObjectClasses: ( 1.3.6.1.4.1.32473.9.6 NAME 'acmeGroupAccount' SUP inetOrgPerson STRUCTURAL MAY member )\n"
        "olcObjectClasses: ( 1.3.6.1.4.1.32473.9.7 NAME 'acmePrivate' SUP posixGroup AUXILIARY )\n\n")


def site(t):
    """A slapd with classes of a site's own, posixGroup auxiliary as in RFC 2307bis."""
    server = t.shared(Slapd, memberof=0)
    if not getattr(server, "knows_site", False):
        nis = [e for e in server.search("(cn=*nis)", ["olcObjectClasses"], base="cn=schema,cn=config") if e.texts(
            "olcObjectClasses")][0]
        classes = [text.replace("SUP top STRUCTURAL", "SUP top AUXILIARY").replace("( cn $ gidNumber )", "gidNumber")
                   if "'posixGroup'" in text else text for text in nis.texts("olcObjectClasses")]
        server.replace(nis.dn, olcObjectClasses=classes)
        server.add(SITE)
        server.knows_site = True
    return server.fresh()


def test_own_classes(t):
    """T69: people and groups of a site's own classes, whose superiors the server's schema alone knows (two deep, by
    alias and by OID), with each feed."""
    for feed in ("syncrepl", "poll"):
        ground = site(t)
        people = [ground.person("a0", objectClass=["acmePerson"], cn="x"),
                  ground.person("b0", objectClass=["1.3.6.1.4.1.32473.9.4"], cn="x")]
        group = ground.group("squad", people[:1], objectClass=["acmeSquad"])
        second = ground.group("gruppe", people[1:], objectClass=["acmeGruppe"])
        tenant = t.simulator()
        daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"feed": feed, "poll_interval": "1s"},
                           rules={"Squad": {"group": group, "team": "Sales"}, "Second": {"group": second, "team": "Sales"}})
        daemon.start()
        wants(daemon, tenant, "a0", "b0")
        daemon.stop()


def test_person_with_auxiliary_classes(t):
    """T69: whatever auxiliary class is added to a person (her private posixGroup, one below it, a container's), she
    stays a person, on each feed; a posixGroup of its own is a group."""
    for feed in ("syncrepl", "poll"):
        ground = site(t)
        for uid in ("a0", "b0"):
            ground.person(uid)
        group = ground.group("crowd", ["a0", "b0"])
        tenant = t.simulator()
        daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"feed": feed, "poll_interval": "1s"},
                           lifecycle=AT_ONCE, rules={"Crowd": {"group": group, "team": "Sales"}})
        daemon.start()
        wants(daemon, tenant, "a0", "b0")
        for i, added in enumerate((["posixGroup"], ["acmePrivate"], ["posixAccount", "posixGroup"], ["dcObject"])):
            more = {"gidNumber": "5"}
            if "posixAccount" in added:
                more.update(uidNumber="7", homeDirectory="/x")
            if added == ["dcObject"]:
                more = {"dc": "x", "gidNumber": None, "uidNumber": None, "homeDirectory": None}
            ground.replace("a0", objectClass=["inetOrgPerson"] + added, sn="Sn%d" % i, **more)
            tenant.wait_user("a0", lastName="Sn%d" % i)
            wants(daemon, tenant, "a0", "b0")
        daemon.stop()


def test_what_the_group_filter_selects(t):
    """T69: what group_filter selects is a group: by a class of no known superior, by an attribute, and a class below
    person that is named there."""
    ground = site(t)
    for uid in ("a0", "b0", "c0"):
        ground.person(uid)
    rules = {}
    for name, uid, classes in (("team", "a0", ["acmeTeam"]), ("account", "b0", ["acmeGroupAccount"]),
                               ("role", "c0", ["organizationalRole", "extensibleObject"])):
        dn = ground.group(name, [uid], objectClass=classes, **({"sn": "x"} if name == "account" else {}))
        rules[name] = {"group": dn, "team": "Sales"}
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, rules=rules, directory_keys={
        "group_filter": "(|(objectClass=acmeTeam)(objectClass=acmeGroupAccount)(&(cn=role)(member=*)))"})
    daemon.start()
    wants(daemon, tenant, "a0", "b0", "c0")
