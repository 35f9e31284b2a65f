"""Groups: who is in them, whatever the server does to them."""

from lib import ScriptedServer, Slapd, need, wait_for

AT_ONCE = {"leave_grace": "0"}
SHORT = {"min": "50ms", "max": "200ms", "hold": "1s"}
ALARM = {"alarm_after": "0"}
POLL = {"feed": "poll", "poll_interval": "1s"}
OPEN = {"max_update": "unlimited", "max_disable": "unlimited", "max_team_change": "unlimited"}

# A file without any team is refused; this one gives nobody a team.
NOBODY = {"Nobody": {"when": "(cn=nobody)", "team": "Sales"}}


def follow(t, server, ground, rules, feed="syncrepl", **sections):
    """A daemon and its tenant; not started."""
    tenant = t.simulator()
    keys = {"feed": feed, "poll_interval": "1s", "full_interval": "1s"}
    keys.update(sections.pop("directory_keys", {}))
    options = {"lifecycle": AT_ONCE, "retry": SHORT, "notify": ALARM}
    options.update(sections)
    tls = server.tls if isinstance(server, ScriptedServer) else "ldaps"
    daemon = t.rosterd(server, tenant, ground, rules=rules, directory_keys=keys, tls=tls,
                       tenant_keys={"max_rate": "0"}, **options)
    return daemon, tenant


def disabled(tenant):
    return sorted(login for login, user in tenant.users().items() if user["disabled"])


def last_run(daemon):
    return daemon.log().split("--- ")[-1]


# --- ranges ---

def member_count(daemon, dn):
    return daemon.state_query("SELECT count(*) FROM member JOIN entries ON n = group_n WHERE entries.dn = ? "
                              "AND member.kind = MEMBER_DN", dn)[0][0]


def test_ranges_of_1500(t):
    """T10: a group grows from 1,498 to 1,501 members and beyond: its members come in ranges."""
    server = t.server(ScriptedServer, flavor="ad")
    # Every tenth of them is an agent, so that not all 1,500 need to be created.
    people = [server.person("u%04d" % i, employeeType="agent" if i % 10 == 0 or i > 1490 else "none")
              for i in range(1504)]
    group = server.group("crowd", people[:1498])
    daemon, tenant = follow(t, server, None,
                            {"Agents": {"group": group, "when": "(employeeType=agent)", "team": "Sales"}}, "poll")
    for n in (1498, 1501, 1504):
        server.replace(group, member=people[:n])
        server.forget_requests()
        daemon.once()
        need(member_count(daemon, group) == n, "every member is known", n, member_count(daemon, group))
        agents = ["u%04d" % i for i in range(n) if i % 10 == 0 or i > 1490]
        need(sorted(tenant.users()) == agents, "every agent is a user", len(tenant.users()), len(agents))
        need(disabled(tenant) == [], "and stays one", disabled(tenant))
        ranges = server.requests("search", lambda r: any("range=" in a for a in r.attributes))
        need(bool(ranges) == (n > 1500), "ranges were asked for if needed", n, ranges)


def test_other_range_sizes(t):
    """T10: ranges of other sizes, also changing ones, and a server with the hard cap of 5,000."""
    server = t.server(ScriptedServer, flavor="ad")
    people = server.people(40)
    # Nobody has a team: this is about who is a member.
    everybody = people + ["CN=m%05d,ou=people,%s" % (i, server.suffix) for i in range(5200)]
    group = server.group("crowd", everybody)
    daemon, _ = follow(t, server, None, {"Agents": {"group": group, "roles": "Agent"}, **NOBODY}, "poll")
    for size in (5000, 1000, 999, lambda entry, start: 700 if start % 2 else 1300):
        server.value_range = size
        daemon.once()
        need(member_count(daemon, group) == len(everybody), "all", size, member_count(daemon, group))
        need("not read whole" not in last_run(daemon), "proven", last_run(daemon))


