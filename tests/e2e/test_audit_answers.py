"""What an auditor asks years later, answered from files alone and held against a plain oracle over random histories."""

import base64
import gzip
import json
import os
import random
import time

from lib import Slapd, auditlines, deadline, need, wait_for

reader = auditlines.reader
ROLES, TEAMS, SKILLS = ["Agent", "Supervisor", 'Odd "role"'], ["Sales", "Support"], ["Spanish", "Billing"]


def url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Writer:
    """Writes an audit by the document's words, with no code of rosterd."""

    def __init__(self):
        self.lines, self.link, self.number = [], b"\0" * 32, 0

    def add(self, day, event, facts=None, person=None):
        row = {"v": 1, "seq": len(self.lines) + 1, "t": "2026-01-%02dT12:00:00.%06dZ" % (day, len(self.lines)), "ev": event}
        row.update(facts or {})
        text = None
        if person is not None:
            text = json.dumps({"s": url(os.urandom(16)), **person}, separators=(",", ":"), ensure_ascii=False)
            row["pc"] = url(reader.sha(b"\1", text.encode()))
        head = json.dumps(row, separators=(",", ":"), ensure_ascii=False)[:-1]
        line = head + ',"prev":"%s"' % url(self.link) + (',"p":' + text if text else "") + "}"
        self.lines.append(line.encode())
        self.link = reader.link_of(self.lines[-1])
        return row["seq"]


def history(chance, people, days):
    """A random history and, after each day, who has what: {day: {(field, name): {login: (seq, approver)}}}."""
    writer, truth = Writer(), {}
    users = {}
    for day in range(1, days + 1):
        for _ in range(chance.randrange(0, 12)):
            who = chance.randrange(people)
            user = users.get(who)
            person = {"id": "id-%d" % who, "dn": "uid=p%d,dc=x" % who, "login": user["login"] if user else "p%d" % who}
            writer.number += 1
            facts = {"no": writer.number, "at": ["rosterd.conf:12 Rule A"]}
            if user is None:
                kind, change = "create", [["team", chance.choice(TEAMS), 0]]
                change += [["role:" + role, role, 0] for role in ROLES if chance.random() < 0.3]
            elif chance.random() < 0.1:
                kind, change = "delete", []
            elif chance.random() < 0.15:
                kind, change = "rename", [["login_id", user["login"] + "x", None, user["login"]]]
            elif chance.random() < 0.5:
                role = chance.choice(ROLES)
                kind = "profile"
                change = [["role:" + role, None, None, role]] if role in user["role"] else [["role:" + role, role, 0]]
            elif chance.random() < 0.5:
                kind, change = "update", [["team", chance.choice(TEAMS), 0, user["team"]]]
            else:
                skill = chance.choice(SKILLS)
                kind = "update"
                change = [["skill:" + skill, None, 0, "50"]] if skill in user["skill"] else [["skill:" + skill, "50", 0]]
            facts["op"] = kind
            approver = None
            if chance.random() < 0.2:
                approver = chance.choice(("anton", "berta"))
                writer.add(day, "approve", {**facts, "who": {"uid": 1000, "name": approver}},
                           {**person, "set": change, "say": "approved"})
            full = {**person, "set": change, "why": "because"}
            writer.add(day, "intent", {**facts, "try": 1}, full)
            done = chance.random() < 0.8
            again = chance.random() < 0.3
            said = {"id": person["id"], "say": "so"} if chance.random() < 0.3 else None
            seq = writer.add(day, "outcome", {"no": facts["no"], **({"op": kind, "at": facts["at"]} if again else {}),
                                              "code": "done" if done else "refused"}, full if again else said)
            if not done:
                continue
            if kind == "create":
                user = users[who] = {"login": person["login"], "team": None, "role": {}, "skill": {}, "since": None}
            if kind == "delete":
                del users[who]
                continue
            for field, to, *_ in change:
                name = field.partition(":")[2]
                if field == "login_id":
                    user["login"] = to
                elif field == "team":
                    user["since"] = (seq, approver) if user["team"] != to or True else user["since"]
                    user["team"] = to
                elif to is None:
                    user[field.split(":")[0]].pop(name, None)
                else:
                    user[field.split(":")[0]][name] = (seq, approver)
        now = truth[day] = {}
        for user in users.values():
            for field in ("role", "skill"):
                for name, since in user[field].items():
                    now.setdefault((field, name), {})[user["login"]] = since
            now.setdefault(("team", user["team"]), {})[user["login"]] = user["since"]
    return writer, truth


