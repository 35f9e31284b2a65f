"""rosterctl's questions and words: what the running daemon answers, and that it is true."""

import grp
import json
import os
import re
import subprocess

from lib import Slapd, base, need, wait_for
from lib.base import Missing
from lib.varlink import Interface, Refused, Varlink

RULES_OF = {"Agents": {"team": "Customer Service", "roles": "Agent", "skills": "English:80"}}


def rules(group, **changes):
    keys = dict(RULES_OF["Agents"], group=group)
    keys.update(changes)
    return {"Agents": keys}


def ask(daemon, *arguments, code=None):
    """rosterctl's JSON answer, whatever the exit code says, unless told."""
    return daemon.ctl("--json", *arguments, code=code, seconds=60).json


def status_until(daemon, condition, what):
    seen = {}

    def look():
        seen["status"] = ask(daemon, "status")
        return condition(seen["status"])

    wait_for(look, 30, what, lambda: json.dumps(seen["status"], indent=1)[-3000:])
    return seen["status"]


def is_settled(status):
    queue = status["queue"]
    return (status["directory"]["state"] == "following" and status["tenant"]["state"] == "ok"
            and status["mapping"]["dirty"] == 0 and status["run"]["last"] and status["run"]["current"] is None
            and queue["ready"] == queue["started"] == 0)


def team(t, *people, **settings):
    """A directory with people in a group, a tenant, and a daemon that is not started."""
    ground = t.shared(Slapd).fresh()
    for uid in people:
        ground.person(uid)
    crowd = ground.group("crowd", list(people))
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, rules=rules(crowd), lifecycle={"leave_grace": "0"},
                       **settings)
    return ground, crowd, tenant, daemon


def test_status(t):
    """Health, counts, the last run's ledger and the groups of the rules; health follows the tenant."""
    ground, crowd, tenant, daemon = team(t, "ada", "bob")
    ground.person("cyd")  # in no group
    daemon.start()
    tenant.wait_users(["ada", "bob"])
    status = status_until(daemon, is_settled, "everything is done")
    need(status["health"] == "ok", "health", status)
    need(status["directory"]["people"] == 3 and status["directory"]["groups"] == 1, "counts", status["directory"])
    need(status["directory"]["feed"] == "syncrepl" and status["directory"]["feed_reason"], "feed", status["directory"])
    need("OpenLDAP" in status["directory"]["product"], "product", status["directory"])
    need(status["tenant"]["users_linked"] == 2, "linked", status["tenant"])
    totals = status["run"]["last"]["totals"]
    need(totals["created"] == 2 and totals["skipped"] == {"no-team": 1} and totals["seen"] == 3, "ledger", totals)
    groups = status["mapping"]["groups"]
    need(len(groups) == 1 and groups[0]["state"] == "present" and groups[0]["members"] == 2, "groups", groups)
    need(status["audit"]["last_seq"] > 0 and status["audit"]["error"] is None, "audit", status["audit"])
    need(status["pid"] == daemon.pid and status["config_file"] == daemon.config_file, "who", status)
    tenant.down()
    ground.replace("ada", telephoneNumber="+44 7")
    ground.person("dan")
    ground.join(crowd, "dan")
    status = status_until(daemon, lambda s: s["health"] == "degraded" and s["tenant"]["state"] == "away", "degraded")
    need(status["tenant"]["error"] and status["tenant"]["next_attempt"], "why and when", status["tenant"])
    daemon.ctl("status", code=2)
    tenant.down(False)
    tenant.wait_user("dan")
    status_until(daemon, lambda s: s["health"] == "ok", "ok again")


