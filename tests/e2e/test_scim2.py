"""A tenant that is a plain service of SCIM 2.0: [tenant] kind = scim2."""

import os
import sqlite3
import threading

from lib import life, need, wait_for
from lib.life import settled, wait_held
from lib.scim import ENTERPRISE, ScimService
from lib.servers import Slapd

RULES = {"Agents": {"team": "Service", "roles": "Agent, Seller"}}


def begin(t, people, rules=None, lifecycle=None, before=None, **settings):
    """(ground, group, service, daemon)"""
    service = ScimService(groups=["Agent", "Seller"], **settings)
    t.cleanup(service.close)
    ground = t.shared(Slapd).fresh()
    ground.persons(people)
    group = life.group(ground, "crowd", list(people))
    if before:
        before(service, ground)
    rules = {name: dict(keys, group=group) for name, keys in (rules or RULES).items()}
    d = life.daemon(t, ground, service, rules, lifecycle=lifecycle or {}, guard=dict.fromkeys(("max_update", "max_team_change"), "unlimited"),
                    user={"work_phone": "${telephoneNumber}", "mobile_phone": "${mobile}"})
    return ground, group, service, d


def value(user, name, kind):
    return next((i["value"] for i in user.get(name, ()) if i["type"] == kind), None)


def test_a_working_day(t):
    """Made, changed, renamed, given and deprived of roles, disabled: what others did there stays, races are run again."""
    ground, group, service, d = begin(t, {"ada": {"telephoneNumber": "+44 1"}, "bob": {}, "eve": {}})
    check = d.run("--check-connections")
    need("accepts the credentials" in check.out, "the account is checked", check.out)
    d.start()
    for login in ("ada", "bob", "eve"):
        service.wait(lambda: service.user(login) and service.roles(login) == ["Agent", "Seller"], "the roles of " + login)
    settled(d)
    ada = service.user("ada")
    need(ada["active"] and ada[ENTERPRISE]["department"] == "Service" and value(ada, "phoneNumbers", "work") == "+44 1",
         "as it was wanted", ada)
    need(value(ada, "emails", "work") and ada["name"]["familyName"], "with mail and name", ada)
    need(all(r[3] < 400 for r in service.requests), "nothing was refused", [r for r in service.requests if r[3] >= 400])

    service.edit("ada", nickName="A", phoneNumbers=ada["phoneNumbers"] + [{"value": "9", "type": "fax"}])
    service.add_group("Chess")
    service.join("ada", "Chess")
    service.races = 2
    ground.replace("ada", telephoneNumber="+44 2", mobile="+44 3", givenName="Augusta")
    service.wait(lambda: service.user("ada")["name"]["givenName"] == "Augusta", "the new name")
    settled(d)
    ada = service.user("ada")
    need([value(ada, "phoneNumbers", k) for k in ("work", "mobile", "fax")] == ["+44 2", "+44 3", "9"],
         "numbers are changed one by one", ada)
    need(service.races == 0 and [r[3] for r in service.writes()].count(412) == 2, "races were lost", service.writes())
    need(ada["nickName"] == "A" and service.roles("ada") == ["Agent", "Chess", "Seller"], "what others did stays", ada)

    d.configure(rules={"Agents": {"team": "Night", "roles": "Agent, Watch", "group": group}})
    d.reload()
    service.wait(lambda: service.user("bob")[ENTERPRISE]["department"] == "Night", "the new team")
    wait_held(d, "role-missing", 3)
    need(service.roles("bob") == ["Agent"], "the role that is there no more, without the one that is missing",
         service.roles("bob"))
    service.add_group("Watch")
    for login in ("ada", "bob", "eve"):
        service.wait(lambda: "Watch" in service.roles(login), "the role that was missing, for " + login)
    settled(d)
    need(service.roles("ada") == ["Agent", "Chess", "Watch"], "what others gave stays", service.roles("ada"))
    ground.leave(group, "eve")
    service.wait(lambda: not service.user("eve")["active"], "eve is disabled")
    settled(d)
    ground.join(group, "eve")
    service.wait(lambda: service.user("eve")["active"], "eve is enabled")
    settled(d)
    need(not life.operations(d), "nothing waits", life.operations(d))
    d.stop()


