"""What a person is told, and the first passwords: on standard input, once, and nowhere else."""

import json
import os
import re

from lib import Slapd, life, need, wait_for
from lib.life import AGENTS, PARKED, crowd, settled, wait_held

USER = "/configapi/v2/user"


def test_budget_and_over(t):
    """A tripped budget: one document when it trips, one when it is over, none again after a restart."""
    ground, group, tenant = crowd(t, ["p%02d" % i for i in range(20)])
    command, told = life.keeper(t, "notify")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, notify={"command": command},
                    guard={"max_disable": "1"}).start()
    tenant.wait_users(["p%02d" % i for i in range(20)])
    settled(d)
    need(told() == [], "nothing to tell", told())
    ground.leave(group, "p01", "p02", "p03")
    wait_held(d, "budget", 2, state=PARKED)
    wait_for(told, 10, "a notification")
    alarm = told()[0]
    need(alarm["event"] == "alarm" and alarm["code"] == "budget" and alarm["cause"] == "budget:disable"
         and "rosterctl approve" in alarm["sentence"] and re.match(r"\d{4}-\d\d-\d\dT", alarm["since"]), "document",
         alarm)
    ground.leave(group, "p04")
    wait_held(d, "budget", 3, state=PARKED)
    d.restart()
    wait_held(d, "budget", 3, state=PARKED)
    settled(d)
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    tenant.wait_user("p04", disabled=True)
    wait_for(lambda: len(told()) >= 2, 10, "the end of it")
    settled(d)
    need([x["event"] for x in told()] == ["alarm", "alarm-over"], "one each", told())
    need(len(d.audit(event="alarm")) == 1 and len(d.audit(event="alarm-over")) == 1, "audit")


def test_credentials_refused_and_over(t):
    """Refused credentials: told at once, once, also across a restart, and told when it is over."""
    ground, group, tenant = crowd(t, ["ada"])
    command, told = life.keeper(t, "notify")
    tenant.settings(lack_privilege=True)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, notify={"command": command}).start()
    wait_for(told, 20, "a notification")
    d.restart()
    wait_for(lambda: d.log().count("refuses rosterd's account") >= 2, 20, "the second refusal")
    need([x["code"] for x in told()] == ["tenant-not-authorised"], "once, also across a restart", told())
    tenant.settings(lack_privilege=False)
    tenant.wait_user("ada", seconds=40)
    wait_for(lambda: len(told()) == 2, 10, "the end of it", told)
    settled(d)
    need(told()[1]["event"] == "alarm-over" and told()[1]["cause"] == told()[0]["cause"], "over", told())


def test_directory_away(t):
    """The directory away for longer than alarm_after is told once, and when it is back."""
    server = t.server(Slapd)
    ground = server.fresh()
    ground.person("ada")
    tenant = t.simulator()
    command, told = life.keeper(t, "notify")
    d = life.daemon(t, ground, tenant, {"All": {"team": "Sales"}},
                    notify={"command": command, "alarm_after": "500ms"}).start()
    tenant.wait_user("ada")
    settled(d)
    server.stop()
    wait_for(told, 20, "a notification")
    need((told()[0]["code"], told()[0]["cause"]) == ("directory-away", "directory"), "document", told())
    server.start()
    wait_for(lambda: len(told()) == 2, 30, "it is back", told)
    need(told()[1]["event"] == "alarm-over", "over", told())
    ground.person("bob")
    tenant.wait_user("bob")
    settled(d)


def test_old_hold(t):
    """A hold older than alarm_after: one document for the cause however many wait, and one when it is over."""
    logins = ["p%02d" % i for i in range(12)]
    ground, group, tenant = crowd(t, logins, teams=["Sales"])
    command, told = life.keeper(t, "notify")
    d = life.daemon(t, ground, tenant, {"Night": {"group": group, "team": "Night"}},
                    notify={"command": command, "alarm_after": "1s"}).start()
    wait_held(d, "team-missing", 12)
    need(told() == [], "not at once", told())
    wait_for(told, 20, "a notification")
    need(told()[0]["code"] == "team-missing" and "Night" in told()[0]["sentence"] and "12" in told()[0]["sentence"],
         "document", told())
    since = told()[0]["since"]
    d.restart()
    wait_held(d, "team-missing", 12)
    wait_for(lambda: d.state_query("SELECT count(*) FROM operation WHERE attempts >= 0 AND state = OPERATION_HELD")[0][0] == 12,
             5, "held as before")
    tenant.add("teams", "Night")
    tenant.wait_users(logins)
    wait_for(lambda: len(told()) >= 2, 20, "over", told)
    settled(d)
    need([x["event"] for x in told()] == ["alarm", "alarm-over"], "one each", told())
    need(told()[1]["since"] == since, "the same", told())