def test_group_edited_while_it_is_read(t):
    """T10: members change between two ranges: the group is read again, never put together of two states."""
    server = t.server(ScriptedServer, flavor="ad")
    server.value_range = 10
    people = server.people(60)
    group = server.group("crowd", people[:40])
    daemon, tenant = follow(t, server, None, {"Agents": {"group": group, "team": "Sales"}}, "poll", guard=OPEN)
    daemon.once()
    need(len(tenant.users()) == 40, "all members", len(tenant.users()))
    done = []

    def edit(how):
        def on_range(entry, name, start):
            if start > 0 and how not in done:
                done.append(how)
                how(entry)
        return on_range

    def properly(entry):  # with a new uSNChanged; the values move up by one
        server.replace(entry.dn, member=people[1:45])

    def silently(entry):  # as if the change number were not to be seen
        server.raw_set(entry.dn, member=people[5:50])

    for how, first, last in ((properly, 1, 45), (silently, 5, 50)):
        server.on_range = edit(how)
        daemon.once()
        need(how in done, "it was edited in mid-loop")
        server.on_range = None
        daemon.once()
        wanted = ["u%05d" % (i + 1) for i in range(first, last)]
        active = sorted(login for login, user in tenant.users().items() if not user["disabled"])
        need(active == wanted, "exactly the members of afterwards", active, wanted)


def test_group_that_never_holds_still(t):
    """T10: a group that changes during each attempt stays as it was, and everybody else goes on."""
    server = t.server(ScriptedServer, flavor="ad")
    server.value_range = 10
    people = server.people(40)
    zoe = server.person("zoe")
    group = server.group("crowd", people[:30])
    daemon, tenant = follow(t, server, None, {"Zoe": {"when": "(sAMAccountName=zoe)", "team": "Sales"},
                                              "Agents": {"group": group, "team": "Sales"}}, "poll", guard=OPEN)
    daemon.once()
    need(len(tenant.users()) == 31, "all members", len(tenant.users()))
    turn = [0]

    def on_range(entry, _name, start):
        if start > 0:
            turn[0] += 1
            server.replace(entry.dn, member=people[turn[0] % 7:turn[0] % 7 + 25])
    server.on_range = on_range
    server.replace(zoe, sn="Changed")
    daemon.once()
    need(turn[0] < 100, "it is not read for ever", turn[0])
    need(disabled(tenant) == [], "nobody is disabled")
    need(tenant.user("zoe")["lastName"] == "Changed", "others are updated")
    need("keeps changing" in last_run(daemon) and group in last_run(daemon), "said", last_run(daemon))


# --- what can happen to a group that a rule names ---

def test_group_emptied(t):
    """T11: a group is emptied: said as such, and up to the budget. (It is of a class that may be empty: a groupOfNames
    without a member is hidden, see test_unknown.py.)"""
    server = t.server(ScriptedServer)
    people = server.people(10)
    group = server.group("crowd", people, objectClass=["top", "posixGroup"])
    daemon, tenant = follow(t, server, None, {"Agents": {"group": group, "team": "Sales"}},
                            directory_keys={"group_filter": None})
    daemon.once()
    need(len(tenant.users()) == 10, "all members", len(tenant.users()))
    server.replace(group, member=None)
    zoe = server.person("zoe")
    night = server.group("night", [zoe])
    daemon.configure(rules={"Agents": {"group": group, "team": "Sales"}, "Night": {"group": night, "team": "Support"}})
    daemon.once(code=None)
    need(len(disabled(tenant)) == 5, "no more than the budget", disabled(tenant))
    need(tenant.user("zoe"), "creates go on")
    text = last_run(daemon)
    need("has no members" in text and group in text, "the log says emptied", text)
    need("was deleted" not in text and "is now called" not in text, "and nothing else", text)
    parked = daemon.state_query("SELECT count(*) FROM operation WHERE state = OPERATION_PARKED AND reason = 'budget'")[0][0]
    need(parked == 5, "what is beyond is parked", daemon.state_query("SELECT state, reason FROM operation"))
    need(daemon.audit(event="alarm", code="budget"), "an alarm", daemon.audit(event="alarm"))
    server.replace(group, member=people)
    daemon.once()
    need(daemon.state_query("SELECT count(*) FROM operation")[0][0] == 0, "filled again: nothing waits")
    need(disabled(tenant) == [], "and all are back")