def lost_answers(t, ids):
    ground, group, service, d = begin(t, {name: {} for name in ("ada", "bob", "eve", "max")})
    service.ids, service.fails = ids, [500] * 6
    d.start()
    for login in ("ada", "bob", "eve", "max"):
        service.wait(lambda: service.user(login) and service.roles(login) == ["Agent", "Seller"], "the roles of " + login)
    settled(d)
    need(len(service.users) == 4 and not life.operations(d), "four users", service.users)
    service.token = "another"
    base = d.path("tenant.client_secret")
    ground.replace("ada", givenName="Augusta")
    wait_for(lambda: any(r[3] == 401 for r in service.requests), 20, "a refusal")
    with open(base, "w", encoding="utf-8") as text:
        text.write("another\n")
    service.wait(lambda: service.user("ada")["name"]["givenName"] == "Augusta", "the new token is read")
    d.stop()


def test_lost_answers(t):
    """Whatever was done although its answer was lost is found by reading, and nobody has two users."""
    lost_answers(t, "kept")


def test_lost_answers_and_ids(t):
    """The same where externalId is not kept, and where no filter may name it, which is no matter of the account."""
    for ids in ("lost", "unfiltered", "forbidden"):
        lost_answers(t, ids)


def test_moved_before_it_was_read(t):
    """Somebody gives users whose answers were lost another login: they are found by externalId, nobody is made twice, also
    where the login is somebody else's by then, and who may have it gets it back."""
    people = {name: {} for name in ("ada", "bob", "eve")}
    ground, group, service, d = begin(t, people, lifecycle={"drift": "repair"})
    service.fails, service.moves = [500] * 3, 3
    d.start()
    service.wait(lambda: service.moves == 0 and len(service.users) == 3, "three users")
    for login in people:
        service.wait(lambda: service.user(login) and service.roles(login) == ["Agent", "Seller"], login + " has the login again")
    settled(d)
    need(len(service.users) == 3, "nobody was made twice", service.users)
    need([r[3] for r in service.writes() if r[0] == "POST"] == [201] * 3, "three creates", service.writes())
    need(len(d.audit(event="drift")) == 3, "on record", d.audit(event="drift"))
    need(all(service.user(login).get("externalId") for login in people), "with our id", service.users)
    d.stop()


def test_made_by_another(t):
    """A create is not done, and somebody makes just such a user: that one is taken over, and not counted as made by us."""
    ground, group, service, d = begin(t, {"ada": {}})
    d.start()
    service.wait(lambda: service.user("ada") and service.roles("ada") == ["Agent", "Seller"], "ada")
    settled(d)
    service.stolen = 1
    ground.persons({"bob": {}})
    ground.join(group, "bob")
    service.wait(lambda: service.user("bob") and service.roles("bob") == ["Agent", "Seller"], "bob")
    settled(d)
    done = [(r["operation"], r["person"]["login"]) for r in d.audit(event="outcome", code="done")]
    need(("adopt", "bob") in done and ("create", "bob") not in done, "bob is taken over", done)
    need(len(service.users) == 2, "two users", service.users)
    d.stop()


def test_answers_about_others(t):
    """An answer to a create that shows another user gives that one no role."""
    def before(service, ground):
        service.add_user("stranger")
        service.mixed = 2
    ground, group, service, d = begin(t, {name: {} for name in ("ada", "bob", "eve")}, before=before)
    d.start()
    for login in ("ada", "bob", "eve"):
        service.wait(lambda: service.user(login) and service.roles(login) == ["Agent", "Seller"], "the roles of " + login)
    settled(d)
    need(service.mixed == 0 and service.roles("stranger") == [], "the stranger has no role", service.groups)
    need(len(service.users) == 4 and not life.operations(d), "three were made", service.users)
    d.stop()


