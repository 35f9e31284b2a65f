"""What the tests of a user's life share: a daemon that is quick, when it has settled, and
whether its books add up."""

import json

from . import base, stored
from .rosterd import sum_of
from .servers import Slapd

READY, PARKED, HELD = "ready", "parked", "held"  # states of operations()

# Rules that the tests below share; groups are made by crowd().
AGENTS = {"team": "Customer Service", "roles": "Agent", "skills": "English:80"}

QUICK = {
    "directory_keys": {"feed": "syncrepl"},
    "lifecycle": {"leave_grace": "0"},
    "retry": {"min": "100ms", "max": "1s", "hold": "1s"},
}


def group(ground, name, members=()):
    """A group that everybody may leave: groupOfNames must not be empty."""
    return ground.group(name, ["cn=nobody," + ground.server.base, *members])


def crowd(t, people, **more):
    """(ground, group DN, tenant): people (uids, or uid -> attributes) in a group of their own."""
    ground = t.shared(Slapd).fresh()
    ground.persons(people)
    return ground, group(ground, "crowd", list(people)), t.simulator(**more)


def daemon(t, ground, tenant, rules, **sections):
    """A daemon with QUICK settings, key by key under the given ones; not started."""
    merged = {name: dict(keys, **(sections.pop(name, None) or {})) for name, keys in QUICK.items()}
    merged.update(sections)
    return t.rosterd(ground.server, tenant, ground, rules=rules, **merged)


def operations(d, **wanted):
    """The queue as dicts: kind, state, login, reason, cause, sentence, changes, approved."""
    names = ("number", "kind", "state", "login", "dn", "reason", "cause", "sentence", "changes", "approved",
             "not_before_usec", "since_usec", "attempts")
    rows = [dict(zip(names, row)) for row in
            d.state_query("SELECT %s FROM operation ORDER BY number" % ", ".join(names))]
    for row in rows:
        row["kind"] = stored.word("operation_kind", row["kind"])
        row["state"] = stored.word("operation_state", row["state"])
    return [row for row in rows if all(row[k] == v for k, v in wanted.items())]


def is_settled(d):
    """Nobody is to be looked at, nothing is due or in flight, and the last run is closed."""
    counts = d.state_query(
        "SELECT (SELECT count(*) FROM dirty) + (SELECT count(*) FROM round),"
        " (SELECT count(*) FROM operation WHERE state = OPERATION_STARTED OR (state = OPERATION_READY AND not_before_usec <="
        "  CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))),"
        " (SELECT count(*) FROM run WHERE ended_usec = 0 AND number = (SELECT max(number) FROM run)),"
        " (SELECT count(*) FROM run WHERE ended_usec > 0)")[0]
    return counts[0] == 0 and counts[1] == 0 and counts[2] == 0 and counts[3] > 0


def settled(d, seconds=20):
    """Waits for is_settled(), then checks the ledger."""
    base.wait_for(lambda: is_settled(d), seconds, "nothing left to do",
                  lambda: (operations(d), d.state_query("SELECT * FROM run ORDER BY number DESC LIMIT 3"),
                           d.state_query("SELECT * FROM dirty LIMIT 5")))
    # The audit file follows the state by some milliseconds.
    base.wait_for(lambda: (d.audit() or [{"seq": 0}])[-1]["seq"] >=
                  (d.state_query("SELECT max(seq) FROM trail")[0][0] or 0), 10, "the audit file")
    check_ledger(d)


def check_ledger(d):
    """Every run that ended adds up, nobody is left in between; the totals of the last."""
    runs = d.check_ledger()
    base.need(runs, "a run is on record")
    return runs[-1]


def ledger_sum(d, bucket):
    """Over all runs."""
    rows = d.state_query("SELECT totals FROM run WHERE ended_usec > 0")
    return sum(sum_of(json.loads(text).get(bucket, 0)) for (text,) in rows)


def outcomes(d, kind, login=None, code="done"):
    """Audit lines of operations that ended so."""
    return [row for row in d.audit(event="outcome", operation=kind)
            if (code is None or row.get("code") == code)
            and (login is None or row["person"]["login"] == login)]


def wait_outcome(d, kind, login, code="done", seconds=20):
    """The newest such line; the audit file follows the state by some milliseconds."""
    return base.wait_for(lambda: outcomes(d, kind, login, code), seconds,
                         "an audit line: %s of %s is %s" % (kind, login, code),
                         lambda: [r for r in d.audit() if r.get("event") != "intent"][-5:])[-1]


def changes_of(row):
    """{field: (from, to)} of an audit line."""
    return {c["field"]: (c["from"], c["to"]) for c in row.get("changes", ())}


def wait_held(d, reason, n=1, seconds=20, state=None):
    """Until n operations wait for this reason; they are returned."""
    def there():
        rows = [o for o in operations(d, reason=reason) if state is None or o["state"] == state]
        return rows if len(rows) == n else None
    return base.wait_for(there, seconds, "%d operations that wait: %s" % (n, reason), lambda: operations(d))


def is_password(tenant, login, password):
    """Whether the tenant has this one, by the sum that it keeps (FNV-1a)."""
    total = 0xcbf29ce484222325
    for byte in password.encode():
        total = (total ^ byte) * 0x100000001b3 & (1 << 64) - 1
    return tenant.user(login)["passwordSum"] == "%016x" % total


def keeper(t, name):
    """A command that appends its standard input, one document a line, and its arguments elsewhere."""
    kept = t.path(name + ".jsonl")
    command = t.write(name, "#!/bin/sh\ntext=$(cat)\nprintf '%%s\\n' \"$text\" >> '%s'\necho \"$*\" >> '%s.args'\n" % (kept, kept), 0o755)

    def documents():
        try:
            with open(kept, encoding="utf-8") as text:
                return [json.loads(line) for line in text if line.endswith("\n")]
        except FileNotFoundError:
            return []
    return command, documents
