"""Reads that look whole and are not: nobody is taken for gone, everything else goes on."""

from lib import ScriptedServer, Slapd, deadline, entry_ldif, need, wait_for
from lib.rosterd import Lines

AT_ONCE = {"leave_grace": "0"}
SHORT = {"min": "50ms", "max": "200ms", "hold": "1s"}
ALARM = {"alarm_after": "0"}
RULES = {"Agents": {"when": "(employeeType=agent)", "team": "Sales"}}
PEOPLE = r"objectClass=inetOrgPerson"


class Scene:
    """A server with agents u00, u01, ... (and as many others, x00, ..., before them), all of
    them users.  Each round lets one leave, makes one of the others an agent and changes a
    third, of whom the first entries of a read tell."""

    def __init__(self, t, server, n=20, **options):
        self.t, self.server, self.n = t, server, n
        self.others = [server.person("x%02d" % i, employeeType="none") for i in range(n)]
        self.agents = [server.person("u%02d" % i, employeeType="agent") for i in range(n)]
        self.tenant = t.simulator()
        keys = {"feed": "poll", "poll_interval": "1s", "page_size": "10"}
        keys.update(options)
        self.daemon = t.rosterd(server, self.tenant, rules=RULES, directory_keys=keys, lifecycle=AT_ONCE,
                                retry=SHORT, notify=ALARM, tls=server.tls)
        self.daemon.once()
        need(len(self.tenant.users()) == n, "all agents are users", sorted(self.tenant.users()))
        self.round = 0
        self.gone = []

    def change(self):
        """What the next read is to find out."""
        i = self.round
        self.round += 1
        self.gone.append("u%02d" % (self.n - 1 - i))
        self.server.delete(self.agents[self.n - 1 - i])
        self.server.replace(self.others[i], employeeType="agent")
        self.server.replace(self.others[0], sn="Name%d" % self.round)
        self.server.replace(self.agents[0], sn="Name%d" % self.round)

    def nobody_disabled(self):
        disabled = [login for login, user in self.tenant.users().items() if user["disabled"]]
        need(disabled == [], "nobody is disabled", disabled)

    def goes_on(self, updated=True):
        users = self.tenant.users()
        need("x%02d" % (self.round - 1) in users, "the newcomer is created", sorted(users))
        if updated:
            need(users["x00"]["lastName"] == "Name%d" % self.round, "who changed is updated", users["x00"])

    def unproven(self, *reasons):
        """The last read was not proven, and log says why."""
        text = self.daemon.log().split("--- ")[-1]
        need("was not read whole, so nobody is taken for gone" in text, "the log says it", text)
        for reason in reasons:
            need(reason in text, "the log says why", reason, text)

    def alarmed(self, *reasons):
        rows = self.daemon.state_query("SELECT code, sentence FROM alarm WHERE cause = 'read'")
        need(rows and rows[0][0] == "read-not-proven", "there is an alarm", rows)
        for reason in reasons:
            need(reason in rows[0][1], "the alarm says why", reason, rows)

    def heals(self):
        """With a whole read those who left are disabled: the proof was what held it."""
        self.server.clear()
        self.daemon.once()
        users = self.tenant.users()
        need(all(users[login]["disabled"] for login in self.gone), "now they are disabled", self.gone)
        need(sum(user["disabled"] for user in users.values()) == len(self.gone), "and no other", users)
        need(self.daemon.state_query("SELECT 1 FROM alarm WHERE cause = 'read'") == [], "the alarm is over")


def test_ended_early(t):
    """T1: time, size and administrative limit, busy, unavailable after some entries."""
    scene = Scene(t, t.server(ScriptedServer))
    for code, words in ((3, "Time limit"), (4, "Size limit"), (11, "Administrative limit"), (51, "busy"),
                        (52, "unavailable")):
        scene.change()
        scene.server.fail_search(code, after=33, filter=PEOPLE, message="as the test says")
        scene.daemon.once()
        scene.goes_on()
        scene.nobody_disabled()
        scene.unproven("LDAP code %d" % code, "as the test says", words)
        scene.alarmed("LDAP code %d" % code)
        scene.server.clear()
    scene.heals()