def test_removed_and_kept(t):
    """DELETE that only disables: whoever returns is refused as new, taken over and enabled."""
    ground, group, service, d = begin(t, {"ada": {}, "bob": {}}, keeps=True, lifecycle={"delete_after": "1s"})
    d.start()
    service.wait(lambda: service.user("bob") and service.roles("bob") == ["Agent", "Seller"], "bob")
    settled(d)
    ground.leave(group, "bob")
    service.wait(lambda: any(r[0] == "DELETE" for r in service.requests), "bob is removed")
    settled(d)
    need(service.user("bob")["active"] is False, "and is there still", service.users)
    ground.join(group, "bob")
    service.wait(lambda: service.user("bob")["active"], "bob is enabled")
    settled(d)
    need(len(service.users) == 2 and service.roles("bob") == ["Agent", "Seller"], "one bob", service.users)
    d.stop()


def test_first_contact(t):
    """Pages that shift while they are read, and a service that does not show groups: who is there is taken over, not made."""
    people = {"p%d" % i: {} for i in range(8)}

    def before(service, ground):
        for login in people:
            service.add_user(login, emails=[{"value": "%s@example.com" % login, "type": "work", "primary": True}],
                             name={"givenName": "Old", "familyName": login})
        service.add_user("stranger")
        service.join("p1", "Agent")
    ground, group, service, d = begin(t, people, before=before, shows_groups=False, page=2)
    service.shifts = 3
    d.start()
    wait_held(d, "adoption", 8, state=life.PARKED)
    need(not service.writes(), "nothing is written before approval", service.writes())
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    for login in people:
        service.wait(lambda: service.roles(login) == ["Agent", "Seller"], "the roles of " + login)
    settled(d)
    need(len(service.users) == 9 and not [r for r in service.writes() if r[0] == "POST"], "nobody was made", service.users)
    need(service.user("stranger")["active"], "the stranger is nobody's")
    d.configure(rules={"Agents": {"team": "Service", "roles": "Agent", "group": group}})
    d.reload()
    for login in people:  # known although it is not shown
        service.wait(lambda: service.roles(login) == ["Agent"], "one role less for " + login)
    settled(d)
    d.stop()


def test_first_contact_by_case(t):
    """Who differs from the directory in case is taken over by the login that the list showed, also where a filter goes by case
    (seen with SCIMMY 1.3)."""
    def before(service, ground):
        service.add_user("Ada", emails=[{"value": "ada@example.com", "type": "work", "primary": True}],
                         name={"givenName": "Old", "familyName": "Ada"})
        service.exact = True
    ground, group, service, d = begin(t, {"ada": {}, "bob": {}}, before=before)
    d.start()
    wait_held(d, "adoption", 1, state=life.PARKED)
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    service.wait(lambda: service.roles("Ada") == ["Agent", "Seller"], "the roles of Ada")
    settled(d)
    need(len(service.users) == 2 and not life.operations(d), "nobody was made", (service.users, life.operations(d)))
    ground.leave(group, "ada")
    service.wait(lambda: not service.user("Ada")["active"], "Ada is disabled")
    settled(d)
    d.stop()


def test_groups_without_names(t):
    """RFC 7643 has `display` of a user's groups optional: a user is readable without it, roles are as they were confirmed,
    none is taken for taken away, and whoever leaves is disabled."""
    ground, group, service, d = begin(t, {"p%d" % i: {} for i in range(3)}, before=lambda service, _: setattr(service, "nameless", 1),
                                      lifecycle={"verify_interval": "1min", "drift": "repair"})
    d.start()
    for n in range(3):
        service.wait(lambda: service.user("p%d" % n) and service.roles("p%d" % n) == ["Agent", "Seller"], "the roles of p%d" % n)
    settled(d)
    service.nameless = 9
    before = len(service.writes())
    ground.replace("p0", telephoneNumber="+44 2")
    d.configure(rules={"Agents": {"team": "Service", "roles": "Agent", "group": group}})
    d.reload()
    for n in range(3):
        service.wait(lambda: service.roles("p%d" % n) == ["Agent"], "one role less for p%d" % n)
    service.wait(lambda: value(service.user("p0"), "phoneNumbers", "work") == "+44 2", "another phone")
    ground.leave(group, "p1")
    service.wait(lambda: not service.user("p1")["active"], "who leaves is disabled")
    settled(d)
    need(not life.operations(d), "nobody is held", life.operations(d))
    need(len([r for r in service.writes()[before:] if "/Groups/" in r[1]]) == 3, "each role is taken away once", service.writes()[before:])
    d.stop()


