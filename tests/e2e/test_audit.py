"""The audit: nothing that is done, refused or put off is missing from it, and nobody changes it unseen."""

import base64
import json
import os
import re
import subprocess

from lib import Slapd, auditlines, base, deadline, need, wait_for

PLAIN = {"login_id": "loginId", "first_name": "firstName", "last_name": "lastName", "email": "email", "team": "team",
         "work_phone": "workPhone", "mobile_phone": "mobilePhone", "extension": "extension"}


def logins(count):
    return ["u%04d" % i for i in range(count)]


def lines_of(*paths):
    found = []
    for path in paths:
        with open(path, "rb") as data:
            found += data.read().splitlines(keepends=True)
    return found


def apply(user, change):
    field, to = change["field"], change["to"]
    kind, _, name = field.partition(":")
    if kind == "role":
        user["roles"].discard(name)
        if to is not None:
            user["roles"].add(name)
    elif kind == "skill":
        user["skills"].pop(name, None)
        if to is not None:
            user["skills"][name] = int(to)
    elif kind == "disabled":
        user["disabled"] = to in (True, "true", "yes")
    elif to is None:
        user.pop(PLAIN[field], None)
    else:
        user[PLAIN[field]] = to


def replay(rows):
    """What the tenant holds, from the audit alone: users by login."""
    users = {}
    for row in rows:
        if row["event"] != "outcome" or row["code"] != "done" or "operation" not in row:
            continue
        login = row["person"]["login"]
        if row["operation"] == "create":
            need(login not in users, "made once", row)
            users[login] = {"roles": set(), "skills": {}, "disabled": False}
        if row["operation"] == "delete":
            del users[login]
            continue
        if row["operation"] == "rename":
            old = [change["from"] for change in row["changes"] if change["field"] == "login_id"][0]
            new = [change["to"] for change in row["changes"] if change["field"] == "login_id"][0]
            users[new] = users.pop(old)
            login = new
        user = users[login]
        for change in row.get("changes", []):
            if change["field"] not in ("login_id", "disabled") and row["operation"] != "create":
                have = user.get(PLAIN.get(change["field"], ""), None)
                if change["field"] in PLAIN:
                    need(have == change["from"], "each change goes on from the one before", row, have)
            apply(user, change)
        if row["operation"] in ("disable", "enable"):
            user["disabled"] = row["operation"] == "disable"
    return users


def need_same(rebuilt, users):
    need(sorted(rebuilt) == sorted(users), "the same people", sorted(rebuilt), sorted(users))
    for login, user in rebuilt.items():
        held = users[login]
        need(user["roles"] == set(held["roles"]), "roles of " + login, user, held)
        need(user["skills"] == held.get("skills", {}), "skills of " + login, user, held)
        need(user["disabled"] == held["disabled"], "disabled of " + login, user, held)
        for name in ("loginId", "firstName", "lastName", "email", "team"):
            need(user.get(name) == held.get(name), "%s of %s" % (name, login), user, held)


def verify(daemon, *files, code=0):
    answer = daemon.ctl("audit", "verify", *files, code=code)
    with_json = daemon.ctl("--json", "audit", "verify", *files, code=code).json
    need(with_json["whole"] == (code == 0), "both say the same", answer, with_json)
    return answer, with_json


def settled(daemon):
    wait_for(lambda: daemon.state_query("SELECT count(*) FROM operation WHERE state IN (OPERATION_READY, OPERATION_PARKED)")[0][0] == 0, 20,
             "nothing under way", daemon.log_tail)


