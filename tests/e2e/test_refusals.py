"""What the tenant refuses to one person: it is theirs alone, one cause for all who are refused alike, tried slowly."""

import json
import os
import random
import time
from datetime import datetime

from lib import life, need, wait_for
from lib.life import AGENTS, HELD, crowd, settled, wait_held

USER = "/configapi/v2/user"
SLOW = {"min": "100ms", "max": "1s", "hold": "300s"}
PROTECTED = {"status": 403, "content_type": "application/json",
             "body": json.dumps({"error": "forbidden", "error_description": "This user is protected"})}
BLOCKED = {"status": 403, "content_type": "text/html",
           "body": "<html><head><title>Request blocked</title></head></html>"}
# Whatever a tenant, or something before it, may answer to one call.
REFUSALS = [PROTECTED, BLOCKED, {"status": 403, "body": ""}, {"status": 400, "body": "Maximum number of users exceeded"},
            {"status": 401, "content_type": "application/json", "body": '{"error": "not for you"}'},
            {"status": 402, "body": "Payment required"}, {"status": 405, "body": ""}, {"status": 406, "body": "no"},
            {"status": 413, "content_type": "text/html", "body": "<html><title>Too large</title></html>"},
            {"status": 415, "body": ""}, {"status": 422, "content_type": "application/json",
                                          "body": '{"detail": "The value is not allowed"}'},
            {"status": 451, "content_type": "text/html", "body": "<h1>Unavailable for legal reasons</h1>"}]


def refuse(tenant, login, answer, **more):
    tenant.fault("status", count=-1, login=login, path=USER, **dict(answer, **more))


def people(n):
    return ["p%03d" % i for i in range(n)]


def test_one_refusal_is_one_persons(t):
    """T73: one user refused, whatever the status or the page: a newcomer, a change, a leaver; everybody else goes on at once.

    A third of the answers, each day another: three days in a row play all of them. ROSTERD_SEED says which."""
    seed = int(os.environ.get("ROSTERD_SEED", time.time() // 86400))
    print("ROSTERD_SEED=%d" % seed)
    for answer in REFUSALS[seed % 3::3]:
        ground, group, tenant = crowd(t, people(8))
        d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, retry=SLOW)
        refuse(tenant, "p003", answer)
        d.start()
        tenant.wait_users([p for p in people(8) if p != "p003"])
        wait_for(lambda: life.operations(d, state=HELD, login="p003"), 10, "held", lambda: (answer, life.operations(d)))
        settled(d)
        need(len(life.operations(d)) == 1, "nobody else", answer, life.operations(d))
        status = d.ctl("status", "--json", code=None).json
        need(status["tenant"]["state"] == "ok", "the account is not refused", answer, status["tenant"])
        need(not d.audit(event="alarm"), "and no alarm says so", answer, d.audit(event="alarm"))
        held = d.ctl("holds", "--json", code=None).json["holds"]
        need(len(held) == 1 and str(answer["status"]) in held[0]["sentence"], "one line with the answer", held)
        # Changes and leavers of the others, beside a protected one who leaves as well.
        refuse(tenant, "p004", answer)
        ground.leave(group, "p004", "p005", "p006")
        ground.person("zoe")
        ground.join(group, "zoe")
        for login in ("p005", "p006"):
            tenant.wait_user(login, disabled=True)
        tenant.wait_user("zoe")
        wait_for(lambda: life.operations(d, state=HELD, login="p004"), 10, "held", lambda: (answer, life.operations(d)))
        settled(d)
        need(tenant.user("p004")["disabled"] is False, "protected", tenant.user("p004"))
        # It is over: the first look frees both.
        tenant.clear_faults()
        d.ctl("retry", "--all")
        tenant.wait_user("p003")
        tenant.wait_user("p004", disabled=True)
        settled(d)
        need(life.operations(d) == [], "nobody waits", life.operations(d))
        d.stop()


def test_seats(t):
    """T73: all seats are taken: one cause, one alarm and one line with the tenant's words and the number; one is tried, slowly, and its success frees the rest."""
    logins = people(30)
    ground, group, tenant = crowd(t, logins)
    command, told = life.keeper(t, "notify")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    notify={"command": command, "alarm_after": "1s"}, retry={"min": "100ms", "max": "1s", "hold": "2s"})
    seats = {"status": 400, "content_type": "text/plain", "body": "Maximum number of users exceeded"}
    tenant.fault("status", count=-1, skip=10, method="POST", path=USER, **seats)
    d.start()
    wait_held(d, "tenant-refused-data", 20)
    tenant.forget_requests()
    wait_for(lambda: len([w for w in tenant.writes() if w["method"] == "POST"]) >= 3, 30, "tried again", tenant.writes)
    held = d.ctl("holds", "--json", code=None).json["holds"]
    need(len(held) == 1 and held[0]["people"] == 20 and "Maximum number of users exceeded" in held[0]["sentence"],
         "one line", held)
    tries = [w for w in tenant.writes() if w["method"] == "POST"]
    times = [datetime.fromisoformat(w["time"].replace("Z", "+00:00")).timestamp() for w in tries]
    need(all(b - a > 1.5 for a, b in zip(times, times[1:])), "one at a time, slowly", tries)
    need(len({w["login"] for w in tries}) == len(tries), "in turn", tries)
    wait_for(told, 10, "a notification")
    need([x["event"] for x in told()] == ["alarm"] and "20" in told()[0]["sentence"]
         and "Maximum number of users exceeded" in told()[0]["sentence"], "one alarm", told())
    # Leavers go on meanwhile.
    made = sorted(tenant.users())[0]
    ground.leave(group, made)
    tenant.wait_user(made, disabled=True)
    tenant.clear_faults()
    tenant.wait_users(logins, seconds=15)
    settled(d)
    wait_for(lambda: len(told()) == 2, 10, "over", told)
    need([x["event"] for x in told()] == ["alarm", "alarm-over"], "one each", told())