def test_holds_while_the_tenant_is_away(t):
    """Everybody who waits for the tenant is one row, with its sentence, since when and until when."""
    ground, crowd, tenant, daemon = team(t, "ada", retry={"min": "500ms", "max": "2s"})
    daemon.start()
    tenant.wait_user("ada")
    status_until(daemon, is_settled, "everything is done")
    need(ask(daemon, "holds", code=0)["holds"] == [], "nothing is held")
    tenant.down()
    ground.persons({"n%d" % i: {} for i in range(8)})
    ground.join(crowd, *["n%d" % i for i in range(8)])
    seen = {}

    def waits():
        seen["holds"] = ask(daemon, "holds")["holds"]
        rows = [r for r in seen["holds"] if r["reason"] == "tenant-unavailable" and r["cause"] == "tenant"]
        return sum(r["people"] for r in rows) >= 8 and rows

    rows = wait_for(waits, 30, "eight people wait for the tenant", lambda: seen)
    row = next(r for r in rows if r["state"] == "ready")
    need(row["since"] and row["next_attempt"] and tenant.url.split("//")[1] in row["sentence"], "the row", row)
    need(0 < len(row["examples"]) <= 5, "up to five examples", row)
    tenant.down(False)
    tenant.wait_users(["ada"] + ["n%d" % i for i in range(8)])
    status_until(daemon, is_settled, "everything is done")
    need(ask(daemon, "holds")["holds"] == [], "nothing is held any more")


def test_holds_by_cause_and_retry(t):
    """A team that the tenant lacks is one hold however many wait; it is released by a word; T22."""
    ground = t.shared(Slapd).fresh()
    ground.persons({"p%d" % i: {} for i in range(7)})
    crowd = ground.group("crowd", ["p%d" % i for i in range(7)])
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, rules=rules(crowd, team="Nightwatch"))
    daemon.start()
    status_until(daemon, lambda s: s["queue"]["held"] == 7, "seven are held")
    holds = ask(daemon, "holds", code=2)["holds"]
    need(len(holds) == 1, "one row", holds)
    row = holds[0]
    need(row["cause"] == "team:Nightwatch" and row["reason"] == "team-missing" and row["people"] == 7
         and row["state"] == "held" and len(row["examples"]) == 5, "the row", row)
    need(len({e["dn"] for e in row["examples"]}) == 5, "five people", row)
    with open(os.path.join(base.ROOT, "docs/codes.md"), encoding="utf-8") as page:
        remedy = re.search(r"^\| `team-missing` \|.*\| (.*) \|$", page.read(), re.M).group(1)
    text = re.sub(r"\s+", " ", daemon.ctl("holds", code=2).out)
    need("team-missing team:Nightwatch 7 people, held since" in text and "What to do: " + remedy in text, "as text", text)
    person = ask(daemon, "explain", "p3")["people"][0]
    need(person["operations"][0]["reason"] == "team-missing" and person["bucket"] == "held", "explain", person)
    tenant.add("teams", "Nightwatch")
    need(ask(daemon, "retry", "--cause", "team:Nightwatch", code=0)["released"] == 7, "released")
    tenant.wait_users(["p%d" % i for i in range(7)])
    need(ask(daemon, "retry", "nobody-at-all")["error"] == "not-found", "nobody of that name")


def test_explain_why_and_why_not(t):
    """Steps, values with the rule and line that gave them, the link; and for others why there is no user."""
    ground, crowd, tenant, daemon = team(t, "ada")
    inner = ground.group("inner", [ground.person("ned")])
    ground.join(crowd, inner)
    ground.person("cyd")
    ground.person("nix", givenName=None, mail=None)
    daemon.start()
    tenant.wait_users(["ada", "ned"])
    status_until(daemon, is_settled, "everything is done")

    answer = ask(daemon, "explain", "ada", code=0)
    need(len(answer["people"]) == 1, "one of that login", answer)
    ada = answer["people"][0]
    need(ada["in_directory"] and ada["verdict"] == "user" and ada["bucket"] == "created", "ada", ada)
    need(ada["wanted"]["team"]["value"] == "Customer Service" and ada["wanted"]["team"]["rule"] == "Agents"
         and ada["wanted"]["team"]["line"] > 0, "team with its source", ada["wanted"])
    need([r["name"] for r in ada["wanted"]["roles"]] == ["Agent"], "roles", ada["wanted"])
    need(ada["known"]["team"] == "Customer Service" and ada["link"]["status"] == "active"
         and ada["link"]["origin"] == "create" and ada["link"]["created"], "known and link", ada)
    need(ada["attributes"]["uid"] == ["ada"], "attributes", ada["attributes"])
    steps = [s for s in ada["steps"] if s["rule"] == "Agents"]
    need(steps and steps[0]["matched"] and "member of" in steps[0]["sentence"], "steps", ada["steps"])

    for name in (ada["person"]["id"], ada["person"]["dn"].upper().replace(",", ", "), "ADA"):
        other = ask(daemon, "explain", name, code=0)["people"]
        need([p["person"]["id"] for p in other] == [ada["person"]["id"]], "the same person", name, other)

    ned = ask(daemon, "explain", "ned")["people"][0]
    need("through" in json.dumps(ned["steps"]), "nested membership names the group between", ned["steps"])

    cyd = ask(daemon, "explain", "cyd")["people"][0]
    need(cyd["verdict"] == "skip" and cyd["code"] == "no-team" and cyd["wanted"] is None
         and cyd["link"] is None, "why not", cyd)
    need(any(not s["matched"] and "not a member of" in s["sentence"] and "crowd" in s["sentence"]
             for s in cyd["steps"]), "the group that was looked at", cyd["steps"])

    need(ask(daemon, "explain", "who", code=1)["error"] == "not-found", "nobody")
    group = ask(daemon, "explain", crowd, code=1)
    need(group["error"] == "not-found" and "is a group" in group["message"], "a group is no person", group)

    ground.remove("ada")
    wait_for(lambda: tenant.user("ada") and tenant.user("ada")["disabled"], 30, "ada is disabled", tenant.users)
    gone = ask(daemon, "explain", "ada")["people"][0]
    need(not gone["in_directory"] and gone["verdict"] == "gone" and gone["gone_why"]
         and gone["link"]["leaving_since"], "gone", gone)