def test_alarm_reaches_a_person(t):
    """T1: the alarm of a read that is not whole is raised once and over once."""
    scene = Scene(t, t.server(ScriptedServer), full_interval="500ms")
    daemon = scene.daemon
    scene.change()
    scene.server.fail_search(4, after=33, filter=PEOPLE, times=None)
    daemon.start()
    row = wait_for(lambda: daemon.audit(event="alarm", code="read-not-proven"), 10, "the alarm")[0]
    need("LDAP code 4" in row["sentence"], "with the reason", row)
    n = len(scene.server.requests("search"))
    wait_for(lambda: len(scene.server.requests("search")) > n + 20, 20, "some more such reads")
    need(len(daemon.audit(event="alarm", code="read-not-proven")) == 1, "one alarm", daemon.audit(event="alarm"))
    scene.nobody_disabled()
    scene.server.clear()
    scene.tenant.wait_user("u19", disabled=True)
    wait_for(lambda: daemon.audit(event="alarm-over", code="read-not-proven"), 10, "its end")


def test_sizelimit_of_slapd(t):
    """T1: a real slapd that gives this account only part of its entries."""
    ground = t.server(Slapd).fresh()
    server = ground.server
    for i in range(30):
        ground.person("u%02d" % i, employeeType="agent")
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, ground, rules=RULES, directory_keys={"feed": "poll", "paging": "no"},
                       lifecycle=AT_ONCE, notify=ALARM, guard={"max_disable": "unlimited"})
    daemon.once()
    need(len(tenant.users()) == 30, "all", sorted(tenant.users()))
    server.replace(server.database(), olcLimits='dn.exact="%s" size=15' % server.reader_dn)
    ground.replace("u01", sn="Changed")
    daemon.once()
    need(tenant.user("u01")["lastName"] == "Changed", "updates go on")
    need(not any(user["disabled"] for user in tenant.users().values()), "nobody is disabled")
    need("Size limit exceeded" in daemon.log(), "the log says why", daemon.log_tail())
    # In pages the limit is the same for slapd: it counts over all of them.
    daemon.configure(directory={"paging": "yes", "page_size": "10"})
    daemon.once()
    need(not any(user["disabled"] for user in tenant.users().values()), "nobody is disabled, in pages")


def test_zero_entries(t):
    """T2: success without any entry, read in pages and by content synchronisation."""
    for feed in ("poll", "syncrepl"):
        scene = Scene(t, t.server(ScriptedServer), feed=feed)
        scene.change()
        find = scene.server.find
        scene.server.find = lambda request, find=find: (
            (0, []) if "inetOrgPerson" in request.filter and request.scope == "sub" else find(request))
        scene.daemon.configure(user={"mobile_phone": "${mobile}"})  # syncrepl's cookie is of no use then
        scene.daemon.once()
        scene.nobody_disabled()
        scene.unproven("no entry")
        scene.alarmed("no entry")
        del scene.server.find
        scene.heals()


@deadline(90)
def test_people_hidden(t):
    """T2, T67: the account may not see people any more, and sees the base and the groups: nobody is taken for gone,
    with any feed and limit; when it sees them again, who really left is found."""
    server = t.server(Slapd)
    for feed in ("syncrepl", "poll"):
        ground = server.fresh()
        ground.persons(["a", "b", "c", "d", "e", "f"])
        crowd = ground.group("crowd", ["a", "b", "c", "d", "e", "f"])
        tenant = t.simulator()
        daemon = t.rosterd(server, tenant, ground, name=feed, rules={"All": {"group": crowd, "team": "Sales"}},
                           directory_keys={"feed": feed, "poll_interval": "1s", "full_interval": "1s"},
                           lifecycle={"leave_grace": "0"}, guard={"max_disable": "unlimited"})
        daemon.start()
        tenant.wait_users(["a", "b", "c", "d", "e", "f"])
        rule = {"changetype": "modify", "add": "olcAccess",
                "olcAccess": '{0}to dn.subtree="%s" by * none' % ground.people}
        server.modify(entry_ldif(server.database(), rule))
        daemon.wait_log("none of the people who were there")
        daemon.stop()
        said = daemon.log().count("none of the people who were there")
        daemon.start()
        wait_for(lambda: daemon.log().count("none of the people who were there") > said, 20, "again", daemon.log_tail)
        need(not any(user["disabled"] for user in tenant.users().values()), "nobody is disabled", tenant.users())
        ground.remove("f")
        server.modify(entry_ldif(server.database(), {"changetype": "modify", "delete": "olcAccess", "olcAccess": "{0}"}))
        tenant.wait_user("f", disabled=True)
        need([u for u, user in tenant.users().items() if user["disabled"]] == ["f"], "f alone", tenant.users())
        daemon.stop()


