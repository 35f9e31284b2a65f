"""rosterctl sync PERSON: one person through the whole chain, while the caller waits."""

import time

from lib import Slapd, need, wait_for
from lib.life import crowd, daemon as life_daemon, settled


def steps(daemon, person):
    answer = daemon.ctl("sync", person, "--json")
    return answer.json, [(s["step"], s["sentence"]) for s in answer.json["steps"]]


def test_each_step_is_shown(t):
    """What the directory has, what the rules make of it, what differs and what became of it, in under a second; and what
    somebody changed at the tenant by hand."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    daemon = life_daemon(t, ground, tenant, {"Agents": {"group": group, "team": "Customer Service", "roles": "Agent"}})
    daemon.start()
    tenant.wait_users(["ada", "bob"])
    settled(daemon)
    begun = time.monotonic()
    answer, told = steps(daemon, "ada")
    need(time.monotonic() - begun < 1 and answer["ms"] < 1000, "in under a second", answer)
    need([step for step, _ in told] == ["directory", "rules", "tenant"], "three steps", told)
    need(told[0][1].startswith("uid=ada,") and "reports changes at once" in told[0][1], "the directory", told)
    need(told[1][1] == "a user ada, team Customer Service; roles Agent", "the rules", told)
    need(told[2][1] == "it has the user as it was confirmed", "the tenant", told)
    # A change that waits, since the tenant refused it once.
    daemon.ctl("pause")
    ground.leave(group, "bob")
    ground.replace("ada", sn="Byron")
    wait_for(lambda: len(daemon.ctl("plan", "--json", code=None).json["operations"]) == 2, 20, "both are planned")
    _, told = steps(daemon, "ada")
    need(("difference" in dict(told) and "last_name" in dict(told)["difference"] and "Byron" in dict(told)["difference"]),
         "what differs", told)
    need(any(step == "tenant" and "waits" in text for step, text in told), "and that it waits", told)
    daemon.ctl("resume")
    tenant.wait_user("ada", lastName="Byron")
    settled(daemon)
    # By hand at the tenant.
    tenant.edit("ada", team="Sales")
    _, told = steps(daemon, "ada")
    need(told[-1][1].startswith("team is Sales there and was confirmed as Customer Service"), "by hand", told)
    tenant.delete_user("ada")
    _, told = steps(daemon, "ada")
    need(("tenant", "it has no user ada any more") in told, "gone there", told)
    # Somebody who is no user; nobody at all; the text.
    ground.person("eve")
    wait_for(lambda: daemon.ctl("explain", "eve", code=None).code == 0, 20, "eve is known")
    _, told = steps(daemon, "eve")
    need(told[1][1].startswith("no user: ") and told[2] == ("tenant", "there is no user, and none is to be made"), "eve", told)
    need("nobody is known" in daemon.ctl("sync", "zoe", code=1).err, "nobody")
    text = daemon.ctl("sync", "eve").out.splitlines()
    need(len(text) == 3 and " ms  directory   uid=eve," in text[0] and " ms  rules " in text[1], "the text", text)
    need(daemon.ctl("sync").out == "Started.\n", "everybody")


def test_a_new_user_and_a_tenant_that_is_away(t):
    """Somebody who waited becomes a user while one looks; an absent tenant is said and nothing hangs."""
    ground, group, tenant = crowd(t, ["ada"])
    daemon = life_daemon(t, ground, tenant, {"Agents": {"group": group, "team": "Nowhere", "roles": "Agent"}})
    daemon.start()
    wait_for(lambda: daemon.ctl("holds", "--json", code=None).json["holds"], 30, "the team is missing")
    _, told = steps(daemon, "ada")
    need(any(step == "tenant" and "create waits: " in text and "Nowhere" in text for step, text in told), "why", told)
    tenant.add("teams", "Nowhere")
    tenant.down()
    begun = time.monotonic()
    _, told = steps(daemon, "ada")
    need(time.monotonic() - begun < 15, "it ends", told)
    tenant.down(False)