def test_another_organisation(t):
    """T72: the same host, another organisation behind another path: nothing is written there before approval, and back is as before;
    a slash at the end is no other one, another case of a path is."""
    ground, group, service, d = begin(t, {"p0": {}, "p1": {}})
    d.start()
    service.wait(lambda: service.user("p1") and service.roles("p1") == ["Agent", "Seller"], "two users")
    settled(d)
    before = len(service.writes())
    for path in ("/b/scim/v2", "/A/scim/v2"):
        d.stop()
        service.path, others = path, service.users
        service.users = {}
        stranger = service.add_user("p0", emails=[{"value": "p0@other.example.com", "type": "work", "primary": True}])
        d.configure(tenant={"scim_path": path})
        d.start()
        wait_for(lambda: d.audit(event="alarm", code="other-tenant"), 20, "an alarm", d.log_tail)
        ground.leave(group, "p1")
        d.ctl("sync")
        settled(d)
        need(len(service.writes()) == before, "nothing is written", service.writes()[before:])
        need(service.users == {stranger["id"]: stranger} or len(service.users) == 1, "nobody is made", service.users)
        ground.join(group, "p1")
        service.users = others
    d.stop()
    service.path = "/a/scim/v2"
    d.configure(tenant={"scim_path": "/a/scim/v2/"})
    d.start()
    settled(d)
    ground.replace("p0", telephoneNumber="+44 7")
    service.wait(lambda: value(service.user("p0"), "phoneNumbers", "work") == "+44 7", "and back it goes on")
    d.stop()


def stands_still(d, service, before):
    d.ctl("sync")
    settled(d)
    need(len(service.writes()) == before, "nothing is written", service.writes()[before:])


def test_token_of_another_organisation(t):
    """Another organisation's token at the same address, while rosterd runs, while much is under way and before a start:
    nothing is written there before approval, and with the right one it goes on as before."""
    ground, group, service, d = begin(t, {name: {} for name in ("p0", "p1", "p2")})
    d.start()
    for login in ("p0", "p1", "p2"):
        service.wait(lambda: service.user(login) and service.roles(login) == ["Agent", "Seller"], login)
    settled(d)
    ours, theirs = (service.token, service.users, service.groups), ("their-token", {}, {})
    service.token, service.users, service.groups = theirs
    service.add_group("Agent")
    service.add_group("Seller")
    stranger = service.add_user("p0", emails=[{"value": "p0@other.example.com", "type": "work", "primary": True}])

    def swap(to):
        with open(d.path("tenant.client_secret"), "w", encoding="utf-8") as text:
            text.write(to[0] + "\n")
        with service.lock:
            service.token, service.users, service.groups = to
    before = len(service.writes())
    theirs = (service.token, service.users, service.groups)
    swap(theirs)
    ground.persons({"p%d" % i: {} for i in range(3, 9)})
    for i in range(3, 9):
        ground.join(group, "p%d" % i)
    ground.leave(group, "p1")
    ground.replace("p0", telephoneNumber="+44 7")
    wait_for(lambda: d.audit(event="alarm", code="other-tenant"), 20, "an alarm", d.log_tail)
    need("another organisation" in d.ctl("status", code=None).out, "the status says so")
    written = [r for r in service.writes()[before:] if r[3] != 401]
    need(not written, "nothing is written", written)
    before = len(service.writes())
    stands_still(d, service, before)
    need(list(service.users) == [stranger["id"]] and service.user("p0")["active"], "nobody is made", service.users)
    d.stop()
    d.start()
    stands_still(d, service, before)
    d.stop()
    swap(ours)
    d.start()
    service.wait(lambda: value(service.user("p0"), "phoneNumbers", "work") == "+44 7", "and back it goes on")
    service.wait(lambda: not service.user("p1")["active"], "p1 is disabled")
    for i in range(3, 9):
        service.wait(lambda: service.user("p%d" % i) and service.roles("p%d" % i) == ["Agent", "Seller"], "who is new")
    settled(d)
    need(len(service.users) == 9, "nobody is there twice", service.users)
    need(not life.operations(d), "nothing waits", life.operations(d))
    need(d.audit(event="alarm-over", code="other-tenant"), "the alarm is over", d.audit(event="alarm-over"))
    d.stop()