def test_plan_of_another_configuration(t):
    """What a candidate would do is shown and not done; errors and values not known here are named."""
    ground, crowd, tenant, daemon = team(t, "ada", "bob")
    daemon.start()
    tenant.wait_users(["ada", "bob"])
    status_until(daemon, is_settled, "everything is done")
    need(ask(daemon, "plan", code=0)["operations"] == [], "nothing to do")
    tenant.forget_requests()
    with open(daemon.config_file, encoding="utf-8") as text:
        config = text.read()

    def candidate(name, text):
        return t.write(name, text, 0o600)

    new = config.replace("team = Customer Service", "team = Sales")
    need(new != config, "the candidate differs")
    plan = ask(daemon, "plan", "--config", candidate("sales.conf", new), code=2)
    need(plan["summary"] == {"update": 2} and plan["problems"] == [], "two changes", plan)
    changes = plan["operations"][0]["changes"]
    need([(c["field"], c["from"], c["to"]) for c in changes] == [("team", "Customer Service", "Sales")]
         and changes[0]["rule"] == "Agents" and changes[0]["line"] > 0, "what changes and why", changes)

    ground.replace("ada", departmentNumber="Klingon:7")
    wider = config.replace("skills = English:80", "skills = English:80\nskills_from = departmentNumber")
    plan = ask(daemon, "plan", "--config", candidate("wider.conf", wider), code=2)
    need(plan["problems"] == [] and [(c["field"], c["to"]) for o in plan["operations"] for c in o["changes"]] ==
         [("skill:Klingon", "7")], "an attribute that the mirror does not hold is read", plan)

    lost = config.replace("cn=crowd,", "cn=crowdy,")
    need(lost != config, "the candidate differs")
    plan = ask(daemon, "plan", "--config", candidate("lost.conf", lost))
    need(any("crowdy" in p["sentence"] and "did you mean" in p["sentence"] and p["line"] > 0
             for p in plan["problems"]), "a group that is not there", plan["problems"])
    need(not any(o["kind"] == "disable" and o["state"] == "ready" for o in plan["operations"]),
         "nobody would be disabled for it", plan["operations"])

    broken = config.replace("team = Customer Service", "taem = Customer Service")
    plan = ask(daemon, "plan", "--config", candidate("broken.conf", broken), code=1)
    need(plan["hash"] is None and plan["operations"] == [] and any(p["level"] == "error" for p in plan["problems"]),
         "a broken candidate", plan)

    need("crowdy" not in daemon.log(), "a look is no event of the log", daemon.log()[-2000:])
    need(tenant.writes() == [], "nothing was written", tenant.writes())
    need(ask(daemon, "plan", code=0)["operations"] == [], "the running plan is as before")
    need(tenant.user("ada")["team"] == "Customer Service", "nothing was done")