def test_words_with_names_are_one_cause(t):
    """T73: a refusal that repeats the person's name, mail or a number of the request is the same refusal."""
    logins = people(12)
    ground, group, tenant = crowd(t, logins)
    for i, login in enumerate(logins):
        refuse(tenant, login, {"status": 400, "body": "User %s: not allowed here (request %08x)" % (login, i * 7919)})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, retry=SLOW).start()
    held = wait_held(d, "tenant-refused-data", 12)
    settled(d)
    need(len({o["cause"] for o in held}) == 1, "one cause", sorted({o["cause"] for o in held}))
    # Another refusal is another cause.
    refuse(tenant, "zoe", {"status": 400, "body": "The password is too short"})
    ground.person("zoe")
    ground.join(group, "zoe")
    held = wait_held(d, "tenant-refused-data", 13)
    need(len({o["cause"] for o in held}) == 2, "two causes", sorted({o["cause"] for o in held}))
    rows = d.ctl("holds", "--json", code=None).json["holds"]
    need(sorted(r["people"] for r in rows) == [1, 12], "two lines", rows)


def test_lifted_for_another(t):
    """T73: of two who are refused alike the protection of the second is lifted: her turn comes though the first stays refused."""
    ground, group, tenant = crowd(t, people(3))
    refuse(tenant, "p000", PROTECTED)
    refuse(tenant, "p001", PROTECTED)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    wait_held(d, "tenant-refused-data", 2)
    tenant.clear_faults()
    refuse(tenant, "p000", PROTECTED)
    tenant.wait_user("p001", seconds=15)
    wait_held(d, "tenant-refused-data", 1)
    need("p000" not in tenant.users(), "the first stays refused")


def test_flap_in_a_first_load(t):
    """T73: one body of a first load is refused with a page: nothing stops, and nobody is told anything at once."""
    logins = people(120)
    ground, group, tenant = crowd(t, logins)
    command, told = life.keeper(t, "notify")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    notify={"command": command, "alarm_after": "2s"})
    refuse(tenant, "p050", BLOCKED)
    d.start()
    tenant.wait_users([p for p in logins if p != "p050"])
    wait_for(told, 15, "told once it is old", told)
    tenant.clear_faults()
    tenant.wait_users(logins)
    wait_for(lambda: len(told()) == 2, 10, "over", told)
    settled(d)
    need([x["event"] for x in told()] == ["alarm", "alarm-over"], "one each", told())
    need("refuses rosterd's account" not in d.log(), "not the account")


def test_alarm_that_comes_and_goes(t):
    """An alarm that comes and goes is told at most once in alarm_after, also across a restart; when it stays it is told then."""
    ground, group, tenant = crowd(t, people(4))
    command, told = life.keeper(t, "notify")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, guard={"max_disable": "0"},
                    notify={"command": command, "alarm_after": "6s"}).start()
    tenant.wait_users(people(4))
    settled(d)
    for i in range(4):
        ground.leave(group, "p001")
        wait_held(d, "budget", 1, state=life.PARKED)
        if i == 1:
            d.restart()
            wait_held(d, "budget", 1, state=life.PARKED)
        ground.join(group, "p001")
        wait_for(lambda: not life.operations(d), 10, "gone", lambda: life.operations(d))
    settled(d)
    need([x["event"] for x in told()] in (["alarm", "alarm-over"],), "told once", told())
    ground.leave(group, "p001")
    wait_for(lambda: len(told()) == 3, 20, "told when it stays", told)
    need(told()[2]["event"] == "alarm", "alarm", told())