@deadline(120)
def test_moved_while_hidden(t):
    """T2, T70: people are hidden, groups are not, and the server has a group name somebody by a new name: whoever it names
    no more keeps it until they are seen again. Who was really removed leaves then, and nobody else."""
    server = t.server(Slapd)
    uids = ["a", "b", "c", "d", "e", "f"]
    for feed in ("syncrepl", "poll"):
        ground = server.fresh()
        ground.persons(uids)
        crowd = ground.group("crowd", uids)
        tenant = t.simulator()
        daemon = t.rosterd(server, tenant, ground, name=feed, rules={"All": {"group": crowd, "team": "Sales"}},
                           directory_keys={"feed": feed, "poll_interval": "1s", "full_interval": "0"},
                           lifecycle={"leave_grace": "0"}, guard={"max_disable": "unlimited"})
        daemon.start()
        tenant.wait_users(uids)
        server.modify(entry_ldif(server.database(), {"changetype": "modify", "add": "olcAccess",
                                                     "olcAccess": '{0}to dn.subtree="%s" by * none' % ground.people}))
        server.rename(ground.person_dn("a"), "uid=new" + ground.tag)
        wait_for(lambda: "uid=new" in str(server.search(base=crowd, scope="base")), 20, "the group names the new name")
        server.modify(entry_ldif(crowd, {"changetype": "modify", "delete": "member", "member": ground.person_dn("b")}))
        daemon.wait_log("whom it does not name any more")
        daemon.restart()
        daemon.ctl("sync")
        daemon.wait_log("(?s)ended.*whom it does not name any more.*none of the people who were there")
        need(not any(user["disabled"] for user in tenant.users().values()), "nobody is disabled", tenant.users())
        server.modify(entry_ldif(server.database(), {"changetype": "modify", "delete": "olcAccess", "olcAccess": "{0}"}))
        daemon.ctl("sync")
        tenant.wait_user("b", disabled=True)
        server.replace(ground.person_dn("c"), sn="Later")
        tenant.wait_user("c", lastName="Later")
        need([u for u, user in tenant.users().items() if user["disabled"]] == ["b"], "b alone", tenant.users())
        daemon.stop()


@deadline(90)
def test_removed_from_the_group_as_well(t):
    """T27: with polling, whoever is deleted, and taken out of the group by the server, cannot be seen; that they are gone is
    not left to the next roll call, ten intervals later."""
    ground = t.shared(Slapd).fresh()
    ground.persons(["ada", "bob"])
    crowd = ground.group("crowd", ["ada", "bob"])
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, rules={"All": {"group": crowd, "team": "Sales"}},
                       directory_keys={"feed": "poll", "poll_interval": "4s", "full_interval": "0"},
                       lifecycle={"leave_grace": "0"}, guard={"max_disable": "unlimited"})
    daemon.start()
    tenant.wait_users(["ada", "bob"])
    daemon.wait_status("following")
    ground.remove("bob")
    tenant.wait_user("bob", disabled=True, seconds=20)