def test_approve(t):
    """A tripped budget parks; a stale hash releases nothing, the right one exactly that; T7."""
    people = ["q%02d" % i for i in range(12)]
    ground, crowd, tenant, daemon = team(t, *people)
    daemon.start()
    tenant.wait_users(people)
    status_until(daemon, is_settled, "everything is done")
    need(ask(daemon, "approve", "0" * 64, code=1)["error"] == "nothing-to-approve", "nothing waits")
    ground.leave(crowd, *people[:8])
    status = status_until(daemon, lambda s: s["queue"]["parked"] == 3 and is_settled(s), "three are parked")
    budget = next(b for b in status["budgets"] if b["kind"] == "disable")
    need(budget["tripped"] and budget["pending"] >= 3 and budget["limit"] == 5, "the budget", budget)
    stale = ask(daemon, "plan", code=2)
    need(stale["summary"] == {"disable": 3}, "the plan", stale["summary"])
    holds = ask(daemon, "holds")["holds"]
    need([(h["reason"], h["state"], h["people"]) for h in holds] == [("budget", "parked", 3)], "holds", holds)
    ground.leave(crowd, people[8])
    status_until(daemon, lambda s: s["queue"]["parked"] == 4, "four are parked")
    need(ask(daemon, "approve", stale["hash"], code=1)["error"] == "stale-hash", "the set has changed")
    need(sum(u["disabled"] for u in tenant.users().values()) == 5, "no more than the budget")
    plan = ask(daemon, "plan")
    done = ask(daemon, "approve", plan["hash"], code=0)
    need(done["approved"] == 4 and done["valid_until"], "approved", done)
    wait_for(lambda: sorted(l for l, u in tenant.users().items() if u["disabled"]) == people[:9], 30,
             "exactly those are disabled", tenant.users)


def test_adoption(t):
    """First contact: who would be adopted, who by another spelling, whose mail is known, who is nobody's; T20."""
    ground, crowd, tenant, daemon = team(t, "ada", "bob", "eve")
    tenant.seed({"loginId": "ada"}, {"loginId": "Bob"}, {"loginId": "e.old", "email": "EVE@example.com"},
                {"loginId": "admin"})
    daemon.start()
    status = status_until(daemon, lambda s: s["adoption"]["needed"], "adoption waits for approval")
    plan = ask(daemon, "plan")
    adoption = plan["adoption"]
    need([a["login"] for a in adoption["exact"]] == ["ada"], "exact", adoption)
    need([(a["login"], a["wanted"]) for a in adoption["differs_in_case"]] == [("Bob", "bob")], "case", adoption)
    need([(a["login"], a["wanted"]) for a in adoption["same_mail"]] == [("e.old", "eve")], "mail", adoption)
    need(adoption["unclaimed"] == ["admin"], "unclaimed", adoption)
    need(status["adoption"]["hash"] == plan["hash"], "the hash", status["adoption"])
    need(tenant.writes() == [], "nothing is written before approval", tenant.writes())
    ask(daemon, "approve", plan["hash"], code=0)
    tenant.wait_user("ada", team="Customer Service")
    status_until(daemon, lambda s: not s["adoption"]["needed"], "adoption is over")
    need(ask(daemon, "plan")["adoption"] is None, "no adoption report any more")