def test_group_deleted(t):
    """T11: a group is deleted: nobody loses anything for it; restored, all is as before."""
    for feed in ("syncrepl", "poll"):
        ground = t.shared(Slapd).fresh()
        people = ["u%02d" % i for i in range(4)]
        ground.persons({uid: {} for uid in people + ["zoe", "ada", "bob"]})
        group = ground.group("crowd", people)
        night = ground.group("night", ["ada", "bob"])
        rules = {"Night": {"group": night, "team": "Support"}, "Everybody": {"group": group, "team": "Sales", "roles": ["Agent", "Supervisor"], "skills": "English:50"}}
        daemon, tenant = follow(t, ground.server, ground, rules, feed, guard=OPEN)
        daemon.start()
        tenant.wait_users(people + ["ada", "bob"])
        ground.remove(group)
        daemon.wait_log(r"the group %s of rule \"Everybody\" was deleted: nobody loses anything" % group)
        ground.replace("ada", sn="Changed")
        tenant.wait_user("ada", lastName="Changed")  # updates of others go on
        ground.leave(night, "bob")
        tenant.wait_user("bob", disabled=True)  # and so do disables for another group's sake
        wait_for(lambda: len(daemon.audit(event="hold", code="group-missing")) == 4, 10, "four are held",
                 lambda: daemon.audit(event="hold"))
        need(disabled(tenant) == ["bob"], "nobody else is disabled")
        need(all(sorted(tenant.user(uid)["roles"]) == ["Agent", "Supervisor"] for uid in people), "nor loses a role")
        wait_for(lambda: daemon.audit(event="alarm", code="group-missing"), 10, "an alarm")
        # Restored: another entryUUID under the name that the rule knows.
        tenant.forget_requests()
        ground.group("crowd", people + ["zoe"])
        tenant.wait_user("zoe")
        wait_for(lambda: daemon.state_query("SELECT count(*) FROM operation")[0][0] == 0, 10, "nothing waits")
        wait_for(lambda: daemon.audit(event="alarm-over", code="group-missing"), 10, "the alarm is over")
        need(len(tenant.writes()) == 1, "but zoe's create nothing was done", tenant.writes())
        daemon.stop()


def test_group_renamed_and_moved(t):
    """T11: a group is renamed, then moved: it is followed by its identity, and the log says so."""
    for feed in ("syncrepl", "poll"):
        ground = t.shared(Slapd).fresh()
        ground.persons({uid: {} for uid in ("ada", "bob", "cem", "eve")})
        group = ground.group("crowd", ["ada", "bob"])
        daemon, tenant = follow(t, ground.server, ground, {"Agents": {"group": group, "team": "Sales"}}, feed, guard=OPEN)
        daemon.start()
        tenant.wait_users(["ada", "bob"])
        tenant.forget_requests()
        ground.server.rename(group, "cn=people of sales")
        renamed = ground.group_dn("people of sales")
        daemon.wait_log("is now called %s: it is followed" % renamed)
        ground.join(renamed, "cem")
        tenant.wait_user("cem", team="Sales")
        ground.server.rename(renamed, "cn=people of sales", ground.dn)
        moved = "cn=people of sales," + ground.dn
        daemon.wait_log("is now called %s: it is followed" % moved)
        ground.join(moved, "eve")
        tenant.wait_user("eve", team="Sales")
        daemon.restart()
        daemon.wait_status("following")
        need(len(tenant.writes()) == 2, "two creates and nothing else", tenant.writes())
        need("was deleted" not in daemon.log() and "has no members" not in daemon.log(), "no other reason")
        ground.leave(moved, "bob")
        tenant.wait_user("bob", disabled=True)
        daemon.stop()