@deadline(90)
def test_people_of_a_base_hidden(t):
    """T2, T67: of two bases one shows none of its people any more, and the other all: nobody is taken for gone; when the
    account sees them again, who really left is found."""
    server = t.server(Slapd)
    hidden, shown = ["a", "b", "c", "d", "e", "f"], ["x", "y"]
    for feed in ("syncrepl", "poll"):
        ground = server.fresh()
        ground.persons(hidden + shown)
        crowd = ground.group("crowd", hidden + shown)
        bases = {ou: "ou=%s,%s" % (ou, ground.people) for ou in ("inner", "outer")}
        for ou, dn in bases.items():
            server.add(entry_ldif(dn, {"objectClass": "organizationalUnit", "ou": ou}))
        for uid in hidden + shown:
            server.rename(ground.person_dn(uid), "uid=" + uid, bases["inner" if uid in hidden else "outer"])
        server.replace(crowd, member=["uid=%s,%s" % (uid, bases["inner" if uid in hidden else "outer"])
                                      for uid in hidden + shown])
        tenant = t.simulator()
        daemon = t.rosterd(server, tenant, ground, name=feed, rules={"All": {"group": crowd, "team": "Sales"}},
                           directory_keys={"feed": feed, "poll_interval": "1s", "full_interval": "1s",
                                           "base": Lines(bases.values()), "group_base": ground.groups},
                           lifecycle={"leave_grace": "0"}, guard={"max_disable": "unlimited"})
        daemon.start()
        tenant.wait_users(hidden + shown)
        rule = {"changetype": "modify", "add": "olcAccess",
                "olcAccess": '{0}to dn.children="%s" by * none' % bases["inner"]}
        server.modify(entry_ldif(server.database(), rule))
        daemon.wait_log("none of the people who were there")
        server.replace("uid=x," + bases["outer"], sn=feed)
        tenant.wait_user("x", lastName=feed)
        daemon.stop()
        said = daemon.log().count("none of the people who were there")
        daemon.start()
        wait_for(lambda: daemon.log().count("none of the people who were there") > said, 20, "again", daemon.log_tail)
        need(not any(user["disabled"] for user in tenant.users().values()), "nobody is disabled", tenant.users())
        server.delete("uid=f," + bases["inner"])
        server.modify(entry_ldif(server.database(), {"changetype": "modify", "delete": "olcAccess", "olcAccess": "{0}"}))
        tenant.wait_user("f", disabled=True)
        need([u for u, user in tenant.users().items() if user["disabled"]] == ["f"], "f alone", tenant.users())
        daemon.stop()


def test_connection_lost_between_pages(t):
    """T4: the connection ends between pages; the read starts again, halves are never merged."""
    scene = Scene(t, t.server(ScriptedServer))
    scene.change()
    scene.server.cut(pages=3, filter=PEOPLE)
    scene.server.forget_requests()
    scene.daemon.start()
    scene.tenant.wait_user("x00", lastName="Name1")
    scene.tenant.wait_user("u19", disabled=True)  # by the second, whole read
    reads = scene.server.requests("search", lambda r: "inetOrgPerson" in r.filter and r.scope == "sub")
    first = reads[0].connection
    n_first = len([r for r in reads if r.connection == first and r.result == 0])
    need(n_first == 3, "three pages, then the cut", n_first)
    after = [r for r in reads if r.connection != first]
    need(not after[0].page_cookie, "the second connection begins at the beginning", after[0])
    need(scene.server.requests("search", lambda r: r.result == 2) == [], "no cookie of another connection")
    text = scene.daemon.log()
    need("connection was lost" in text, "the log says why", text)


def test_lost_for_good_between_pages(t):
    """T4: a read that never gets beyond its third page removes nobody, and what it showed is done."""
    scene = Scene(t, t.server(ScriptedServer), full_interval="300ms")
    scene.daemon.start()
    scene.daemon.wait_status("following")
    scene.server.cut(pages=3, filter=PEOPLE, times=None)
    scene.change()
    scene.tenant.wait_user("x00", lastName="Name1")
    n = len(scene.server.requests("bind"))
    scene.server.wait_request("bind", count=n + 2)
    scene.nobody_disabled()
    need("connection was lost" in scene.daemon.log(), "the log says why", scene.daemon.log_tail())
    scene.server.clear()
    scene.tenant.wait_user("u19", disabled=True)


def test_another_server_between_pages(t):
    """T4: another server answers under the name between two pages: its answer is no page of this read."""
    scene = Scene(t, t.server(ScriptedServer))
    server = scene.server
    scene.change()
    # The other one lacks half of the people.
    other = t.server(ScriptedServer)
    for i in range(scene.n):
        other.person("x%02d" % i, employeeType="none", id=server.entry(scene.others[i]).uuid)
    server.cut(pages=2, filter=PEOPLE)
    server.on_page = lambda page, request: page == 2 and server.stop_listening()
    scene.daemon.configure(directory={"uri": [server.uri, other.uri]}, guard={"max_disable": "5"})
    scene.daemon.start()
    other.wait_request("search", matching=lambda r: r.page_size and r.result == 0)
    need(not any(r.page_cookie in (b"page-1", b"page-2") and r.result for r in other.requests("search")),
         "no page is asked of a server that did not begin the read", other.requests("search"))
    first = other.requests("search", lambda r: r.page_size)[0]
    need(not first.page_cookie, "it begins at the beginning", first)
    wait_for(lambda: scene.daemon.audit(event="budget") or scene.daemon.audit(event="park"), 20,
             "the budget, since half of the people are missing there")
    gone = [u for u in scene.tenant.users().values() if u["disabled"]]
    need(len(gone) <= 5, "nobody is disabled beyond it", gone)