def test_pause_resume_sync_history_config(t):
    """Paused, nothing is written; history tells of a person by login, DN and id; config says from where."""
    ground, crowd, tenant, daemon = team(t, "ada")
    daemon.start()
    tenant.wait_user("ada")
    status_until(daemon, is_settled, "everything is done")
    need(ask(daemon, "pause", code=0)["paused"] is True, "paused")
    ground.person("bob")
    ground.join(crowd, "bob")
    status = status_until(daemon, lambda s: s["queue"]["ready"] == 1, "bob waits")
    need(status["paused"], "status says so", status)
    need([h["reason"] for h in ask(daemon, "holds")["holds"]] == ["paused"], "holds say so")
    need(tenant.user("bob") is None, "nothing is written")
    need(ask(daemon, "resume", code=0)["paused"] is False, "resumed")
    tenant.wait_user("bob")

    person = ask(daemon, "explain", "ada")["people"][0]["person"]
    histories = [ask(daemon, "history", name, code=0)["lines"] for name in
                 ("ada", person["dn"], person["id"])]
    need(histories[0] and histories[0] == histories[1] == histories[2], "one history", histories)
    rows = [json.loads(line) if isinstance(line, str) else line for line in histories[0]]
    need([r["seq"] for r in rows] == sorted(r["seq"] for r in rows), "in order", rows)
    need({"intent", "outcome"} <= {r["event"] for r in rows}, "what was done", rows)
    need(all(r["person"]["id"] == person["id"] for r in rows), "of ada alone", rows)
    os.rename(daemon.audit_file, daemon.audit_file + ".1")  # as logrotate does
    ask(daemon, "sync", "ada", code=0)
    ground.person("cyd")
    ground.join(crowd, "cyd")
    tenant.wait_user("cyd")
    need(ask(daemon, "history", "ada")["lines"][:len(rows)] == histories[0], "rotated files are read too")

    before = ask(daemon, "status")["directory"]["last_full_read"]
    need(ask(daemon, "sync", code=0)["started"], "started")
    status_until(daemon, lambda s: s["directory"]["last_full_read"] != before
                 and s["directory"]["state"] == "following", "a full read")
    keys = ask(daemon, "config", "show", code=0)["keys"]
    url = next(k for k in keys if (k["section"], k["name"]) == ("tenant", "url"))
    need(url["value"] == tenant.url and url["file"] == daemon.config_file and not url["default"], "config", url)


def check(daemon, code):
    done = daemon.run("--check-connections", code=code)
    items = done.json["items"]
    need(done.err == "", "quiet when nobody watches", done.err)
    return items


def sentences(items, level):
    return [i["subject"] + ": " + i["sentence"] for i in items if i["level"] == level]


def test_check(t):
    """What a good colleague would say: server, feed, counts, spelling of groups and teams, lacks, SCIM."""
    ground, crowd, tenant, daemon = team(t, "ada", "bob")
    items = check(daemon, 0)
    need(sentences(items, "error") == [] and sentences(items, "warning") == [], "all is well", items)
    text = "\n".join(sentences(items, "ok"))
    for part in ("OpenLDAP", "syncrepl", "2 people and 1 group are", "accepts the credentials",
                 "may look at users", "SCIM: the tenant offers it", "2 would be users"):
        need(part in text, "it says %r" % part, text)
    need(tenant.writes() == [], "nothing is written", tenant.writes())
    need(not os.path.exists(daemon.state_file) and not os.path.exists(daemon.audit_file), "no state is left")
    need([n for n in os.listdir(daemon.folder) if n.startswith("rosterd-check")] == [], "no folder is left")


def test_check_finds_what_is_wrong(t):
    """Misspelt groups and teams with 'did you mean', absent attributes, people who lack values, filters."""
    ground, crowd, tenant, daemon = team(t, "ada", "bob")
    ground.person("nix", mail=None)
    ground.join(crowd, "nix")
    daemon.configure(rules={"Agents": {"group": crowd, "team": "Custmer Service"},
                            "Others": {"group": crowd.replace("cn=crowd", "cn=crowds"), "roles": "Agent",
                                       "skills_from": "roomNumber"}},
                     directory={"filter": "(&(objectClass=inetOrgPerson)(!(memberOf=cn=x)))"})
    items = check(daemon, 1)
    errors, warnings = "\n".join(sentences(items, "error")), "\n".join(sentences(items, "warning"))
    need("did you mean 'Customer Service'" in errors, "the team", errors)
    need("crowds" in errors and "did you mean" in errors and "cn=crowd," in errors, "the group", errors)
    need("roomNumber" in warnings, "an attribute that nobody has", warnings)
    need("memberOf" in warnings, "a filter that names memberOf", warnings)