@deadline(90)
def test_rebuild_the_tenant(t):
    """A whole life (hires, changes, renames, leaving, returning, deleting, a crash, restarts, rotations): the audit's
    lines alone give what the tenant holds, and their chain is whole."""
    ground = t.shared(Slapd).fresh()
    ground.persons({uid: {"telephoneNumber": "+44 %s" % uid[1:]} for uid in logins(40)})
    support = ground.group("support", logins(25))
    sales = ground.group("sales", logins(40)[20:])
    seniors = ground.group("seniors", logins(10))
    rules = {"Support": {"group": support, "team": "Support", "roles": "Agent", "skills": "English:80"},
             "Sales": {"group": sales, "team": "Sales", "roles": "Agent", "skills": "English:60, Spanish:40"},
             "Seniors": {"group": seniors, "roles": "Supervisor", "skills": "Billing:90"}}
    free = {"max_%s" % kind: "unlimited" for kind in ("update", "team_change", "disable", "delete", "rename")}
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, rules=rules, guard=free,
                       directory_keys={"poll_interval": "1s"}, user={"work_phone": "${telephoneNumber}"},
                       lifecycle={"leave_grace": "0", "delete_after": "0"}, retry={"min": "100ms", "max": "500ms"})
    daemon.start()
    tenant.wait_users(logins(40))
    # Changes of every kind at once.
    ground.replace("u0001", givenName="Zoë", mail="zoe@example.com")
    ground.replace("u0002", sn='Quote " and \\ back', telephoneNumber=None)
    ground.leave(support, "u0003")
    ground.join(sales, "u0003")
    ground.leave(seniors, "u0004")
    ground.remove("u0005")
    tenant.wait_user("u0003", team="Sales")
    tenant.wait_user("u0004", roles=["Agent"])
    tenant.wait_user("u0005", disabled=True)
    tenant.wait_user("u0001", firstName="Zoë", email="zoe@example.com")
    # Rotation by renaming, under way.
    first = daemon.path("audit.jsonl.1")
    settled(daemon)
    os.rename(daemon.audit_file, first)
    ground.server.rename("uid=u0006,%s" % ground.people, "uid=v0006")
    tenant.wait_user("v0006")
    wait_for(lambda: os.path.exists(daemon.audit_file), 10, "a new file")
    ground.leave(support, "u0007")
    tenant.wait_user("u0007", disabled=True)
    ground.join(support, "u0007")
    tenant.wait_user("u0007", disabled=False)
    # A crash while answers get lost.
    tenant.fault("lost-answer", method="POST", path="/configapi/v2/user", count=3)
    ground.persons({"late%d" % i: {} for i in range(6)})
    ground.join(support, *["late%d" % i for i in range(6)])
    wait_for(lambda: len(tenant.users()) > 40, 20, "newcomers")
    daemon.kill()
    tenant.clear_faults()
    daemon.start()
    people = [*["v0006" if uid == "u0006" else uid for uid in logins(40)], *["late%d" % i for i in range(6)]]
    tenant.wait_users(people)
    # And deletes.
    daemon.configure(lifecycle={"delete_after": "1ms"})
    second = daemon.path("audit.jsonl.2")
    os.rename(daemon.audit_file, second)
    daemon.reload()
    wait_for(lambda: "u0005" not in tenant.users(), 20, "the delete", daemon.log_tail)
    settled(daemon)
    daemon.stop()
    lines = lines_of(first, second, daemon.audit_file)
    chain = auditlines.need_whole(first, second, daemon.audit_file)
    rows = auditlines.reader.long_form(chain)
    need_same(replay(rows), tenant.users())
    _, result = verify(daemon, daemon.audit_file, first, second)
    need(result["lines"] == len(lines) and result["first_seq"] == 1 and result["last_seq"] == len(lines), "all", result)
    link = base64.urlsafe_b64encode(chain.links[len(lines)]).decode().rstrip("=")
    need(result["last_hash"] == link, "the last hash", result, link)
    need(result["checkpoints"] == len(chain.checkpoints) and result["last_checkpoint"] == len(lines) and
         result["unsigned"] == 0, "signed to the end, since it was stopped", result)
    places = [seq for seq, row in chain.lines if row["ev"] == "checkpoint"]
    need(all(after - before <= 64 for before, after in zip(places, places[1:])), "never more than 64 lines without", places)
    # Every request that changed something has its intent before and its outcome after.
    intents = [row["number"] for row in rows if row["event"] == "intent"]
    outcomes = {row["number"] for row in rows if row["event"] == "outcome" and "number" in row}
    need(set(intents) == outcomes, "each intent has its outcome", sorted(set(intents) ^ outcomes))
    for row in rows:
        if row["event"] == "outcome" and row.get("code") == "done" and row["operation"] != "adopt":
            need("status" in row and "attempts" in row and "duration_ms" in row, "how it ended", row)
            need(row["operation"] in ("disable", "enable", "delete") or
                 any("rule" in change and "line" in change for change in row["changes"]) or
                 all(change["to"] is None for change in row["changes"]), "why: rule and line", row)
    events = {row["event"] for row in rows}
    need({"start", "stop", "configuration", "run-begin", "run-end", "intent", "outcome"} <= events, "events", events)


