"""rosterctl plan --config: what another configuration would do, with all that only it needs read from the directory."""

from lib import Slapd, need, wait_for
from lib.life import settled as done


def told(operations):
    """What operations do, without where it comes from: {(login, kind): {field: (from, to)}}."""
    return {(o["person"]["login"], o["kind"]): {c["field"]: (c["from"], c["to"]) for c in o["changes"]} for o in operations}


def company(t):
    ground = t.shared(Slapd).fresh()
    for n in range(6):
        ground.person("p%d" % n, employeeType="Contractor" if n > 3 else "Employee", title="German:%d" % (10 * n + 5))
    annex = "ou=annex," + ground.dn
    ground.server.add("dn: %s\nobjectClass: organizationalUnit\nou: annex\n" % annex)
    for uid in ("a0", "a1"):
        ground.server.add("dn: uid=%s,%s\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: Annex\ngivenName: G\nmail: %s@x.test\n"
                          % (uid, annex, uid, uid, uid))
    tenant = t.simulator()
    tenant.add("skills", "German")
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"base": ground.people},
                       rules={"All": {"when": "(objectClass=inetOrgPerson)", "team": "Customer Service", "roles": "Agent"}},
                       guard={"max_disable": "unlimited", "max_update": "unlimited"}, lifecycle={"leave_grace": "0"})
    daemon.start()
    tenant.wait_users(["p%d" % n for n in range(6)])
    done(daemon)
    return ground, tenant, daemon


def test_a_plan_is_what_happens(t):
    """A configuration with other attributes, another base and another rule: what is planned by it is what is done once it
    is in force, operation by operation; and nothing was done, read or asked of the tenant before."""
    ground, tenant, daemon = company(t)
    with open(daemon.config_file, encoding="utf-8") as f:
        old = f.read()
    rules = {"Contractors": {"when": "(employeeType=Contractor)", "team": "Sales"},
             "All": {"when": "(objectClass=inetOrgPerson)", "team": "Customer Service", "roles": "Agent", "skills_from": "title"}}
    daemon.configure(rules=rules, directory={"base": ground.dn})
    with open(daemon.config_file, encoding="utf-8") as f:
        candidate = t.write("new.conf", f.read(), 0o600)
    daemon.write_raw_config(old)
    tenant.forget_requests()
    plan = daemon.ctl("plan", "--config", candidate, "--json", code=2).json
    text = daemon.ctl("plan", "--config", candidate, code=2).out
    need(tenant.requests() == [], "the tenant was not asked", tenant.requests())
    need(plan["hash"] is None and "approve" not in text.replace("needs approval", ""), "no hash that nobody can use", text)
    sentences = [p["sentence"] for p in plan["problems"]]
    need(not any("not known here" in s or "not reliable" in s or "was not read" in s for s in sentences), "it is reliable",
         sentences)
    need(plan["summary"] == {"create": 2, "update": 6}, "two of the annex, six with a skill", plan["summary"])
    need(plan["differences"] == {"people": 8, "operations": {"create": 2, "update": 6}, "dropped": {},
                                 "fields": dict(plan["differences"]["fields"], **{"skill:German": 6})},
         "the differences", plan["differences"])
    need("Against the configuration in force\n  8 people would be changed by this one: 2 to create, 6 to update" in text,
         "they end the answer", text)
    need(daemon.ctl("plan", "--json", code=0).json["operations"] == [], "the running plan is as before")
    need(daemon.log().count("Following") == 1, "a look is no event of the log")
    # Now it comes into force, and does that.
    wanted = told(plan["operations"])
    daemon.stop()
    with open(candidate, encoding="utf-8") as f:
        daemon.write_raw_config(f.read())
    before = len(daemon.audit(event="intent"))
    daemon.start()
    wait_for(lambda: (tenant.user("p3") or {}).get("skills", {}).get("German") == 35, 30, "the skills")
    done(daemon)
    found = {(row["person"]["login"], row["operation"]): {c["field"]: (c["from"], c["to"]) for c in row["changes"]}
             for row in daemon.audit(event="intent")[before:]}
    need(found == wanted, "what was planned was done", found, wanted)
    need(tenant.user("p5")["team"] == "Sales" and tenant.user("p5")["skills"] == {"German": 55}, "as it says")


def test_a_plan_of_a_directory_that_is_away(t):
    """What cannot be read is said, and no plan is made of it."""
    ground, tenant, daemon = company(t)
    with open(daemon.config_file, encoding="utf-8") as f:
        text = f.read()
    candidate = t.write("new.conf", text.replace(ground.server.ldaps_uri, "ldaps://127.0.0.1:1"), 0o600)
    answer = daemon.ctl("plan", "--config", candidate, code=1)
    need("the directory cannot be read for this configuration" in answer.err and "refused" in answer.err, "why", answer.err)
    need(daemon.ctl("plan", "--json", code=0).json["operations"] == [], "the running one goes on")


def test_a_plan_without_a_difference(t):
    """The configuration in force differs in nothing; one that does less is told to drop what is planned."""
    ground, tenant, daemon = company(t)
    answer = daemon.ctl("plan", "--config", daemon.config_file)
    need("nobody would be changed by this one" in answer.out, "no difference", answer.out)
    daemon.ctl("pause")
    ground.replace("p0", sn="Newname")
    wait_for(lambda: daemon.ctl("plan", "--json", code=None).json["operations"], 30, "one is planned")
    with open(daemon.config_file, encoding="utf-8") as f:
        text = f.read()
    candidate = t.write("new.conf", text + "\n[scope]\nwhen = (!(uid=p0))\n", 0o600)
    plan = daemon.ctl("plan", "--config", candidate, "--json", code=None).json
    need(sum(plan["differences"]["dropped"].values()) == 1, "what is planned now would not be done", plan["differences"])
    daemon.ctl("resume")
