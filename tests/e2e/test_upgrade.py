"""What version 0.1.0 left behind is taken over: nobody is made twice, disabled early or forgotten."""

import json
import os
import shutil
import sqlite3
import time

from lib import Slapd, base, life, need, wait_for
from lib.life import AGENTS, settled

DATA = os.path.join(base.ROOT, "tests", "data", "upgrade-0.1.0")
COMPANY = "ou=company,dc=example,dc=com"
GROUPS = "ou=groups," + COMPANY
WRITTEN_BY_HAND = ("loginId", "firstName", "lastName", "extension", "email", "team", "disabled",
                   "changePassword", "skills", "roles", "id")


def read(name):
    with open(os.path.join(DATA, name), encoding="utf-8") as f:
        return f.read()


def restore(d):
    """The state file as 0.1.0 left it; who left did so an hour ago, whenever this is run."""
    with sqlite3.connect(d.state_file) as db:
        db.executescript(read("state.sql"))
        db.execute("PRAGMA user_version = 2")
        db.execute("PRAGMA application_id = 1380930388")
        now = int(time.time() * 1000000)
        left = db.execute("SELECT min(leaving_usec) FROM link WHERE leaving_usec > 0").fetchone()[0]
        move = now - 3600 * 1000000 - left
        db.execute("UPDATE link SET leaving_usec = leaving_usec + ? WHERE leaving_usec > 0", (move,))
        db.execute("UPDATE operation SET not_before_usec = not_before_usec + ? WHERE not_before_usec > 0",
                   (move,))
    os.chmod(d.state_file, 0o600)
    shutil.copy(os.path.join(DATA, "audit.jsonl"), d.audit_file)
    os.chmod(d.audit_file, 0o640)


def company(t):
    server = t.server(Slapd, ldif=os.path.join(DATA, "people.ldif"))
    tenant = t.simulator()
    users = json.loads(read("tenant.json"))["users"].values()
    tenant.seed(*[{k: v for k, v in user.items() if k in WRITTEN_BY_HAND} for user in users])
    rules = {"Leads": {"group": "cn=leads," + GROUPS, "roles": "Supervisor"},
             "Agents": dict(AGENTS, group="cn=crowd," + GROUPS),
             "Lost": {"group": "cn=lost," + GROUPS, "team": "No such team", "roles": "Agent"}}
    d = life.daemon(t, type("Ground", (), {"server": server, "dn": COMPANY})(), tenant, rules,
                    lifecycle={"leave_grace": "365d"})
    restore(d)
    return server, tenant, d


def test_state_of_0_1_0(t):
    """T53: the state file of 0.1.0 with its directory and tenant: nothing is written to anybody, what waited waits,
    and the next change takes its usual way."""
    server, tenant, d = company(t)
    before = tenant.users()
    d.start()
    settled(d)
    need(tenant.writes() == [], "nobody is written to", tenant.writes())
    need(tenant.users() == before, "everybody is as before")
    kept = d.state_file + ".form2"
    need(os.stat(kept).st_mode & 0o7777 == 0o600, "what it was is kept")
    with sqlite3.connect(kept) as db:
        need(db.execute("SELECT count(*) FROM link").fetchone()[0] == 12, "and whole")
        need(db.execute("PRAGMA user_version").fetchone()[0] == 2, "and of its form")
    db.close()
    start = d.audit(event="start")[-1]
    need("form 2" in start["sentence"] and "are void" in start["sentence"], "the audit says so", start)
    waits = {row["login"]: row for row in life.operations(d)}
    need(set(waits) == {"p10", "p11", "nomail"}, "who waited still waits", waits)
    server.replace("uid=p05,ou=people," + COMPANY, givenName="Penelope")
    tenant.wait_user("p05", firstName="Penelope")
    settled(d)
    need(not tenant.users()["p11"]["disabled"], "the leaver's year is not over")
    need(len(tenant.users()) == 12, "nobody was doubled", tenant.users())


def test_under_way_at_0_1_0(t):
    """T53: what 0.1.0 had begun, and never heard of, is settled by reading the tenant: done or not."""
    server, tenant, d = company(t)
    with sqlite3.connect(d.state_file) as db:
        db.execute("UPDATE operation SET state = 4, attempts = 1, not_before_usec = 0 WHERE login IN ('p10', 'p11')")
    db.close()
    tenant.edit("p11", disabled=True)  # that one arrived
    tenant.forget_requests()
    d.start()
    settled(d)
    need({row["person"]["login"] for row in d.audit(event="release", code="outcome-unclear")} == {"p10", "p11"}, "both are open",
         d.audit(event="release"))
    need(tenant.writes() == [], "none is made again", tenant.writes())
    need(not tenant.users()["p10"]["disabled"], "the year of the other is not over")
    need({row["login"] for row in life.operations(d)} == {"p10", "nomail"}, "and nothing of the first is left",
         life.operations(d))


def test_waiting_lines_of_0_1_0(t):
    """T53: lines that 0.1.0 had not written to the audit's file are written before any other."""
    server, tenant, d = company(t)
    lines = read("audit.jsonl").splitlines(keepends=True)
    with open(d.audit_file, "w", encoding="utf-8") as audit:
        audit.writelines(lines[:-2])
    with sqlite3.connect(d.state_file) as db:
        db.execute("INSERT INTO trail VALUES(40, ?, ?)", (lines[-2].rstrip("\n"), json.loads(lines[-1])["prev"]))
        db.execute("UPDATE meta SET value = '39' WHERE name = 'audit-exported'")
    db.close()
    d.start()
    settled(d)
    d.stop()
    need(open(d.audit_file, encoding="utf-8").read().startswith("".join(lines)), "they stand where they belong")
    verified = d.ctl("audit", "verify", d.audit_file)
    need(verified.code == 0, "the chain is whole", verified)


def test_audit_of_0_1_0(t):
    """T53: the chain of 0.1.0 goes on, and is verified whole over the change of version."""
    server, tenant, d = company(t)
    d.start()
    settled(d)
    server.replace("uid=p05,ou=people," + COMPANY, givenName="Penelope")
    tenant.wait_user("p05", firstName="Penelope")
    settled(d)
    d.stop()
    verified = d.ctl("audit", "verify", d.audit_file)
    need(verified.code == 0, "the chain is whole", verified)
    wait_for(lambda: read("audit.jsonl") == open(d.audit_file, encoding="utf-8").read()[:len(read("audit.jsonl"))],
             5, "the old lines are untouched")