class Swapped:
    """A daemon whose token file comes to hold another organisation's token while somebody's change is to be written."""

    def __init__(self, t, **sections):
        self.t = t
        self.ground, self.group, self.service, self.d = begin(t, {"p0": {}, "p1": {}})
        self.d.configure(**sections)
        self.before = []

    def start(self):
        self.d.start()
        for login in ("p0", "p1"):
            self.service.wait(lambda: self.service.user(login) and self.service.roles(login) == ["Agent", "Seller"], login)
        # What was done is known, too: else the other token comes amid the creates.
        wait_for(lambda: not self.d.state_query("SELECT 1 FROM operation"), 20, "both are known", self.d.log_tail)

    def swap(self, token, users, groups):
        ours = (self.service.token, self.service.users, self.service.groups)
        with open(self.d.path("tenant.client_secret"), "w", encoding="utf-8") as text:
            text.write(token + "\n")
        with self.service.lock:
            self.service.token, self.service.users, self.service.groups = token, users, groups
        return ours

    def change(self):
        """Their token from now on; the first call with ours is refused."""
        self.ours = self.swap("their-token", {}, {})
        self.before = list(self.service.requests)
        self.ground.replace("p0", telephoneNumber="+44 7")
        self.service.wait(lambda: [r for r in self.since() if r[3] == 401], "a call with our token")

    def since(self):
        return self.service.requests[len(self.before):]

    def untouched(self):
        written = [r for r in self.since() if r[0] != "GET" and r[3] != 401]
        need(not written and not self.service.users, "nothing is written there", written)

    def noticed(self):
        wait_for(lambda: self.d.audit(event="alarm", code="other-tenant"), 30, "an alarm", self.d.log_tail)
        self.untouched()

    def back(self):
        """With our token again, after a start: all goes on, and nobody is there twice."""
        self.swap(*self.ours)
        self.d.start()
        self.service.wait(lambda: value(self.service.user("p0"), "phoneNumbers", "work") == "+44 7", "it goes on")
        settled(self.d)
        need(len(self.service.users) == 2, "nobody is there twice", self.service.users)
        self.d.stop()


def slow_command(t):
    """A command that runs until a file is there: (path of the command, path of the file, whether it runs)."""
    began, go = t.path("began"), t.path("go")
    path = t.write("slow", "#!/bin/sh\n: > '%s'\nwhile [ ! -e '%s' ]; do sleep 0.05; done\n" % (began, go), 0o755)
    return path, go, lambda: os.path.exists(began)


def with_command(t):
    """Somebody is being told of a group that is not there."""
    path, go, runs = slow_command(t)
    x = Swapped(t, notify={"command": path, "alarm_after": "0"})
    x.d.configure(rules={"Agents": dict(RULES["Agents"], group=x.group),
                         "Ghosts": {"group": "cn=ghosts," + x.ground.dn, "team": "Service"}})
    x.start()
    wait_for(runs, 20, "the command runs", x.d.log_tail)
    x.change()
    for _ in range(3):
        x.d.ctl("status", code=None)
    x.d.wait_log("holds another token")
    need(all(r[3] == 401 for r in x.since()), "who is told is told first", x.since())
    return x, go


def test_other_token_and_commands(t):
    """Another organisation's token while a command runs: the command ends first, and then it is noticed."""
    x, go = with_command(t)
    x.untouched()
    t.write("go", "")
    x.noticed()
    x.d.stop()
    x.back()