def test_paging_ignored(t):
    """T5: a server that ignores paging and stops at its limit, with success."""
    scene = Scene(t, t.server(ScriptedServer))
    scene.change()
    scene.server.paging = "ignore"
    scene.server.size_limit, scene.server.size_limit_silent = 33, True
    scene.daemon.once()
    scene.goes_on()
    scene.nobody_disabled()
    scene.unproven("ignored the paging control", "paging = no")
    scene.server.paging, scene.server.size_limit = "yes", None
    scene.heals()


def test_paging_refused(t):
    """T5: a server that refuses the control: unproven, and proven as soon as the operator says so."""
    for how, code in (("reject", 12), ("refuse", 53)):
        scene = Scene(t, t.server(ScriptedServer))
        scene.change()
        scene.server.paging = how
        scene.daemon.once(code=None)
        scene.nobody_disabled()
        scene.unproven("LDAP code %d" % code)
        scene.alarmed("LDAP code %d" % code)
        if how == "reject":
            scene.goes_on()
        scene.daemon.configure(directory={"paging": "no"})
        scene.heals()


def test_referral_as_result(t):
    """T6: the search ends with a referral to another server."""
    scene = Scene(t, t.server(ScriptedServer))
    scene.change()
    scene.server.fail_search(10, after=33, filter=PEOPLE, referrals=["ldap://other.example.com/dc=other"])
    scene.daemon.once()
    scene.goes_on()
    scene.nobody_disabled()
    scene.unproven("LDAP code 10", "ldap://other.example.com/dc=other")
    scene.alarmed()
    scene.heals()


def test_continuation_references(t):
    """T6: a reference to a child domain among the entries: notice, ignore, follow."""
    scene = Scene(t, t.server(ScriptedServer))
    url = "ldap://child.example.com/dc=child,dc=example,dc=com??sub"
    scene.change()
    scene.server.refer_search(url, filter=PEOPLE, times=None)
    scene.daemon.once()
    scene.goes_on()
    scene.nobody_disabled()
    scene.unproven("ldap://child.example.com", "referrals = ignore")
    scene.alarmed("ldap://child.example.com")
    scene.daemon.configure(directory={"referrals": "ignore"})
    scene.daemon.once()
    need(scene.tenant.user("u19")["disabled"], "ignored: the read is whole")
    # Followed, where there is nobody to be asked.
    scene.change()
    scene.daemon.configure(directory={"referrals": "follow"})
    scene.daemon.once()
    scene.goes_on()
    need(not scene.tenant.user("u18")["disabled"], "not whole")
    scene.unproven("a part of", "child.example.com")


def _referring(t, feed, to_tls="ldaps"):
    """A server that refers to another one, where Ada and her like are; the first address of
    the reference leads nowhere."""
    scene = Scene(t, t.server(ScriptedServer), feed=feed)
    other = t.server(ScriptedServer, tls=to_tls)
    other.add("ou=abroad," + other.suffix, {"objectClass": ["top", "organizationalUnit"], "ou": "abroad"})
    for k in range(25):
        other.person("ada%d" % k, employeeType="agent", dn="uid=ada%d,ou=abroad,%s" % (k, other.suffix))
    other.person("elsewhere", employeeType="agent")
    scene.url = "%s/ou=abroad,%s??sub" % (other.uri, other.suffix)
    dead = "ldaps://127.0.0.1:1/ou=abroad,%s??sub" % other.suffix
    scene.server.refer_search([dead, scene.url], filter=PEOPLE, times=None)
    scene.daemon.configure(directory={"referrals": "follow", "referral_hosts": "127.0.0.1", "tls_ca_file": other.ca_file})
    return scene, other


