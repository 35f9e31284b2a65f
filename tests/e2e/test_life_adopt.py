"""Users whom rosterd did not make: who may become whose, with whose approval, and what follows from it."""

from lib import life, need, wait_for
from lib.life import AGENTS, PARKED, changes_of, crowd, outcomes, settled, wait_held, wait_outcome

USER = "/configapi/v2/user"


def began(t, people=("ada",), rules=None, **sections):
    """(ground, group, tenant, daemon): first contact is over."""
    ground, group, tenant = crowd(t, list(people))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group, **(rules or {}))}, **sections).start()
    tenant.wait_users(list(people))
    settled(d)
    return ground, group, tenant, d


def arrive(ground, group, uid):
    ground.person(uid)
    ground.join(group, uid)


def plan_of(d, login):
    """The one operation of the plan for this login, as rosterctl tells it."""
    rows = [o for o in d.ctl("plan", "--json", code=None).json["operations"] if o["person"]["login"] == login]
    need(len(rows) == 1, "one operation for " + login, rows)
    return rows[0]


def approve(d):
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])


def test_same_name_alone(t):
    """T75: after first contact a user with the name of a new entry and another mail: no takeover without approval."""
    ground, group, tenant, d = began(t, notify={"alarm_after": "200ms"})
    tenant.seed({"loginId": "max", "firstName": "Max", "lastName": "Tester", "email": "chief@example.com",
                 "team": "Sales", "roles": ["Administrator"], "skills": {"Billing": 5}})
    before = tenant.user("max")
    arrive(ground, group, "max")
    held = wait_held(d, "adoption", state=PARKED)
    settled(d)
    need(tenant.user("max") == before, "untouched", tenant.user("max"))
    need("chief@example.com" in held[0]["sentence"] and "max@example.com" in held[0]["sentence"], "both mails", held)
    row = plan_of(d, "max")
    need(row["kind"] == "adopt", "an adoption, not a create", row)
    need({f: (a, b) for f, (a, b) in changes_of(row).items()} ==
         {"email": ("chief@example.com", "max@example.com"), "team": ("Sales", "Customer Service"),
          "role:Agent": (None, "Agent"), "skill:English": (None, "80")}, "all that follows", row)
    wait_for(lambda: d.audit(event="alarm", code="adoption"), 10, "an alarm")
    for again in range(2):  # neither a restart nor another look changes it
        d.restart() if again else d.ctl("sync", "max")
        settled(d)
        need(tenant.user("max") == before, "still untouched", tenant.user("max"))
        wait_held(d, "adoption", state=PARKED)
    approve(d)
    tenant.wait_user("max", team="Customer Service", email="max@example.com",
                     skills={"English": 80, "Billing": 5})
    settled(d)
    need(set(tenant.user("max")["roles"]) == {"Administrator", "Agent"}, "roles of no rule stay", tenant.user("max"))
    need(outcomes(d, "adopt", "max") and not outcomes(d, "create", "max"), "on record as what it was", d.audit())
    need(not outcomes(d, "adopt", "max")[0].get("changes"), "an adoption sends nothing", outcomes(d, "adopt", "max"))


def test_privileged_user(t):
    """T75: with the same mail, but a privileged role in whatever case: approval all the same."""
    ground, group, tenant, d = began(t, guard={"privileged_roles": "ADMINISTRATOR"})
    tenant.seed({"loginId": "max", "firstName": "Max", "lastName": "Tester", "email": "max@example.com",
                 "roles": ["Administrator"]},
                {"loginId": "kim", "firstName": "Kim", "lastName": "Tester", "email": "KIM@example.com",
                 "roles": ["Supervisor"]})
    before = tenant.user("max")
    arrive(ground, group, "max")
    arrive(ground, group, "kim")
    held = wait_held(d, "adoption", state=PARKED)
    tenant.wait_user("kim", skills={"English": 80}, email="kim@example.com")
    settled(d)
    need(held[0]["login"] == "max" and "Administrator" in held[0]["sentence"], "who and why", held)
    need(tenant.user("max") == before, "untouched", tenant.user("max"))
    need(outcomes(d, "adopt", "kim") and not outcomes(d, "create", "kim"), "the other is adopted", d.audit())
    approve(d)
    tenant.wait_user("max", skills={"English": 80})
    settled(d)