def test_other_token_and_a_stop(t):
    """A stop while the calls wait for what is to be known of the other token: rosterd ends well, in time, and what waited is
    done after the next start."""
    x, go = with_command(t)
    x.d.stop(seconds=30)
    x.untouched()
    need(not x.d.audit(event="alarm", code="other-tenant"), "nobody looked")
    t.write("go", "")
    x.back()


def test_other_token_and_no_new_client(t):
    """No client can be made for the other token (the file of CAs is gone): rosterd ends with a sentence, having written nothing,
    and notices after the next start."""
    ca = t.write("ca.pem", open("/etc/ssl/certs/ca-certificates.crt", encoding="utf-8").read())
    x = Swapped(t, tenant={"tls_ca_file": ca})
    x.start()
    os.rename(ca, ca + ".away")
    x.change()
    x.d.wait_end(code=1)
    need("The tenant cannot be asked with another token: " in x.d.log() and "rosterd stops" in x.d.log(), "said", x.d.log_tail())
    x.untouched()
    os.rename(ca + ".away", ca)
    x.d.start()
    x.noticed()
    x.d.stop()
    x.back()


def test_other_token_and_a_busy_state(t):
    """The state cannot be written when the other token is noticed: that is waited for, as everywhere, and rosterd does not
    end."""
    x = Swapped(t)
    x.start()
    settled(x.d)
    pid, answer = x.d.pid, x.service.answer
    arrived, go = threading.Event(), threading.Event()

    def late(*request):
        arrived.set()
        go.wait(30)
        x.service.answer = answer
        return answer(*request)
    x.service.answer = late
    x.ours = x.swap("their-token", {}, {})
    x.before = list(x.service.requests)
    x.ground.replace("p0", telephoneNumber="+44 7")
    need(arrived.wait(20), "a call with our token")
    other = sqlite3.connect(x.d.state_file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    go.set()
    x.d.wait_log("holds another token")
    wait_for(lambda: x.d.ctl("status", "--json", code=None).json["health"] == "failed", 40, "the state fails", x.d.log_tail)
    other.execute("ROLLBACK")
    other.close()
    x.noticed()
    need(x.d.pid == pid, "the same process")
    x.d.stop()
    x.back()


def test_list_that_invents(t):
    """A list whose pages name ever new users has an end, a sentence, and no more memory than that; whom it should have shown is asked
    for by name, and the others are made."""
    ground, group, service, d = begin(t, {"p0": {}, "p1": {}}, before=lambda service, _: setattr(service, "inventive", True))
    d.start()
    d.wait_log("does not list its users", seconds=40)
    need(service.invented < 600000, "it has an end", service.invented)
    need(d.memory() < 200 * 2**20, "in bounded memory", d.memory())
    service.inventive = False
    for n in range(2):
        service.wait(lambda: service.user("p%d" % n), "p%d" % n)
    settled(d)
    d.stop()


def test_what_services_do(t):
    """A list without an end, ids that need quoting, groups that are busy, and large ones that are shown whole after each change."""
    people = {"p%d" % i: {} for i in range(4)}

    def before(service, ground):
        service.odd, service.endless, service.whole = '/"\\\\..', True, True
        service.groups.clear()
        for name in ("Agent", "Seller"):
            crowd = service.add_group(name)["members"]
            crowd += [{"value": service.add_user("x" * 40 + str(i), active=False)["id"]} for i in range(2)]
            crowd *= 20000
    ground, group, service, d = begin(t, people, before=before, shows_groups=False)
    d.start()
    for login in people:
        service.wait(lambda: service.user(login) and service.roles(login) == ["Agent", "Seller"], "the roles of " + login)
    settled(d)
    need(not life.operations(d), "nothing waits", life.operations(d))
    service.busy = 2
    d.configure(rules={"Agents": {"team": "Service", "roles": "Agent", "group": group}})
    d.reload()
    for login in people:
        service.wait(lambda: service.roles(login) == ["Agent"], "one role less for " + login)
    settled(d)
    done = [r[3] for r in service.writes() if "/Groups/" in r[1]]
    need(done.count(409) == 2 and done.count(200) == 12, "each role was written once", done)
    d.stop()
