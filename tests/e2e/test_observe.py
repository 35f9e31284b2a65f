"""[sync] mode = observe: everything is planned and nothing is written before a person says so."""

from lib import life, need, wait_for
from lib.life import AGENTS, PARKED, READY, crowd, settled


def observing(t, people=("ada", "bob"), seed=(), **sections):
    """(ground, group, tenant, daemon): started, and everybody is planned."""
    ground, group, tenant = crowd(t, list(people))
    tenant.seed(*seed)
    sections.setdefault("sync", {"mode": "observe"})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, **sections).start()
    wait_for(lambda: len(life.operations(d)) == len(people), 20, "everybody is planned", lambda: life.operations(d))
    return ground, group, tenant, d


def status_of(d):
    return d.ctl("status", "--json", code=None).json


def test_start(t):
    """Nothing is written, also after a restart; only the word begins it, is on record, and outlives a restart."""
    ground, group, tenant, d = observing(t)
    for again in range(2):
        if again:
            d.restart()
        wait_for(lambda: status_of(d)["tenant"]["state"] == "ok", 20, "the tenant is known")
        d.ctl("sync", "ada")
        wait_for(lambda: status_of(d)["mapping"]["dirty"] == 0, 20, "it was looked at")
        need(status_of(d)["observing"], "status says so")
        need("observing" in d.ctl("status", code=None).out, "the text too")
        need(tenant.writes() == [], "nothing is written", tenant.writes())
    plan = d.ctl("plan", "--json", code=2).json
    need(plan["observing"] and plan["summary"] == {"create": 2}, "all is planned", plan)
    text = d.ctl("plan", code=2).out
    need("rosterctl start" in text and "rosterctl approve " + plan["hash"][:8] in text, "what to do", text)
    need([h["reason"] for h in d.ctl("holds", "--json", code=2).json["holds"]] == ["observing"], "holds say so")
    need(d.ctl("start", "--json").json == {"format_version": "1.0", "observing": False, "was_observing": True}, "it did observe")
    tenant.wait_users(["ada", "bob"])
    settled(d)
    row = wait_for(lambda: [r for r in d.audit(event="request") if r.get("code") == "start"], 10, "on record")[0]
    need(row["actor"], "with its actor", row)
    d.restart()
    ground.person("cyd")
    ground.join(group, "cyd")
    tenant.wait_user("cyd")
    need(not status_of(d)["observing"], "remembered")
    need(d.ctl("start", "--json").json["was_observing"] is False, "nothing to start")


def test_whole_plan_but_no_group(t):
    """One approved group does not begin it; the whole plan does, with what is not parked; a stale hash does not."""
    ground, group, tenant, d = observing(t, ("ada", "bob", "cyd"), [{"loginId": "ada", "email": "ada@example.com",
                                                                     "team": "Sales"}])
    wait_for(lambda: len(life.operations(d, state=PARKED)) == 1, 20, "the adoption waits")
    plan = d.ctl("plan", "--json", code=2).json
    need(len([o for o in plan["operations"] if o["state"] == "ready"]) == 2, "and two are ready", plan)
    ground.person("dan")
    ground.join(group, "dan")
    wait_for(lambda: len(life.operations(d, state=READY)) == 3, 20, "one more")
    need(d.ctl("approve", plan["hash"], "--json", code=1).json["error"] == "stale-hash", "that is another plan")
    plan = d.ctl("plan", "--json", code=2).json
    need(d.ctl("approve", plan["hash"][:8], "a", "--json").json["approved"] == 1, "one group")
    need(status_of(d)["observing"], "it goes on observing")
    d.ctl("sync", "ada")
    wait_for(lambda: status_of(d)["mapping"]["dirty"] == 0, 20, "it was looked at")
    need(tenant.writes() == [], "nothing is written", tenant.writes())
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"][:8])
    tenant.wait_users(["ada", "bob", "cyd", "dan"])
    tenant.wait_user("ada", team="Customer Service")
    need(not status_of(d)["observing"], "over")
    rows = wait_for(lambda: [r for r in d.audit(event="request") if r.get("code") == "start"], 10, "on record")
    need("whole plan" in rows[0]["sentence"], "why", rows)


def test_active_unless_told(t):
    """Without the key nothing changes; a configuration that observes later observes anew."""
    ground, group, tenant = crowd(t, ["ada"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_user("ada")
    settled(d)
    with open(d.config_file, encoding="utf-8") as file:
        before = file.read()

    def load(text):
        with open(d.config_file, "w", encoding="utf-8") as file:
            file.write(text)
        d.ctl("reload")

    for uid in ("bob", "cyd"):
        load(before + "\n[sync]\nmode = observe\n")
        need(status_of(d)["observing"], "it observes")
        ground.person(uid)
        ground.join(group, uid)
        wait_for(lambda: life.operations(d), 20, "planned")
        need(tenant.user(uid) is None, "not written")
        if uid == "bob":
            d.ctl("start")
            tenant.wait_user(uid)
            load(before)
            need(not status_of(d)["observing"], "it does not observe")
    load(before)
    tenant.wait_user("cyd")