def test_check_of_a_bad_account(t):
    """Wrong secret, missing privilege, no SCIM, an unreachable directory: each is said, none hangs."""
    ground, crowd, tenant, daemon = team(t, "ada")
    tenant.settings(scim=404)
    warnings = "\n".join(sentences(check(daemon, 0), "warning"))
    need("SCIM" in warnings, "no SCIM", warnings)
    tenant.settings(scim=0)
    tenant.settings(lack_privilege=True)
    errors = "\n".join(sentences(check(daemon, 1), "error"))
    need("403" in errors and "Manage users" in errors, "no privilege", errors)
    tenant.settings(lack_privilege=False)
    daemon.configure(tenant={"client_secret": "wrong"})
    errors = "\n".join(sentences(check(daemon, 1), "error"))
    need("client_secret_file" in errors and "wrong" not in errors, "a wrong secret", errors)
    daemon.configure(directory={"uri": "ldap://127.0.0.1:1", "tls": "no"})
    items = check(daemon, 1)
    errors = "\n".join(sentences(items, "error"))
    need("127.0.0.1:1" in errors, "nobody listens there", errors)
    daemon.write_raw_config("[directory]\nuir = x\n")
    need(any("did you mean" in s for s in sentences(check(daemon, 1), "error")), "a broken file")


def test_health_failed(t):
    """What cannot be accounted for is no success: an audit that cannot be written turns health to failed."""
    ground, crowd, tenant, daemon = team(t, "ada")
    daemon.start()
    tenant.wait_user("ada")
    status_until(daemon, is_settled, "everything is done")
    os.rename(daemon.audit_file, daemon.audit_file + ".1")
    os.mkdir(daemon.audit_file)  # nothing can be opened there
    ground.replace("ada", sn="Lovelace")
    status = status_until(daemon, lambda s: s["health"] == "failed", "health is failed")
    need(daemon.audit_file in status["audit"]["error"], "why", status["audit"])
    os.rmdir(daemon.audit_file)
    status_until(daemon, lambda s: s["health"] == "ok" and s["audit"]["error"] is None, "ok again")
    rows = [json.loads(line)["seq"] for path in (daemon.audit_file + ".1", daemon.audit_file)
            for line in open(path, encoding="utf-8")]
    need(rows == list(range(1, len(rows) + 1)), "no row was lost", rows)


def test_dry_run(t):
    """A dry run prints field by field what would be done, grouped and counted, and does nothing."""
    ground, crowd, tenant, daemon = team(t, "ada", "bob")
    ground.person("cyd")
    done = daemon.run("--dry-run", code=2)
    for part in ("Would be done\n", "  + create  ada (uid=ada,", "  + create  bob (uid=bob,", "Skipped\n",
                 "2 to create; 1 person skipped\n"):
        need(part in done.out, "it says %r" % part, done.out)
    need(re.search(r"^    \+ team +Customer Service +rule \"Agents\" \(", done.out, re.M), "a value and its rule", done.out)
    need("\033" not in done.out, "no colour in a pipe", done.out)
    need(tenant.writes() == [] and not os.path.exists(daemon.state_file), "nothing was done")
    daemon.once()
    daemon.configure(rules=rules(crowd, team="Sales"))
    done = daemon.run("--dry-run", code=2)
    need("~ team  Customer Service -> Sales" in done.out and "2 to update" in done.out, "changes", done.out)
    need(tenant.user("ada")["team"] == "Customer Service", "nothing was done")
    daemon.configure(rules=rules(crowd))
    need(daemon.run("--dry-run", code=0).out.endswith("Nothing to do; 1 person skipped\n"), "nothing to do")
    os.unlink(daemon.state_file)
    for how in ("cut", "502"):
        tenant.down(how=how)
        done = daemon.run("--dry-run", code=1)
        need("what would be done is not known" in done.err and "Nothing to do" not in done.out, "the tenant is away", done)
        tenant.down(False)


def test_configuration_that_is_not_there(t):
    """A configuration that is named and not there: that is said, and no other rosterd is asked in its place."""
    ground, crowd, tenant, daemon = team(t, "ada")
    daemon.start()
    missing = t.path("typo.conf")
    for verb in ("status", "pause", "plan", "holds"):
        done = subprocess.run([base.built("rosterctl"), "--config", missing, verb], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=10)
        need(done.returncode == 1 and missing + ": No such file or directory" in done.stderr, "said", verb, done)