def test_group_moved_out_of_the_base(t):
    """T11: a group leaves the part of the directory that is read: as if it were deleted."""
    for feed in ("syncrepl", "poll"):
        ground = t.shared(Slapd).fresh()
        other = t.shared(Slapd).fresh()
        people = ["u%02d" % i for i in range(4)]
        ground.persons({uid: {} for uid in people})
        group = ground.group("crowd", people)
        daemon, tenant = follow(t, ground.server, ground, {"Agents": {"group": group, "team": "Sales"}}, feed, guard=OPEN)
        daemon.start()
        tenant.wait_users(people)
        ground.server.rename(group, "cn=crowd", other.groups)
        daemon.wait_log("nobody loses anything")
        ground.person("zoe")
        wait_for(lambda: [h["people"] for h in daemon.ctl("holds", "--json", code=None).json["holds"]
                          if h["reason"] == "group-missing"] == [4], 20, "they wait for the group",
                 lambda: daemon.ctl("holds", code=None).out)
        need(disabled(tenant) == [], "nobody is disabled")
        daemon.stop()


def test_group_missing_at_start(t):
    """T12: a rule's group that was never there is a mistake of the rule, not an empty group."""
    ground = t.shared(Slapd).fresh()
    ground.persons({uid: {} for uid in ("ada", "bob", "zoe")})
    group = ground.group("crowd", ["ada", "bob"])
    night = ground.group("night", ["zoe"])
    rules = {"Agents": {"group": group, "team": "Sales", "roles": "Agent"}, "Night": {"group": night, "team": "Support"}}
    daemon, tenant = follow(t, ground.server, ground, rules, guard=OPEN)
    typo = ground.group_dn("crwod")
    daemon.configure(rules={"Agents": {"group": typo, "team": "Sales"}, "Night": {"group": night, "team": "Support"}})
    daemon.once()
    tenant.wait_users(["zoe"])  # the other rule works
    line = "the group %s of rule \"Agents\" is not in the directory" % typo
    need(line in daemon.log(), "the log names rule and group", daemon.log_tail())
    daemon.configure(rules=rules)
    daemon.once()
    tenant.wait_users(["ada", "bob", "zoe"])
    # The typing error comes in when they are users: nobody loses anything.
    daemon.configure(rules={"Agents": {"group": typo, "team": "Sales"}, "Night": {"group": night, "team": "Support"}})
    daemon.once(code=None)
    need(disabled(tenant) == [], "nobody is disabled")
    held = daemon.state_query("SELECT DISTINCT reason FROM operation")
    need(held == [("group-missing",)], "held for it", held)


# --- members ---

def test_cycles_and_selves(t):
    """T13: groups in circles, ten deep, and in themselves: it ends, and everybody counts once."""
    ground = t.shared(Slapd).fresh()
    people = ["u%02d" % i for i in range(10)]
    ground.persons({uid: {} for uid in people + ["zoe"]})
    names = [ground.group_dn("g%d" % i) for i in range(10)]
    for i, uid in enumerate(people):
        ground.group("g%d" % i, sorted({uid, names[(i + 1) % 10], names[i]}))
    daemon, tenant = follow(t, ground.server, ground, {"Agents": {"group": names[3], "team": "Sales"}}, guard=OPEN)
    daemon.start()
    tenant.wait_users(people)
    ground.join(names[2], "zoe")  # the farthest of the circle
    tenant.wait_user("zoe")
    ground.server.modify("dn: %s\nchangetype: modify\ndelete: member\nmember: %s\n" % (names[1], names[2]))
    tenant.wait_user("zoe", disabled=True)
    tenant.wait_user("u02", disabled=True)
    need(disabled(tenant) == ["u02", "zoe"], "the circle is open now", disabled(tenant))
    need(tenant.counters()["creates"] == 11, "each once", tenant.counters())


