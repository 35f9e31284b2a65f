"""After each verification the users are compared with what the audit says that they hold."""

import json
import sqlite3

from lib import Slapd, deadline, life, need, wait_for
from lib.life import AGENTS, crowd, settled


def comparisons(daemon):
    return daemon.audit(event="reconcile")


def next_one(daemon, wanted, seconds=60):
    """The first comparison from now on whose details are as wanted."""
    before = len(comparisons(daemon))

    def fits(row):
        return all(row["details"][name] == value for name, value in wanted.items())
    return wait_for(lambda: [row for row in comparisons(daemon)[before:] if fits(row)], seconds, "a comparison like %r" % wanted,
                    lambda: [row["details"] for row in comparisons(daemon)[-3:]])[0]


def change_known(daemon, login, **values):
    """The state says otherwise than any line does; as if somebody had put it in place."""
    database = sqlite3.connect(daemon.state_file)
    known = json.loads(database.execute("SELECT known FROM link WHERE login = ?", (login,)).fetchone()[0])
    known.update(values)
    database.execute("UPDATE link SET known = ? WHERE login = ?", (json.dumps(known), login))
    database.commit()
    database.close()


@deadline(240)
def test_reconciled(t):
    """All fine; what others change is drift and counted; what the tenant and the state hold and no line gave is named, each
    with a line of its own; what was left out is not compared; who was erased is not told of."""
    people = ["ada", "bob", "cem", "eve"]
    ground, group, tenant = crowd(t, people)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, user={"work_phone": "${telephoneNumber}"},
                    lifecycle={"verify_interval": "1s", "drift": "report"}, audit={"values": "names"}).start()
    tenant.wait_users(people)
    ground.replace("ada", givenName="Adelaide", telephoneNumber="+44 1")
    tenant.wait_user("ada", firstName="Adelaide")
    ground.remove("eve")
    tenant.wait_user("eve", disabled=True)
    settled(d)
    fine = next_one(d, {"compared": 4, "drift": 0, "unrecorded": 0, "untold": 0})
    need(fine["code"] == "fine" and "person" not in fine and "4 users were compared" in fine["sentence"], "fine", fine)
    # Somebody else changes a user.
    tenant.edit("bob", team="Sales")
    drift = next_one(d, {"compared": 4, "drift": 1, "unrecorded": 0})
    need(drift["code"] == "differs" and d.audit(event="drift", code="report"), "drift", drift)
    tenant.edit("bob", team="Customer Service")
    next_one(d, {"drift": 0, "unrecorded": 0})
    # The tenant and the state agree about what no line gave: the mail is left out of the audit and so not compared.
    d.stop()
    change_known(d, "cem", first_name="Cemal", email="other@example.com")
    change_known(d, "ada", roles=["Agent", "Supervisor"], skills={"English": 80, "Spanish": 3})
    tenant.edit("cem", firstName="Cemal", email="other@example.com")
    tenant.edit("ada", roles=["Agent", "Supervisor"])
    d.configure(audit={"file": d.audit_file})
    d.start()
    found = next_one(d, {"unrecorded": 1})
    need(found["code"] == "differs", "told", found)
    rows = d.audit(event="drift", code="unrecorded")
    need([row["person"]["login"] for row in rows] == ["cem"] and rows[0]["sentence"].endswith(": first_name"),
         "who, and which field", rows)
    shown = d.ctl("audit", "report", d.audit_file, code=None).out
    need("Last comparison" in shown and "1 hold what no line gave," in shown, "the report tells of the last one", shown[:600])
    d.stop()