def test_reload_is_answered(t):
    """A broken file fails `rosterctl reload` with its first error, and status says that a restart would fail; a file
    that is changed and not loaded is said to be; then it is loaded."""
    ground, crowd, tenant, daemon = team(t, "ada")
    daemon.start()
    tenant.wait_user("ada", team="Customer Service")
    need(ask(daemon, "status")["config_files"] == {"state": "in-force", "sentence": None}, "in force at first",
         ask(daemon, "status"))
    good = open(daemon.config_file, encoding="utf-8").read()
    daemon.write_raw_config(good.replace("[user]", "[user]\nno_such_key = 1"))
    refused = daemon.ctl("reload", code=1)
    need("no_such_key" in refused.err and "stays in force" in refused.err, "the error is said", refused)
    status = daemon.ctl("status", "--json", code=None).json
    need(status["config_files"]["state"] == "broken" and "no_such_key" in status["config_files"]["sentence"],
         "status says so", status["config_files"])
    daemon.configure(rules=rules(crowd, team="Sales"))
    need(ask(daemon, "status")["config_files"]["state"] == "changed", "changed and not loaded")
    need(tenant.user("ada")["team"] == "Customer Service", "nothing happened yet")
    done = daemon.ctl("reload")
    need("in force" in done.out, "loaded", done)
    tenant.wait_user("ada", team="Sales")
    need(ask(daemon, "status")["config_files"]["state"] == "in-force", "in force again")


def test_retry_of_an_unknown_cause(t):
    """A cause under which nothing is held is refused, not retried in silence."""
    _, _, _, daemon = team(t, "ada")
    daemon.start()
    refused = daemon.ctl("retry", "--cause", "nonsense", code=1)
    need("nonsense" in refused.err and "rosterctl holds" in refused.err, "it is said", refused)


def test_what_a_reload_cannot_change(t):
    """What takes a restart is shown and used as it is in force, and each reload says that it waits."""
    _, group, tenant, daemon = team(t, "ada", "bob")
    daemon.start()
    tenant.wait_users(["ada", "bob"])
    before = status_until(daemon, is_settled, "everything is done")

    def shown():
        return {(k["section"], k["name"]): k["value"] for k in ask(daemon, "config", "show")["keys"]}

    keys = shown()
    daemon.configure(rules=rules(group, team="Sales"), state={"file": daemon.path("elsewhere.db")},
                     audit={"file": daemon.path("elsewhere.jsonl")}, guard={"max_team_change": "unlimited"},
                     tenant={"url": "https://elsewhere.example.com", "max_rate": "900"})
    for _ in range(2):
        daemon.reload()
    for uid in ("ada", "bob"):
        tenant.wait_user(uid, team="Sales")
    waits = [line for line in daemon.log().splitlines() if "takes a restart" in line]
    need(len(waits) == 2 and all(key in line for line in waits for key in ("[state] file", "[audit] file", "[tenant] url")),
         "said each time", waits)
    now = status_until(daemon, is_settled, "the reload is done")
    need(all(now[part][key] == before[part][key] for part, key in
             (("tenant", "url"), ("state", "file"), ("audit", "file"))), "status shows what is in force", now)
    need(now["tenant"]["max_rate"] == 900, "and what the reload changed", now["tenant"])
    for key in (("state", "file"), ("audit", "file"), ("tenant", "url")):
        need(shown()[key] == keys[key], "config show", key)
    need(ask(daemon, "history", "ada", code=0), "the audit file in force is read")
    plan = ask(daemon, "plan", "--config", daemon.config_file, code=0)
    need(plan["operations"] == [], "the state file in force is looked at", plan)
    need(not os.path.exists(daemon.path("elsewhere.db")), "nothing was made")