def test_first_log_in_is_faster(t):
    """T62: a first log-in makes the user between plan and POST: adopted, corrected, on record as such."""
    ground, group, tenant, d = began(t)
    d.ctl("pause")
    arrive(ground, group, "kim")
    wait_for(lambda: life.operations(d, login="kim"), 20, "the create is planned")
    tenant.seed({"loginId": "kim", "firstName": "kim", "lastName": "-", "email": "kim@example.com", "team": "Support",
                 "roles": ["Agent"]})
    d.ctl("resume")
    tenant.wait_user("kim", team="Customer Service", firstName="Kim", lastName="Tester", skills={"English": 80})
    settled(d)
    need(not life.operations(d), "nothing is left for a person", life.operations(d))
    wait_outcome(d, "adopt", "kim")
    need(not outcomes(d, "create", "kim"), "nobody created it", outcomes(d, "create", "kim"))
    need(life.ledger_sum(d, "adopted") == 1, "the ledger", life.check_ledger(d))


def test_lost_answer_of_a_create_that_met_somebody(t):
    """T75 T43: the create got no answer, and the user that is there was not made by it: an adoption, with its rules."""
    ground, group, tenant, d = began(t)
    tenant.seed({"loginId": "max", "firstName": "Max", "lastName": "Tester", "email": "chief@example.com"})
    before = tenant.user("max")
    tenant.fault("cut", method="POST", path=USER, login="max", count=1)
    arrive(ground, group, "max")
    wait_held(d, "adoption", state=PARKED)
    settled(d)
    need(tenant.user("max") == before, "untouched", tenant.user("max"))
    need(not outcomes(d, "create", "max"), "no create is on record", outcomes(d, "create", "max"))


def test_report_when_everybody_was_looked_at(t):
    """T56: no report and no approval before each user was looked at; then it has all that follows."""
    ground, group, tenant = crowd(t, ["ada", "bob", "eve"])
    tenant.seed({"loginId": "ada", "firstName": "Ada", "lastName": "Old", "email": "ada@example.com", "team": "Sales",
                 "workPhone": "1"}, {"loginId": "bob", "disabled": True}, {"loginId": "stranger"})
    before = tenant.users()
    tenant.fault("stall", method="GET", path=USER + "/", login="bob", count=1)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, tenant_keys={"request_timeout": "60s"})
    d.start()
    wait_for(lambda: tenant.requests(method="GET", login="ada"), 20, "users are looked at")
    wait_for(lambda: d.state_query("SELECT (SELECT count(*) FROM dirty) + (SELECT count(*) FROM round)")[0][0] == 0, 20, "everybody is evaluated")
    plan = d.ctl("plan", "--json", code=None).json
    need(plan["adoption"] is None, "no half report", plan["adoption"])
    need(not [o for o in plan["operations"] if o["state"] == "parked"], "nothing to approve yet", plan["operations"])
    tenant.clear_faults()
    wait_held(d, "adoption", 2, state=PARKED)
    tenant.wait_user("eve")
    settled(d)
    row = plan_of(d, "ada")
    need(changes_of(row) == {"last_name": ("Old", "Tester"), "team": ("Sales", "Customer Service"),
                             "role:Agent": (None, "Agent"), "skill:English": (None, "80")}, "what follows", row)
    text = d.ctl("plan", code=2).out
    need("Sales" in text and "Customer Service" in text and "Old" in text, "people see it too", text)
    # Somebody edits the user after the plan was looked at: that is not what was approved.
    tenant.edit("ada", team="Support")
    approve(d)
    wait_outcome(d, "adopt", "ada", code="adoption")
    settled(d)
    tenant.wait_user("ada", team="Customer Service")
    row = wait_outcome(d, "update", "ada")
    need(changes_of(row)["team"] == ("Support", "Customer Service"), "planned anew", row)
    need(tenant.user("stranger") == before["stranger"], "nobody's", tenant.user("stranger"))
    need(tenant.user("bob")["disabled"], "disabled by somebody there: theirs to undo", tenant.user("bob"))


def test_who_arrives_before_the_approval(t):
    """T56: a person who comes while first contact waits is looked at too, and belongs to the same approval."""
    ground, group, tenant = crowd(t, ["ada"])
    tenant.seed({"loginId": "ada"}, {"loginId": "zoe", "firstName": "Zoe", "team": "Sales"})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    wait_held(d, "adoption", 1, state=PARKED)
    settled(d)
    arrive(ground, group, "zoe")
    wait_held(d, "adoption", 2, state=PARKED)
    settled(d)
    need(changes_of(plan_of(d, "zoe"))["team"] == ("Sales", "Customer Service"), "looked at", plan_of(d, "zoe"))
    need(tenant.writes() == [], "nothing is written", tenant.writes())
    approve(d)
    tenant.wait_user("zoe", team="Customer Service")
    tenant.wait_user("ada", team="Customer Service", firstName="Ada")
    settled(d)