def test_account_refused_amid_refusals(t):
    """T46 T73: the account loses its privilege while one user is refused: everything stops, and resumes by itself."""
    ground, group, tenant = crowd(t, people(6))
    refuse(tenant, "p001", PROTECTED)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    wait_held(d, "tenant-refused-data", 1)
    tenant.settings(lack_privilege=True)
    ground.leave(group, "p002")
    wait_for(lambda: d.ctl("status", "--json", code=None).json["tenant"]["state"] == "refused", 20, "refused")
    wait_for(lambda: not life.operations(d, state=HELD), 10, "nobody is held for it", lambda: life.operations(d))
    tenant.settings(lack_privilege=False)
    tenant.wait_user("p002", disabled=True, seconds=40)
    wait_held(d, "tenant-refused-data", 1)
    settled(d)


def test_secret_missing(t):
    """A client secret that cannot be read is not the tenant's refusal; it works as soon as the file is there."""
    import os
    ground, group, tenant = crowd(t, people(2))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)})
    path = d.path("tenant.client_secret")
    secret = open(path, encoding="utf-8").read()
    os.unlink(path)
    d.start()
    wait_for(lambda: d.ctl("status", "--json", code=None).json["tenant"]["state"] == "no-secret", 20, "said",
             lambda: d.ctl("status", "--json", code=None).json["tenant"])
    need("refuse" not in d.log().lower(), "nobody refused anything", d.log())
    alarm = wait_for(lambda: d.audit(event="alarm"), 10, "an alarm")
    need(alarm[0]["code"] == "client-secret-unreadable" and path in alarm[0]["sentence"], "names the file", alarm)
    t.write(os.path.basename(path), secret, 0o600)
    if not os.path.exists(path):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(secret)
    tenant.wait_users(people(2))
    settled(d)


# Answers that say success and are none that the vendor publishes for a write.
ODD = [{"status": 200, "content_type": "application/json", "body": '{"success": false, "reason": "read-only mode"}'},
       {"status": 200, "content_type": "application/json", "body": '{"status": "queued"}'},
       {"status": 200, "content_type": "application/json", "body": '{"loginId": "somebody"}'},
       {"status": 200, "content_type": "text/plain", "body": ""}, {"status": 201, "body": ""},
       {"status": 204, "body": ""}, {"status": 202, "body": "OK"}, {"status": 206, "body": "OK"},
       {"status": 200, "content_type": "text/plain", "body": "OK, scheduled"},
       {"status": 200, "content_type": "text/html", "body": "<html><title>Sign in</title></html>"},
       {"status": 200, "content_type": "application/json", "body": "[]"},
       {"status": 200, "content_type": "application/json", "body": "null"}]


def test_only_known_answers_confirm(t):
    """T42 T48 T51: a success that the vendor does not publish confirms nothing: it is settled by reading, done or not done."""
    chance = random.Random(12)
    for answer in ODD:
        done = chance.random() < 0.5
        ground, group, tenant = crowd(t, people(3))
        d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)})
        tenant.fault("status", method="POST", path=USER, login="p001", commit=done, **answer)
        d.start()
        tenant.wait_users(people(3))
        settled(d)
        posts = [w for w in tenant.writes() if w["login"] == "p001"]
        need(len(posts) == (1 if done else 2), "made once", answer, done, posts)
        tenant.fault("status", method="PUT", path=USER, login="p002", commit=done, **answer)
        tenant.fault("status", method="PATCH", path="/configapi/v2/scim", commit=done, **answer)
        ground.leave(group, "p002")
        ground.replace("p000", givenName="Neu")
        tenant.wait_user("p002", disabled=True)
        tenant.wait_user("p000", firstName="Neu")
        wait_for(lambda: not life.operations(d), 20, "settled", lambda: (answer, life.operations(d)))
        settled(d)
        known = d.state_query("SELECT status = LINK_DISABLED FROM link WHERE login = 'p002'")
        need(known == [(True,)], "and known to be so", answer, known)
        puts = [w for w in tenant.writes() if w["login"] == "p002" and w["method"] == "PUT"]
        need(len(puts) == (1 if done else 2), "sent again only where it was not done", answer, done, puts)
        d.stop()


def test_one_failing_user_is_not_the_tenant(t):
    """One user's calls fail for ever, with any status: the tenant is not away, and no alarm says so."""
    for status in (500, 502, 503, 504):
        ground, group, tenant = crowd(t, people(3))
        tenant.fault("status", status=status, count=-1, path=USER, login="p001", body="request failed")
        d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                        notify={"alarm_after": "1h"}, retry={"min": "50ms", "max": "200ms"}).start()
        tenant.wait_users(["p000", "p002"])
        wait_for(lambda: len(tenant.requests(login="p001")) > 12, 20, "tried again and again")
        need("tenant is away" not in d.log(), "not away", status, d.log())
        tenant.clear_faults()
        tenant.wait_users(people(3))
        settled(d)
        d.stop()