def test_tampering_is_found(t):
    """A line altered, deleted, inserted, swapped, cut off; in the file or in one that was rotated away."""
    ground = t.shared(Slapd).fresh()
    ground.persons({uid: {} for uid in logins(12)})
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground)
    daemon.once()
    old = daemon.path("audit.jsonl.old")
    os.rename(daemon.audit_file, old)
    ground.persons({"x%d" % i: {} for i in range(5)})
    daemon.once()
    verify(daemon, old, daemon.audit_file)
    verify(daemon, daemon.audit_file)
    copies = [t.path("rotated"), t.path("current")]
    originals = [lines_of(old), lines_of(daemon.audit_file)]

    def broken(which, change, what, line=None, also=()):
        """One file of the two is changed; verify names it, and the line."""
        for number, path in enumerate(copies):
            lines = list(originals[number])
            if number == which:
                lines = change(lines)
            with open(path, "wb") as out:
                out.write(b"".join(lines))
        answer, result = verify(daemon, *copies, code=2)
        need(result["file"] in (copies[which], *also), what + ": the file is named", result)
        need(line is None or result["line"] in line, what + ": the line is named", line, result)
        need(result["file"] in answer.out and result["sentence"] in answer.out, "in words as well", answer)

    def altered(lines):
        return lines[:5] + [lines[5].replace(b'"ev":"', b'"ev":"X', 1)] + lines[6:]

    for which in (0, 1):
        broken(which, altered, "altered", (6,))
        broken(which, lambda lines: lines[:5] + lines[6:], "deleted", (6,))
        broken(which, lambda lines: lines[:5] + [lines[3]] + lines[5:], "inserted", (6,))
        broken(which, lambda lines: lines[:5] + [lines[6], lines[5]] + lines[7:], "swapped", (6, 7))
    # One space more, one digit, in the first line and in the last but one.
    broken(0, lambda lines: [lines[0].replace(b'"t":"2', b'"t":"1')] + lines[1:], "the first line", (1,))
    broken(1, lambda lines: lines[:-2] + [lines[-2][:-2] + b" }\n"] + lines[-1:], "a space",
           (len(originals[1]) - 1, len(originals[1])))
    # Cut off at the end of a file that another follows.
    broken(0, lambda lines: lines[:-1], "the end of the rotated file", also=(copies[1],))
    # An inserted line that is chained well to the one before it, but not to the one behind.

    def forged(lines):
        row = json.loads(lines[5])
        link = auditlines.reader.link_of(lines[5][:-1])
        row["prev"] = base64.urlsafe_b64encode(link).decode().rstrip("=")
        row["seq"] += 1
        return lines[:6] + [json.dumps(row, separators=(",", ":")).encode() + b"\n"] + lines[6:]
    broken(1, forged, "forged", (7, 8))
    # Not even a whole chain: a line that is no JSON.
    broken(0, lambda lines: lines[:5] + [b"nothing\n"] + lines[5:], "no JSON", (6,))
    # In any order of the files.
    for number, path in enumerate(copies):
        with open(path, "wb") as out:
            out.write(b"".join(originals[number]))
    verify(daemon, copies[1], copies[0])


def test_shell_check_of_the_document(t):
    """The check that docs/audit-format.md gives works with a shell and sha256sum alone, and finds a change."""
    ground = t.shared(Slapd).fresh()
    ground.persons({uid: {"sn": "Back\\slash 'quote' \"%s\" %%s \t" % uid} for uid in logins(3)})
    daemon = t.rosterd(ground.server, t.simulator(), ground)
    daemon.audit_is_spoilt = True
    daemon.once()
    with open(os.path.join(base.ROOT, "docs", "audit-format.md"), encoding="utf-8") as text:
        script = re.search(r"```sh\n(.*?)```", text.read(), re.S).group(1)
    script = script.replace("audit.jsonl", daemon.audit_file)

    def run():
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=30)
        need(done.returncode == 0, "it runs", done)
        return done.stdout
    need(run() == "", "whole")
    lines = lines_of(daemon.audit_file)
    with open(daemon.audit_file, "wb") as out:
        out.write(b"".join([*lines[:2], lines[2].replace(b'"ev"', b'"ew"', 1), *lines[3:]]))
    need("broken before" in run(), "it finds the change")