def test_members_who_are_nobody(t):
    """T14: members outside the base, deleted, contacts and nonsense: the others are users."""
    server = t.server(ScriptedServer, flavor="ad")
    good = [server.person("good%d" % i) for i in range(3)]
    gone = server.person("gone")
    server.add("CN=Branch," + server.suffix, {"objectClass": ["top", "container"], "cn": "Branch"})
    far = server.person("far", dn="CN=far,CN=Branch," + server.suffix)
    contact = server.add("CN=Contact,ou=people," + server.suffix,
                         {"objectClass": ["top", "person", "organizationalPerson", "contact"], "cn": "Contact"})
    foreign = "CN=S-1-5-21-1-2-3-500,CN=ForeignSecurityPrincipals," + server.suffix
    group = server.group("crowd", [good[0], gone, far, contact, foreign, good[1], "not a DN at all", "", good[2]])
    server.delete(gone)
    keys = {"base": "ou=people," + server.suffix, "group_base": "ou=groups," + server.suffix,
            "filter": "(objectClass=person)"}
    daemon, tenant = follow(t, server, None, {"Agents": {"group": group, "team": "Sales"}}, "poll", directory_keys=keys)
    daemon.once()
    tenant.wait_users(["good0", "good1", "good2"])
    need("not read whole" not in daemon.log(), "that is no doubt about the read", daemon.log_tail())
    skipped = daemon.state_query("SELECT bucket_code FROM people JOIN entries ON entries.id = people.entry_id "
                                 "WHERE entries.dn = ?", contact)
    need(skipped and skipped[0][0], "the contact is skipped with a reason", skipped)
    server.replace(group, member=[good[0], good[2], foreign])
    daemon.once()
    need(disabled(tenant) == ["good1"], "and changes are seen", disabled(tenant))


def test_without_memberof(t):
    """T15 T16: a server without memberOf: membership stands on the group alone, people do not change."""
    server = t.shared(Slapd, memberof=0)
    for feed in ("syncrepl", "poll"):
        ground = server.fresh()
        ground.persons({uid: {} for uid in ("ada", "bob")})
        group = ground.group("crowd", ["ada"])
        need(not server.read(ground.person_dn("ada"), "memberOf").get("memberOf"), "no memberOf here")
        daemon, tenant = follow(t, server, ground, {"Agents": {"group": group, "team": "Sales"}}, feed,
                                directory_keys={"full_interval": "0"})
        daemon.start()
        tenant.wait_users(["ada"])
        before = server.read(ground.person_dn("bob"), "modifyTimestamp", "entryCSN")
        ground.join(group, "bob")
        tenant.wait_user("bob")
        ground.leave(group, "ada")
        tenant.wait_user("ada", disabled=True)
        after = server.read(ground.person_dn("bob"), "modifyTimestamp", "entryCSN")
        need(before == after or before.get("entryCSN") == after.get("entryCSN"), "bob's entry did not change")
        daemon.stop()


def test_one_of_5000(t):
    """T16: one more member of a group of 5,000: one person is looked at again, not 5,000."""
    server = t.server(ScriptedServer)
    people = server.people(5000)
    zoe = server.person("zoe")
    group = server.group("crowd", people)
    # A rule without a team: nobody is created, which is not what this is about.
    daemon, _ = follow(t, server, None, {"Agents": {"group": group, "roles": "Agent"}, **NOBODY},
                       directory_keys={"full_interval": "0"})
    daemon.start()
    daemon.wait_log(r'Run 1 is over: .*"seen":5001', 40)
    daemon.wait_status("following")
    server.replace(group, member=people + [zoe])
    daemon.wait_log(r"Run 2 is over", 20)
    run = daemon.state_query("SELECT totals FROM run ORDER BY number DESC LIMIT 1")[0][0]
    need('"seen":1,' in run.replace(" ", "") or '"seen":1}' in run.replace(" ", ""), "one person", run)
    server.replace(group, member=people[1:] + [zoe])
    daemon.wait_log(r"Run 3 is over", 20)
    run = daemon.state_query("SELECT totals FROM run ORDER BY number DESC LIMIT 1")[0][0]
    need('"seen":1,' in run.replace(" ", "") or '"seen":1}' in run.replace(" ", ""), "one person", run)