def test_varlink(t):
    """Another client than rosterctl, written from Varlink's specification, finds what the interface describes: every
    method, every member of its answer, and its errors."""
    _, _, tenant, daemon = team(t, "ada")
    daemon.start()
    tenant.wait_user("ada")
    client = Varlink(daemon.socket)
    info = client.call("org.varlink.service.GetInfo")
    need(info["interfaces"] == ["org.varlink.service", "org.rosterd"], "interfaces", info)
    text = client.call("org.varlink.service.GetInterfaceDescription", {"interface": "org.rosterd"})["description"]
    described = Interface(text)
    parameters = {"Explain": {"person": "ada"}, "History": {"person": "ada"}, "Logins": {"prefix": "a"},
                  "AuditErase": {"person": "ada", "reason": "test"}}
    refused = {"Approve": ({"hash": "0" * 64}, "NothingToApprove"), "Retry": ({"cause": "none"}, "NotFound")}
    need(len(described.methods) == 17, "seventeen methods", described.methods)
    for name, (_, answer) in described.methods.items():
        if name in refused:
            given, error = refused[name]
            try:
                need(False, "refused", client.call("org.rosterd." + name, given))
            except Refused as r:
                need(r.error == "org.rosterd." + error, "the error of %s" % name, r)
                need(list(r.parameters) == described.errors[error], "and its members", r)
            continue
        got = client.call("org.rosterd." + name, parameters.get(name, {}))
        need(set(answer) - described.optional[name] <= set(got) <= set(answer), "the answer of %s" % name, sorted(got),
             sorted(answer))
    for method, error in (("org.rosterd.Nothing", "MethodNotFound"), ("org.example.Nothing", "InterfaceNotFound")):
        try:
            need(False, "refused", client.call(method))
        except Refused as r:
            need(r.error == "org.varlink.service." + error, "of the service", r)


def test_readers_and_operators(t):
    """A reader looks and changes nothing, an operator may do everything, anybody else nothing; who may not is told
    which group is missing."""
    if os.geteuid() != 0:
        raise Missing("another user's identity needs root")
    readers, operators, others = "games", "mail", "news"  # groups that every Debian has
    _, _, tenant, daemon = team(t, "ada", control={"group": operators, "readers": readers})
    for folder in (t.folder, daemon.folder):
        os.chmod(folder, 0o711)
    daemon.start()
    tenant.wait_user("ada")

    def as_member(group, *arguments):
        gid = grp.getgrnam(group).gr_gid
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--groups", str(gid), "--",
                   base.built("rosterctl"), "--socket", daemon.socket, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False,
                              env=daemon.environment())

    look = [["status"], ["plan"], ["explain", "ada"], ["holds"], ["history", "ada"]]
    change = [["pause"], ["resume"], ["retry", "--all"], ["sync"], ["reload"], ["approve", "0" * 64], ["config", "show"]]
    for verb in look:
        for group in (readers, operators):
            done = as_member(group, *verb)
            need(done.returncode in (0, 2), "%s may look: %s" % (group, verb), done)
        done = as_member(others, *verb)
        need(done.returncode == 1 and operators in done.stderr and readers in done.stderr, "others may not", done)
    for verb in change:
        done = as_member(readers, *verb)
        need(done.returncode == 1 and operators in done.stderr and "only look" in done.stderr, "readers may not", done)
    need(ask(daemon, "status")["paused"] is False, "nothing was paused")
    need(as_member(operators, "pause").returncode == 0, "an operator pauses")
    need(ask(daemon, "status")["paused"] is True, "and it is paused")


def test_told_is_kept(t):
    """Whoever is told that writing is paused, or that something was loaded or will be done again, finds it so and on record
    after a crash that comes right behind the answer."""
    ground, _, tenant, daemon = team(t, "ada", guard={"max_disable": "0"})
    daemon.start()
    tenant.wait_users(["ada"])
    words = {"Pause": {}, "Resume": {}, "Sync": {}, "Retry": {"person": "ada"}, "Reload": {}}
    for turn in range(4):
        for word, parameters in words.items():
            if word == "Reload":
                daemon.configure(guard={"max_rename": str(turn + 1)})
            client = Varlink(daemon.socket)
            client.call("org.varlink.service.GetInfo")
            client.call("org.rosterd." + word, parameters)
            daemon.kill()
            daemon.start()
            need(ask(daemon, "status")["paused"] == (word == "Pause"), "paused or not", word)
    wait_for(lambda: daemon.audit()[-1]["event"] != "start", 10, "the audit is caught up")
    for event, code, n in (("configuration", "paused", 8), ("request", "sync", 4), ("request", "retry", 4), ("configuration", None, 4)):
        rows = [row for row in daemon.audit(event=event, code=code) if row.get("actor")] if code else \
            [row for row in daemon.audit(event=event) if row.get("actor") and not row.get("code")]
        need(len(rows) == n, "each is on record", event, code, rows)