def test_one_look_up_refused(t):
    """T73: SCIM works, and refuses the look-up of one user: that is hers, and nobody says that there is no SCIM."""
    ground, group, tenant = crowd(t, people(4))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, retry=SLOW).start()
    tenant.wait_users(people(4))
    ground.replace("p000", givenName="Neu")
    tenant.wait_user("p000", firstName="Neu")
    for status in (403, 404, 405):
        tenant.fault("status", status=status, count=-1, path="/configapi/v2/scim", login="p%03d" % (status - 402))
    for login in people(4)[1:]:
        ground.replace(login, givenName="Neuer")
    wait_held(d, "tenant-refused-data", 3)
    settled(d)
    need("integration account" not in d.ctl("holds", code=None).out, "not said", d.ctl("holds", code=None).out)


def test_one_user_too_large(t):
    """Users with more than anybody has, by number or by size, are held for that, slowly, and disabled when they leave."""
    ground, group, tenant = crowd(t, people(4))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, retry=SLOW).start()
    tenant.wait_users(people(4))
    settled(d)
    many = ["Role %d" % i for i in range(3000)], ["Role %d %s" % (i, "x" * 1000) for i in range(1200)]
    for login, roles in zip(("p001", "p002"), many):
        tenant.add("roles", *roles)
        tenant.edit(login, roles=roles)
        ground.replace(login, givenName="Neu")
    ground.replace("p003", givenName="Neu")
    held = wait_held(d, "user-too-large", 2)
    need(all("more of this user than any user has" in h["sentence"] for h in held), "why", held)
    tenant.wait_user("p003", firstName="Neu")
    settled(d)
    out = d.ctl("holds", code=None).out
    need("status page" not in out and "firewall" not in out, "nothing of the tenant", out)
    need(not d.audit(event="alarm", code="tenant-unavailable"), "no outage", d.audit(event="alarm"))
    tenant.forget_requests()
    settled(d)
    ground.leave(group, "p001", "p002", "p003")
    for login in ("p001", "p002", "p003"):
        tenant.wait_user(login, disabled=True)
    settled(d)


def test_invisible_in_a_team(t):
    """A name with what no screen shows is told with it made visible: in holds and by a check."""
    ground, group, tenant = crowd(t, people(1), teams=["Night"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group, team="Night\u200b")}, retry=SLOW).start()
    held = wait_held(d, "team-missing", 1)
    need('"Night\\u{200B}"' in held[0]["sentence"], "the sentence", held)
    out = d.ctl("holds", code=None).out + d.ctl("--config", d.config_file, "check", code=None).out
    need(out.count("Night\\u{200B}") >= 2 and "\u200b" not in out, "what people read", out)


def test_team_not_visible(t):
    """T63: a team that is not in the list may be one that the account does not see; so may a user who is not found."""
    ground, group, tenant = crowd(t, people(2), teams=["Customer Service"])
    night = life.group(ground, "night", ["p001"])
    d = life.daemon(t, ground, tenant, {"Night": {"group": night, "team": "Night"}, "Agents": dict(AGENTS, group=group)},
                    retry=SLOW).start()
    held = wait_held(d, "team-missing", 1)
    need("account may see" in held[0]["sentence"] and '"Night"' in held[0]["sentence"], "says both", held)
    tenant.wait_user("p000")
    tenant.delete_user("p000")
    ground.replace("p000", givenName="Neu")
    held = wait_held(d, "user-gone", 1)
    need("account may see" in held[0]["sentence"], "says both", held)
    said = d.ctl("--config", d.config_file, "check", code=None).out
    need("shows this account no team 'Night'" in said, "check as well", said)


def test_new_ca_without_a_restart(t):
    """The tenant moves to a certificate of a new CA: the CA file is read again for the next connection."""
    import os
    ground, group, tenant = crowd(t, ["ada"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_user("ada")
    settled(d)
    ca = d.sections["tenant"]["tls_ca_file"]
    before = open(ca, encoding="ascii").read()
    folder = os.path.dirname(ca)
    tenant.stop()
    for name in ("ca.pem", "server.pem", "server.key"):
        os.unlink(os.path.join(folder, name))
    ground.person("bob")
    ground.join(group, "bob")
    d.wait_log("tenant is away")
    tenant.start()
    need(open(ca, encoding="ascii").read() != before, "another CA")
    tenant.wait_users(["bob"], seconds=20)
    settled(d)