# --- kinds of groups, and where they are ---

def test_groups_elsewhere(t):
    """T14: group_base outside base: two searches, and each has its own proof."""
    for feed in ("syncrepl", "poll"):
        server = t.shared(Slapd)
        ground, other = server.fresh(), server.fresh()
        ground.persons({uid: {} for uid in ("ada", "bob", "cem")})
        group = other.group("crowd", [ground.person_dn("ada"), ground.person_dn("bob")])
        daemon, tenant = follow(t, server, None, {"Agents": {"group": group, "team": "Sales"}}, feed, guard=OPEN,
                                directory_keys={"base": ground.people, "group_base": other.groups})
        daemon.start()
        tenant.wait_users(["ada", "bob"])
        other.join(group, ground.person_dn("cem"))
        tenant.wait_user("cem")
        other.leave(group, ground.person_dn("ada"))
        tenant.wait_user("ada", disabled=True)
        ground.remove("bob")
        tenant.wait_user("bob", disabled=True)
        other.remove(group)
        daemon.wait_log("nobody loses anything")
        need(not tenant.user("cem")["disabled"], "cem keeps it")
        daemon.stop()
        need("not read whole" not in daemon.log(), "both reads are proven", daemon.log_tail())


def test_one_of_two_searches_fails(t):
    """T1: one of the searches for people and for groups is not whole: nobody is disabled, and the alarm says it
    until both are."""
    server = t.server(ScriptedServer)
    people = server.people(6)
    group = server.group("crowd", people[:5])
    bases = {"base": "ou=people," + server.suffix, "group_base": "ou=groups," + server.suffix}
    for feed in ("poll", "syncrepl"):
        for part, after in (("ou=groups", 0), ("ou=people", 4)):
            name = "%s%s" % (feed, after)
            daemon, tenant = follow(t, server, None, {"Agents": {"group": group, "team": "Sales"}}, feed, guard=OPEN,
                                    directory_keys=bases)
            daemon.once()
            need(len(tenant.users()) == 5, "the members")
            server.fail_search(4, after=after, base="%s,%s" % (part, server.suffix), times=None,
                               matching=lambda r: r.scope == "sub")
            server.replace(people[0], sn=name)
            leaver = server.group("leavers" + name, [server.person("leaver" + name)])
            server.replace(group, member=people[:5] + [leaver])
            daemon.configure(user={"mobile_phone": "${mobile}"})  # so that syncrepl reads all again
            daemon.once(code=None)
            text = last_run(daemon)
            need(tenant.user("u00001")["lastName"] == name, "updates go on", text)
            need("not read whole" in text and "LDAP code 4" in text, "said", text)
            need("was deleted" not in text, "the group is not taken for gone", text)
            need(disabled(tenant) == [], "nobody is disabled", disabled(tenant))
            alarm = daemon.state_query("SELECT sentence FROM alarm WHERE cause = 'read'")
            need(alarm and "LDAP code 4" in alarm[0][0], "the alarm stands", alarm)
            server.clear()
            daemon.once()
            tenant.wait_user("leaver" + name)
            need(daemon.state_query("SELECT 1 FROM alarm WHERE cause = 'read'") == [], "and ends")
            server.replace(group, member=people[:5])