def test_followed(t):
    """T6: what lies on another server is read there, and counts for the proof, by poll and by syncrepl."""
    for feed in ("poll", "syncrepl"):
        scene, other = _referring(t, feed)

        def read():
            """A read that is meant to be whole: syncrepl could also be told what is gone."""
            scene.server.sync.force("present")
            scene.daemon.once()
        scene.change()
        read()
        users = scene.tenant.users()
        need(all("ada%d" % k in users for k in range(25)) and "elsewhere" not in users, "that part is read", sorted(users))
        need(users["u19"]["disabled"], "and the read is whole")
        # Gone there.
        other.delete("uid=ada3,ou=abroad," + other.suffix)
        read()
        need(scene.tenant.user("ada3")["disabled"], "who is gone there is gone")
        # Lost there in the middle: nobody is gone.
        other.cut(after=5, filter=PEOPLE, times=None)
        scene.change()
        read()
        scene.goes_on()
        scene.unproven("a part of")
        other.clear()
        # It refers further.
        other.refer_search("ldaps://third.example.com/ou=abroad,%s??sub" % other.suffix, filter=PEOPLE, times=None)
        read()
        scene.unproven("third.example.com")
        other.clear()
        other.fail_search(4, after=5, filter=PEOPLE, times=None)
        read()
        scene.unproven("LDAP code 4")
        other.clear()
        disabled = sorted(login for login, user in scene.tenant.users().items() if user["disabled"])
        need(disabled == ["ada3", "u19"], "nobody else meanwhile", disabled)
        read()
        need(scene.tenant.user("u18")["disabled"], "with a whole read")


def test_not_followed_without_tls(t):
    """T6: credentials go to another server over verified TLS only, whatever tls says for ours."""
    scene, other = _referring(t, "poll", to_tls="no")
    scene.change()
    scene.daemon.once()
    scene.goes_on()
    scene.nobody_disabled()
    scene.unproven("a part of")
    need(other.requests("bind") == [], "no credentials were sent", other.requests())
    secure = t.server(ScriptedServer, tls="ldaps")
    scene.server.clear()
    scene.server.refer_search("%s/ou=abroad,%s??sub" % (secure.uri, secure.suffix), filter=PEOPLE, times=None)
    scene.daemon.configure(directory={"tls_ca_file": t.server(ScriptedServer, tls="ldaps").ca_file})
    scene.daemon.once()
    scene.nobody_disabled()
    scene.unproven("not trusted")
    need(secure.requests("bind") == [], "none to one that cannot be verified", secure.requests())
    # Out of the base, and what is no server.
    for url in (secure.uri + "/dc=other", "ldapi://%2Ftmp%2Fx/ou=abroad,dc=example,dc=com??sub", "nonsense"):
        scene.server.clear()
        scene.server.refer_search(url, filter=PEOPLE, times=None)
        scene.daemon.once()
        scene.nobody_disabled()
        scene.unproven("a part of")
    need(secure.requests("bind") == [], "nor outside the base", secure.requests())


def test_reference_in_synchronisation(t):
    """T6: the same while the directory is followed by syncrepl."""
    scene = Scene(t, t.server(ScriptedServer), feed="syncrepl")
    scene.change()
    url = "ldap://child.example.com/dc=child,dc=example,dc=com??sub"
    scene.server.refer_search(url, filter=PEOPLE, times=None)
    scene.server.sync.force("present")
    scene.daemon.once()
    scene.goes_on()
    scene.nobody_disabled()
    scene.unproven("ldap://child.example.com")


def test_base_invisible(t):
    """T6: the base cannot be seen, though entries below it can."""
    ground = t.server(Slapd).fresh()
    server = ground.server
    people = ["u%02d" % i for i in range(10)]
    ground.persons({uid: {"employeeType": "agent"} for uid in people})
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, ground, rules=RULES, directory_keys={"feed": "poll"}, lifecycle=AT_ONCE,
                       notify=ALARM)
    daemon.once()
    tenant.wait_users(people)
    ground.remove("u03")
    ground.person("zoe", employeeType="agent")
    server.modify("dn: %s\nchangetype: modify\nadd: olcAccess\nolcAccess: {0}to dn.base=\"%s\" by "
                  "dn.exact=\"%s\" none by * break\n" % (server.database(), ground.dn, server.reader_dn))
    daemon.once(code=None)
    need(not tenant.user("u03")["disabled"], "nobody is disabled", tenant.user("u03"))
    need("cannot be seen" in daemon.log(), "said", daemon.log_tail())