@deadline(90)
def test_everything_is_in_it(t):
    """Skips, holds, refusals, a tripped budget and its approval, alarms, drift: each has its row, with a reason."""
    ground = t.shared(Slapd).fresh()
    ground.persons({uid: {} for uid in logins(12)})
    ground.person("nameless", givenName=None)
    ground.person("teamless", mail="teamless@elsewhere.example")
    tenant = t.simulator()
    rules = {"Agents": {"when": "(!(mail=*@elsewhere.example))", "team": "Sales"},
             "Nowhere": {"when": "(uid=u0000)", "skills": "Juggling:50"}}
    daemon = t.rosterd(ground.server, tenant, ground, rules=rules, directory_keys={"poll_interval": "1s"},
                       lifecycle={"leave_grace": "0"}, retry={"min": "100ms", "max": "1s", "hold": "30s"},
                       guard={"max_disable": "2"}, notify={"alarm_after": "0"})
    tenant.fault("status", status=400, body="the first name is not wanted", method="POST", login="u0001", count=-1,
                 path="/configapi/v2/user")
    daemon.start()
    wait_for(lambda: len(tenant.users()) == 10, 20, "those who can be made", lambda: sorted(tenant.users()))
    settled(daemon)

    def row(seconds=10, **wanted):
        def found():
            rows = [line for line in daemon.audit(event=wanted["event"])
                    if all(wanted[key] in str(line.get(key, "")) for key in wanted if key not in ("event", "who"))
                    and ("who" not in wanted or wanted["who"] in json.dumps(line.get("person", {})))]
            return rows and rows[-1]
        return wait_for(found, seconds, "an audit row like %r" % wanted,
                        lambda: [(line["seq"], line["event"], line.get("code"), line.get("person", {}).get("login"))
                                 for line in daemon.audit()])

    skip = row(event="skip", who="uid=nameless")
    need(skip["code"] and "given" in skip["sentence"].lower() + skip["code"], "why", skip)
    need(row(event="skip", who="uid=teamless")["code"], "why")
    refused = row(event="outcome", who="u0001")
    need(refused["status"] == 400 and refused["code"] != "done" and "not wanted" in refused["answer_text"], "the refusal",
         refused)
    missing = row(event="outcome", who="u0000")
    need(missing["status"] == 404 and "Juggling" in missing["sentence"] + missing["answer_text"], "what is missing", missing)
    ended = row(event="run-end")["details"]
    parts = sum(sum(part.values()) if isinstance(part, dict) else part for name, part in ended.items() if name != "seen")
    need(parts == ended["seen"], "the ledger adds up", ended)
    held = wait_for(lambda: [line["details"]["held"] for line in daemon.audit(event="run-end")
                             if "held" in line["details"]], 10, "a ledger with what is held",
                    lambda: [line["details"] for line in daemon.audit(event="run-end")])[-1]
    need(sum(held.values()) == 2, "two are held, by reason", held)

    for uid in logins(8)[2:]:
        ground.remove(uid)
    row(event="park", operation="disable")
    alarm = row(event="alarm", code="budget")
    need(alarm["sentence"], "the alarm's sentence", alarm)
    # Two are disabled within the budget; the hash is for all of the other four.
    wait_for(lambda: len(daemon.audit(event="park")) == 4, 10, "the rest is parked", lambda: daemon.audit(event="park"))
    plan = daemon.ctl("plan", "--json", code=None).json
    daemon.ctl("approve", plan["hash"])
    approve = row(event="approve")
    need("uid" in json.dumps(approve) or str(os.getuid()) in json.dumps(approve), "who approved", approve)
    wait_for(lambda: sum(user["disabled"] for user in tenant.users().values()) == 6, 20, "the disables")
    settled(daemon)
    daemon.stop()
    for line in daemon.audit():
        if line["event"] in ("skip", "hold", "park", "release", "approve", "alarm"):
            need(line.get("code") and line.get("sentence"), "code and sentence", line)
    parked = [line["number"] for line in daemon.audit(event="park")]
    approved = {line["number"] for line in daemon.audit(event="approve")}
    need(approved and approved <= set(parked), "who was parked is who was approved", parked, approved)
    auditlines.need_whole(daemon.audit_file)


def test_audit_file_that_cannot_be_written(t):
    """A vanished audit folder stops the writing until it is there again: rows wait in the state and follow, the chain
    whole."""
    ground = t.shared(Slapd).fresh()
    ground.persons({uid: {} for uid in logins(3)})
    tenant = t.simulator()
    folder = t.path("audit")
    os.mkdir(folder)
    path = os.path.join(folder, "audit.jsonl")
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"poll_interval": "1s"}, audit={"file": path})
    daemon.start()
    tenant.wait_users(logins(3))
    settled(daemon)
    away = t.path("audit-away")
    os.rename(folder, away)
    daemon.ctl("pause")
    daemon.wait_log("audit file cannot be written")
    daemon.ctl("resume")
    ground.person("late")
    wait_for(lambda: daemon.ctl("plan", "--json", code=None).json["operations"], 20, "it is planned")
    need("late" not in tenant.users(), "nothing is sent that could not be put on record")
    os.mkdir(folder)
    tenant.wait_user("late")
    ground.person("later")
    tenant.wait_user("later")
    wait_for(lambda: os.path.exists(path), 10, "the file is there again")
    daemon.stop()
    chain = auditlines.need_whole(os.path.join(away, "audit.jsonl"), path)
    made = [row["person"]["login"] for row in auditlines.reader.long_form(chain) if row["event"] == "outcome"]
    need(sorted(made) == sorted([*logins(3), "late", "later"]), "nobody is missing", made)