@deadline(120)
def test_who_had_what_against_an_oracle(t):
    """Roles, teams and skills on each of many days of random histories, over three files, one of them compressed."""
    daemon = t.rosterd(t.shared(Slapd), t.simulator(), t.shared(Slapd).fresh())
    seed = int(os.environ.get("ROSTERD_SEED", "20261128"))
    for round_number in range(4):
        chance = random.Random(seed + round_number)
        writer, truth = history(chance, people=12, days=20)
        paths = [t.path("a%d.jsonl.gz" % round_number), t.path("b%d.jsonl" % round_number), t.path("c%d.jsonl" % round_number)]
        third = len(writer.lines) // 3
        for path, part in zip(paths, (writer.lines[:third], writer.lines[third:2 * third], writer.lines[2 * third:])):
            with (gzip.open if path.endswith(".gz") else open)(path, "wb") as out:
                out.write(b"".join(line + b"\n" for line in part))
        need(daemon.ctl("--json", "audit", "verify", *paths).json["whole"], "rosterd agrees with the writer of the document")
        for _ in range(40):
            day = chance.randrange(1, 21)
            field = chance.choice(("role", "team", "skill"))
            name = chance.choice({"role": ROLES, "team": TEAMS, "skill": SKILLS}[field])
            answer = daemon.ctl("--json", "audit", "who", "--" + field, name, "--at", "2026-01-%02d" % day,
                                *chance.sample(paths, 3)).json
            got = {person["login"]: (person["outcome"], person["approved_by"]) for person in answer["people"]}
            expected = truth[day].get((field, name), {})
            need(got == expected, "who had it", seed + round_number, day, field, name, got, expected)
            need(all(person["rule"] == 'rule "Rule A" (rosterd.conf:12)' for person in answer["people"]), "by which rule", answer)


def test_who_and_show_of_a_real_life(t):
    """A supervisor is approved, renamed and demoted: who, when and by whose word, from the files alone."""
    ground = t.shared(Slapd).fresh()
    ground.persons({"ann": {}, "bob": {}, "zoe": {}})
    seniors = ground.group("seniors", ["ann", "zoe"])
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"poll_interval": "1s"},
                       rules={"All": {"team": "Sales", "roles": "Agent"}, "Seniors": {"group": seniors, "roles": "Supervisor"}},
                       guard={"privileged_roles": "Supervisor"})
    daemon.start()
    tenant.wait_users(["bob"])
    wait_for(lambda: daemon.ctl("plan", "--json", code=None).json["hash"], 10, "a plan")
    daemon.ctl("approve", daemon.ctl("plan", "--json", code=None).json["hash"], "--reason", "CHG-7")
    tenant.wait_user("ann", roles=["Agent", "Supervisor"])
    wait_for(lambda: daemon.audit(event="outcome", operation="create", code="done")[2:], 10, "all on record")
    answer = daemon.ctl("--json", "audit", "who", "--role", "Supervisor", daemon.audit_file).json
    need([person["login"] for person in answer["people"]] == ["ann", "zoe"] and answer["people"][0]["approved_by"] == "root" and
         "Seniors" in answer["people"][0]["rule"], "two supervisors", answer)
    ground.leave(seniors, "ann")
    tenant.wait_user("ann", roles=["Agent"])
    wait_for(lambda: [person["login"] for person in daemon.ctl("--json", "audit", "who", "--role", "Supervisor",
                                                               daemon.audit_file).json["people"]] == ["zoe"], 10, "one is left")
    daemon.stop()
    shown = daemon.ctl("audit", "show", "--person", "ann", daemon.audit_file).out
    need("- role:Supervisor" in shown and "+ role:Supervisor" in shown, "a removal does not read like a grant", shown)
    need("bob" not in shown, "of ann alone", shown)
    lines = [json.loads(line) for line in daemon.ctl("--json", "audit", "show", "--event", "outcome", "--code", "done",
                                                     daemon.audit_file).out.splitlines()]
    need(lines and all(line["event"] == "outcome" and line["code"] == "done" for line in lines), "filters", lines)
    need(daemon.ctl("--json", "audit", "show", "--since", "2999", daemon.audit_file).out == "", "since")
    need(daemon.ctl("--json", "audit", "show", "--until", "2000", daemon.audit_file).out == "", "until")


@deadline(120)
def test_a_million_lines(t):
    """Verified and asked in bounded memory; a tenth of a million here, so that the limit holds on a busy machine."""
    daemon = t.rosterd(t.shared(Slapd), t.simulator(), t.shared(Slapd).fresh())
    writer = Writer()
    person = {"dn": "uid=somebody,ou=people,dc=example,dc=com", "login": "somebody"}
    for i in range(50000):
        writer.add(1 + i // 2000, "intent", {"no": i + 1, "op": "profile", "at": ["rosterd.conf:12 Rule A"], "try": 1},
                   {"id": "id-%d" % (i % 5000), **person, "set": [["first_name", "New", 0, "Old"]]})
        writer.add(1 + i // 2000, "outcome", {"no": i + 1, "op": "profile", "code": "done"}, {"id": "id-%d" % (i % 5000)})
    path = t.path("large.jsonl")
    with open(path, "wb") as out:
        out.write(b"".join(line + b"\n" for line in writer.lines))
    for arguments, seconds in ((("verify",), 1.5), (("who", "--role", "Supervisor"), 1.5), (("show", "--person", "id-77"), 1.5)):
        begun = time.monotonic()
        daemon.ctl("audit", *arguments, path)
        took = time.monotonic() - begun
        need(took < 4 * seconds, "fast enough for a million in ten seconds", arguments, took)