def test_base_renamed(t):
    """T6: the base is renamed: its whole content seems to be gone."""
    ground = t.server(Slapd).fresh()
    server = ground.server
    people = ["u%02d" % i for i in range(10)]
    ground.persons({uid: {"employeeType": "agent"} for uid in people})
    tenant = t.simulator()
    for feed in ("poll", "syncrepl"):
        daemon = t.rosterd(server, tenant, ground, rules=RULES, directory_keys={"feed": feed, "poll_interval": "1s"},
                           lifecycle=AT_ONCE, retry=SHORT, notify=ALARM, guard={"max_disable": "unlimited"})
        if feed == "syncrepl":
            daemon.configure(guard={"max_create": "unlimited"})
        daemon.start()
        wait_for(lambda: daemon.state_query("SELECT count(*) FROM entry WHERE kind = ENTRY_PERSON")[0][0] == 10, 20, "people")
        daemon.wait_status("following")
        server.rename(ground.dn, "ou=elsewhere")
        daemon.restart()
        daemon.wait_log("No such object|cannot be seen|no entry at all", 20)
        need(not any(user["disabled"] for user in tenant.users().values()), "nobody is disabled")
        server.rename(ground.dn.replace("ou=" + ground.tag, "ou=elsewhere"), "ou=" + ground.tag)
        daemon.wait_status("following")
        daemon.stop()
        need(not any(user["disabled"] for user in tenant.users().values()), "nor now")


def test_bind_refused(t):
    """T7: the password was changed: nobody changes, one alarm, and few attempts, so that no account is locked."""
    scene = Scene(t, t.server(ScriptedServer))
    scene.change()
    scene.server.bind_result = 49
    scene.server.forget_requests()
    scene.tenant.forget_requests()
    scene.daemon.start()
    scene.daemon.wait_status("refused")
    alarm = wait_for(lambda: scene.daemon.audit(event="alarm"), 10, "an alarm")
    need("LDAP code 49" in alarm[0]["sentence"] or "Invalid credentials" in alarm[0]["sentence"],
         "with the reason", alarm)
    # Everything that is quick has had its turn by now: the others' retries take 50 ms.
    scene.daemon.reload()
    binds = scene.server.requests("bind")
    need(len(binds) <= 2, "the bind is not hammered", len(binds))
    need(scene.tenant.writes() == [], "no write", scene.tenant.writes())
    need(len(scene.daemon.audit(event="alarm")) == 1, "one alarm", scene.daemon.audit(event="alarm"))
    next_try = scene.daemon.log()
    need("Invalid credentials" in next_try, "said in the log", next_try)
    scene.server.bind_result = None
    scene.daemon.restart()
    scene.tenant.wait_user("u19", disabled=True)
    wait_for(lambda: scene.daemon.audit(event="alarm-over"), 10, "it is over")


def narrow(server, ground, attribute):
    server.modify("dn: %s\nchangetype: modify\nadd: olcAccess\nolcAccess: {0}to dn.sub=\"%s\" attrs=%s by "
                  "dn.exact=\"%s\" none by * break\n"
                  % (server.database(), ground.people, attribute, server.reader_dn))


def widen(server):
    server.modify("dn: %s\nchangetype: modify\ndelete: olcAccess\nolcAccess: {0}\n" % server.database())


def test_access_narrowed(t):
    """T8: attributes vanish from everybody: held, not a mass update; released when they are back."""
    server = t.server(Slapd)
    for attribute, feed in (("mail", "poll"), ("givenName", "poll"), ("telephoneNumber", "poll"),
                            ("telephoneNumber", "syncrepl")):
        ground = server.fresh()
        people = ["u%02d" % i for i in range(30)]
        ground.persons({uid: {"employeeType": "agent", "telephoneNumber": "+44 1"} for uid in people})
        tenant = t.simulator()
        daemon = t.rosterd(server, tenant, ground, rules=RULES, directory_keys={"feed": feed}, lifecycle=AT_ONCE,
                           user={"empty_values": "clear", "work_phone": "${telephoneNumber}"}, notify=ALARM,
                           guard={"max_update": "unlimited", "max_disable": "unlimited"})
        daemon.once()
        tenant.wait_users(people)
        before = tenant.users()
        narrow(server, ground, attribute)
        ground.person("zoe", employeeType="agent")
        if feed == "syncrepl":  # slapd tells nobody of a changed access rule: only changes show it
            for uid in people:
                ground.replace(uid, title="touched")
        daemon.once(code=None)
        users = tenant.users()
        need(all(users[uid] == before[uid] for uid in people), "nobody is changed", attribute, feed,
             users["u05"], before["u05"])
        alarms = daemon.audit(event="alarm", code="attribute-vanished")
        need(len(alarms) == 1 and attribute in alarms[0]["sentence"], "one alarm names it", attribute, feed, alarms)
        held = dict(daemon.state_query("SELECT reason, count(*) FROM operation GROUP BY 1"))
        if attribute == "telephoneNumber":
            need(held == {"attribute-vanished": 30}, "all are parked for it", held)
        need("zoe" in users or attribute == "givenName", "creates go on", sorted(users))
        widen(server)
        if feed == "syncrepl":
            for uid in people:
                ground.replace(uid, title="touched again")
        daemon.once(code=None)
        users = tenant.users()
        need(all(users[uid] == before[uid] for uid in people), "nor when it is back")
        waiting = daemon.state_query("SELECT * FROM operation")
        need(waiting == [], "nothing waits any more", waiting[:3])
        need(daemon.audit(event="alarm-over", code="attribute-vanished"), "the alarm is over")
        need("zoe" in users, "and zoe is a user at last")