def test_posix_and_unique(t):
    """T16: posixGroup by memberUid and groupOfUniqueNames by uniqueMember, nested and changing."""
    for feed in ("syncrepl", "poll"):
        server = t.shared(Slapd)
        ground = server.fresh()
        ground.persons({uid: {} for uid in ("ada", "bob", "cem", "eve")})
        posix = ground.group("posix", [], objectClass=["top", "posixGroup"], member=None, gidNumber="4711",
                             memberUid=["ada", "nobody-there"])
        unique = ground.group("unique", [], objectClass=["top", "groupOfUniqueNames"], member=None,
                              uniqueMember=[ground.person_dn("bob"), ground.person_dn("cem") + "#'0101'B"])
        rules = {"Posix": {"group": posix, "team": "Sales"}, "Unique": {"group": unique, "team": "Support"}}
        daemon, tenant = follow(t, server, ground, rules, feed, guard=OPEN, directory_keys={"group_filter": None})
        daemon.start()
        tenant.wait_users(["ada", "bob", "cem"])
        need(tenant.user("ada")["team"] == "Sales" and tenant.user("cem")["team"] == "Support", "teams")
        server.modify("dn: %s\nchangetype: modify\nadd: memberUid\nmemberUid: eve\n" % posix)
        tenant.wait_user("eve", team="Sales")
        server.modify("dn: %s\nchangetype: modify\ndelete: uniqueMember\nuniqueMember: %s\n"
                      % (unique, ground.person_dn("bob")))
        tenant.wait_user("bob", disabled=True)
        server.modify("dn: %s\nchangetype: modify\ndelete: memberUid\nmemberUid: ada\n" % posix)
        tenant.wait_user("ada", disabled=True)
        daemon.stop()


def test_other_login_attribute(t):
    """T54: a start with another login_attribute, which rules name as well, so that nothing else is asked for or kept: by whose
    numbers a posixGroup names its members is read of everybody again, and nobody who is in it leaves."""
    server = t.shared(Slapd)
    ground = server.fresh()
    ground.persons({uid: {"employeeNumber": str(n)} for n, uid in enumerate(("ada", "bob", "cem"), 70)})
    posix = ground.group("posix", [], objectClass=["top", "posixGroup"], member=None, gidNumber="4711",
                         memberUid=["ada", "bob", "cem"])
    rules = {"Posix": {"group": posix, "team": "Sales"}, "Numbered": {"when": "(employeeNumber=*)", "roles": "Agent"}}
    daemon, tenant = follow(t, server, ground, rules, "syncrepl", guard=OPEN, directory_keys={"group_filter": None},
                            lifecycle={"leave_grace": "0"})
    daemon.start()
    tenant.wait_users(["ada", "bob", "cem"])
    daemon.stop()
    server.replace(posix, memberUid=["70", "71"])
    daemon.configure(directory={"login_attribute": "employeeNumber"})
    daemon.start()
    tenant.wait_user("cem", disabled=True)
    need(not tenant.user("ada")["disabled"] and not tenant.user("bob")["disabled"], "who is in it stays", daemon.log_tail())
    need(len(daemon.audit(event="leave")) == 1, "nor was about to leave", daemon.audit(event="leave"))


# --- repairs in the background (slapd's refint) ---

def test_repaired_late(t):
    """T15: a server repairs a group some time after its member moved, and tells nobody: the
    member stays one; and who comes back into the base is found in the groups."""
    for feed in ("syncrepl", "poll"):
        server = t.server(ScriptedServer)
        server.add("ou=gone," + server.suffix, {"objectClass": ["organizationalUnit"], "ou": "gone"})
        ada, bob = server.person("ada"), server.person("bob")
        team = server.group("team", [ada, bob])
        rules = {"Team": {"group": team, "team": "Sales"}}
        daemon, tenant = follow(t, server, None, rules, feed,
                                directory_keys={"base": "ou=people," + server.suffix, "full_interval": "0",
                                                "group_base": "ou=groups," + server.suffix})
        daemon.start()
        tenant.wait_users(["ada", "bob"])

        def looked():
            return len(server.requests("search", lambda r: r.dn == team and r.scope == "base"))

        # Within the base: the group is read too early, and again.
        daemon.wait_status("following")
        server.rename(ada, "uid=ada2")
        moved = ada.replace("uid=ada,", "uid=ada2,")
        wait_for(lambda: looked() > 0, 10, "the group is read again", server.requests)
        server.raw_set(team, member=[moved, bob])
        stale = "SELECT count(*) FROM stale"
        wait_for(lambda: daemon.state_query(stale)[0][0] == 0, 10, "it is settled", server.requests)
        need(disabled(tenant) == [], "and nobody fell out", daemon.log_tail())
        # Out of the base and back, repaired later each time.
        away = "uid=bob,ou=gone," + server.suffix
        server.rename(bob, "uid=bob", "ou=gone," + server.suffix)
        tenant.wait_user("bob", disabled=True)
        server.raw_set(team, member=[moved, away])
        wait_for(lambda: daemon.state_query(stale)[0][0] == 0, 10, "it is settled", server.requests)
        asked = len(server.requests("search", lambda r: "member=" in r.filter))
        server.rename(away, "uid=bob3", "ou=people," + server.suffix)
        wait_for(lambda: len(server.requests("search", lambda r: "member=" in r.filter)) > asked, 10,
                 "it is asked who names the one that appeared", server.requests)
        server.raw_set(team, member=[moved, bob.replace("uid=bob,", "uid=bob3,")])
        wait_for(lambda: sorted(tenant.users()) == ["ada2", "bob3"] and disabled(tenant) == [], 20, "both are users",
                 tenant.users)