def test_command_that_fails(t):
    """A notify command that fails, or is not there, is said in the log and stops nothing."""
    ground, group, tenant = crowd(t, ["p0", "p1", "p2"])
    for command in (t.write("fails", "#!/bin/sh\nexit 3\n", 0o755), t.path("missing")):
        d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, guard={"max_disable": "0"})
        d.start()
        tenant.wait_users(["p0", "p1", "p2"])
        settled(d)
        d.configure(notify={"command": command})
        d.ctl("status")
        text = open(d.config_file, encoding="utf-8").read()
        d.reload()
        if "old configuration stays" in d.log():
            continue  # a command that is not there is refused at once
        ground.leave(group, "p0")
        wait_held(d, "budget", 1, state=PARKED)
        d.wait_log(r"notify command (ended with exit code 3|\(.*cannot be run)")
        ground.join(group, "p0")
        wait_for(lambda: not life.operations(d), 10, "it goes on")
        settled(d)
        d.stop()
        need(text, "read")
        tenant.clear_users()


def seen_in(folder, words, besides=()):
    """Files below a folder that hold one of these words."""
    found = []
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            if path in besides or not os.path.isfile(path):
                continue
            with open(path, "rb") as data:
                text = data.read()
            found += [(path, word) for word in words if word.encode() in text]
    return found


def test_initial_passwords(t):
    """T52: generated passwords meet the policy, reach the command's standard input, and are nowhere else."""
    logins = ["p%02d" % i for i in range(12)]
    ground, group, tenant = crowd(t, logins, password_minimum=14, password_classes=4)
    command, told = life.keeper(t, "deliver")
    seen = t.path("process-list")
    # The command looks at every process's arguments and environment while it holds the password.
    t.write("deliver", "#!/bin/sh\nread -r line\nprintf '%%s\\n' \"$line\" >> '%s'\n"
            "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' >> '%s'\n"
            % (t.path("deliver.jsonl"), seen), 0o755)
    # A lost answer and a throttled one: the password that counts is the one the user has.
    tenant.fault("status", status=429, login="p03", method="POST")
    tenant.fault("status", status=503, login="p04", method="POST")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, log={"level": "debug"},
                    tenant_keys={"initial_password": "generate", "password_command": command,
                                 "password_length": "18", "change_password": "yes"}).start()
    tenant.wait_users(logins)
    settled(d)
    wait_for(lambda: len(told()) == 12, 20, "twelve passwords are handed on", lambda: len(told()))
    words = {x["login"]: x["password"] for x in told()}
    need(sorted(words) == logins and len(set(words.values())) == 12, "one each, all different", sorted(words))
    for word in words.values():
        need(len(word) == 18 and re.search("[a-z]", word) and re.search("[A-Z]", word) and re.search("[0-9]", word)
             and re.search("[^a-zA-Z0-9]", word), "it meets the policy", len(word))
    for login, user in tenant.users().items():
        need(life.is_password(tenant, login, words[login]) and user["changePassword"], "the tenant has it", user)
    d.stop()
    places = seen_in(d.folder, words.values()) + seen_in(t.path("tenant0"), words.values())
    need(places == [], "in no log, audit or state file", places)
    need(os.path.getsize(seen) > 0, "the process list was looked at")
    need(not seen_in(t.folder, words.values(), besides={t.path("deliver.jsonl")}), "nor in a process's arguments",
         seen_in(t.folder, words.values(), besides={t.path("deliver.jsonl")}))


def test_password_refused_by_policy(t):
    """T52: a policy that refuses the generated password: held with that reason, no password in it."""
    ground, group, tenant = crowd(t, ["ada", "bob"], password_minimum=30)
    command, told = life.keeper(t, "deliver")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"initial_password": "generate", "password_command": command,
                                 "password_length": "16"}).start()
    wait_held(d, "tenant-refused-data", 2)
    settled(d)
    need(told() == [] and tenant.users() == {}, "nobody is made, nothing handed on", told())
    d.configure(tenant={"password_length": "32"})
    d.reload()
    tenant.wait_users(["ada", "bob"])
    wait_for(lambda: len(told()) == 2, 10, "both are handed on")
    settled(d)


def test_no_password_unless_asked(t):
    """T52: without initial_password nothing of the kind is sent."""
    ground, group, tenant = crowd(t, ["ada"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_user("ada")
    settled(d)
    row = tenant.requests(method="POST", path=USER)[0]
    need(not row.get("passwordPresent"), "none", row)


def test_password_lost_with_a_crash(t):
    """T52 T48: killed between a create and its answer: one account; nobody knows its password, so another one is set and
    handed on."""
    ground, group, tenant = crowd(t, ["ada"])
    command, told = life.keeper(t, "deliver")
    tenant.fault("stall", commit=True, method="POST", path=USER)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"initial_password": "generate", "password_command": command}).start()
    tenant.wait_user("ada")
    d.kill()
    tenant.clear_faults()
    d.start()
    wait_for(told, 20, "a password is handed on")
    settled(d)
    need(tenant.counters()["creates"] == 1, "one account", tenant.counters())
    rows = told()
    need([row["login"] for row in rows] == ["ada"], "handed on once", rows)
    set_again = [r for r in tenant.requests(method="PUT", path=USER + "/ada") if r.get("passwordPresent")]
    need(len(set_again) == 1, "and it was set at the tenant", tenant.requests(method="PUT"))
    need(life.is_password(tenant, "ada", rows[0]["password"]), "the one that was handed on", rows)