def test_single_lookups_fail(t):
    """T9: a lookup of one entry that fails means unknown, not gone."""
    server = t.server(ScriptedServer, flavor="ad", tls="no")
    members = [server.person("u%02d" % i) for i in range(30)]
    server.value_range = 10
    group = server.group("crowd", members)
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, rules={"Agents": {"group": group, "team": "Sales"}}, tls="no",
                       directory_keys={"feed": "poll", "poll_interval": "1s"}, lifecycle=AT_ONCE, notify=ALARM,
                       guard={"max_disable": "unlimited"})
    daemon.once()
    need(len(tenant.users()) == 30, "all", len(tenant.users()))
    server.person("zoe")
    server.replace(members[3], sn="Changed")
    server.fail_search(51, matching=lambda r: any("range=" in a for a in r.attributes), times=None)
    daemon.once(code=None)
    need(not any(user["disabled"] for user in tenant.users().values()), "nobody is disabled")
    need(tenant.user("u03")["lastName"] == "Changed", "updates go on")
    need("cannot be read to the end" in daemon.log(), "said", daemon.log_tail())
    server.clear()
    server.replace(group, member=members[:20])
    daemon.once()
    need(sum(user["disabled"] for user in tenant.users().values()) == 10, "and it would have been seen")


def lookups(dn):
    return lambda request: request.scope == "base" and request.dn == dn


def directory_of(daemon):
    return daemon.ctl("status", "--json", code=None).json["directory"]


@deadline(150)
def test_base_unanswered(t):
    """Of two bases one is not answered while rosterd connects, and for a while after: nobody is gone meanwhile, status
    says what is asked for and when, and who left is noticed soon after it answers, with every feed."""
    for flavor, feed, code in (("openldap", "syncrepl", 52), ("openldap", "poll", 80), ("ad", "dirsync", 10)):
        server = t.server(ScriptedServer, flavor=flavor, tls="no")
        base = "ou=people," + server.suffix
        dns = [server.person("u%02d" % i, employeeType="agent") for i in range(5)]
        tenant = t.simulator()
        daemon = t.rosterd(server, tenant, rules=RULES, lifecycle=AT_ONCE, retry=SHORT, notify=ALARM, tls="no",
                           guard={"max_disable": "unlimited"}, name="unanswered-" + feed,
                           directory_keys={"feed": feed, "poll_interval": "1h", "full_interval": "1d",
                                           "base": Lines([base, "ou=groups," + server.suffix])})
        daemon.once()
        need(len(tenant.users()) == 5, "all", tenant.users())
        server.delete(dns[2])
        server.fail_search(code, matching=lookups(base), times=None)
        daemon.start()
        daemon.wait_status("following")
        daemon.ctl("sync")
        daemon.wait_log("nobody is taken for gone")
        shown = wait_for(lambda: [d for d in [directory_of(daemon)] if d["error"]], 20, "it is said")[0]
        need(base in shown["error"] and shown["next_attempt"], "what is asked for, and when", shown)
        holds = daemon.ctl("holds", "--json", code=None).json["holds"]
        need([h["cause"] for h in holds] == ["read"] and base in holds[0]["sentence"], "who left waits for it", holds)
        if feed == "poll":  # the others were told who left
            need(not tenant.user("u02")["disabled"], "nobody is disabled", tenant.users())
        server.clear()
        tenant.wait_user("u02", disabled=True, seconds=60)  # asked with growing pauses
        wait_for(lambda: not directory_of(daemon)["error"], 60, "nothing is said any more")
        need(sum(user["disabled"] for user in tenant.users().values()) == 1, "and nobody else", tenant.users())
        daemon.stop()