def test_nobody_says_who_names_newcomers(t):
    """A server that refuses to say which groups name somebody: everything is read again, so that newcomers get
    what their groups give; and one line of the log says what that costs, however often it happens."""
    server = t.server(ScriptedServer)
    ada = server.person("ada")
    members = [ada]
    team = server.group("team", members)
    daemon, tenant = follow(t, server, None, {"Team": {"group": team, "team": "Sales"}},
                            directory_keys={"full_interval": "0"})
    server.fail_search(53, message="no index on member", matching=lambda r: "(member=" in r.filter, times=None)
    daemon.start()
    tenant.wait_users(["ada"])
    for uid in ("bob", "cem"):
        members.append(server.person(uid))
        server.raw_set(team, member=members)  # without a word, as servers that repair references do
        tenant.wait_user(uid, team="Sales")
    said = [line for line in daemon.log().splitlines() if "which groups the new people are in" in line]
    need(len(said) == 1 and "no index on member" in said[0], "it is said once, with the server's words", said)


def test_never_repaired(t):
    """T15: where no server repairs anything, the old DN names nobody after a while."""
    server = t.server(ScriptedServer)
    ada, bob = server.person("ada"), server.person("bob")
    team = server.group("team", [ada, bob])
    daemon, tenant = follow(t, server, None, {"Team": {"group": team, "team": "Sales"}},
                            directory_keys={"full_interval": "0"})
    daemon.start()
    tenant.wait_users(["ada", "bob"])
    before = len(server.requests("search", lambda r: r.dn == team))
    server.rename(ada, "uid=ada2")
    tenant.wait_user("ada2", disabled=True)
    n = len(server.requests("search", lambda r: r.dn == team)) - before
    need(2 <= n <= 4, "after some looks", n)


def test_hires_in_a_burst(t):
    """T15: hundreds who appear are users at once: no commit waits for the question who names them."""
    ground = t.shared(Slapd).fresh()
    team = ground.group("team", [ground.person("ada")])
    daemon, tenant = follow(t, ground.server, ground,
                            {"Agents": {"when": "(employeeType=agent)", "team": "Sales"},
                             "Team": {"group": team, "team": "Support"}},
                            directory_keys={"full_interval": "0"})
    daemon.start()
    tenant.wait_users(["ada"])
    hired = ["h%03d" % i for i in range(500)]
    ground.persons({login: {"employeeType": "agent"} for login in hired})
    tenant.wait_users(["ada"] + hired, seconds=10)
    # Who is in a group before her entry exists is found as well.
    late = "uid=late,%s" % ground.people
    ground.server.modify("dn: %s\nchangetype: modify\nadd: member\nmember: %s\n" % (team, late))
    ground.person("late")
    tenant.wait_user("late", team="Support")
