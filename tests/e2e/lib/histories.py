"""Audit files by the document's words, with no code of rosterd, and what their lines make of people: the oracle of who had what.

A history is drawn by chance: people are made, adopted, changed, renamed, disabled and deleted, some by approval; others change
users at the contact center, which is found later or not; users vanish there and are back; an older state is restored, so that
numbers of operations come again."""

import base64
import json
import os

from . import auditlines

reader = auditlines.reader
ROLES, TEAMS, SKILLS = ["Agent", "Supervisor", 'Odd "role"'], ["Sales", "Support"], ["Spanish", "Billing"]


def url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Writer:
    def __init__(self):
        self.lines, self.link, self.number, self.intents = [], b"\0" * 32, 0, {}
        self.about = {}  # number of the line: id, dn and login that it or its intent has

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
        whose = {name: person[name] for name in ("id", "dn", "login") if name in person} if person else None
        if event == "intent":
            self.intents[facts["no"]] = whose
        if event == "outcome" and "op" not in facts:
            whose = {**self.intents.get(facts["no"], {}), **(whose or {})}
        self.about[row["seq"]] = whose
        return row["seq"]


class User:
    """What one user has: {("role", NAME): (line, approver)}, likewise ("skill", NAME); ("team", NAME) alone."""

    def __init__(self, login):
        self.login, self.has, self.disabled, self.gone = login, {}, False, False

    def set(self, field, name, since):
        if field == "team":
            self.has = {key: value for key, value in self.has.items() if key[0] != "team"}
        if since:
            self.has[field, name] = since
        else:
            self.has.pop((field, name), None)

    def names(self, field):
        return [name for kind, name in self.has if kind == field]

    def found(self, chance, seq):
        """Others made something else of them; what goes on is as old as it was."""
        names = [("team", chance.choice(TEAMS))] + [("role", name) for name in ROLES if chance.random() < 0.4] + \
                [("skill", name) for name in SKILLS if chance.random() < 0.4]
        self.has = {key: self.has.get(key, (seq, None)) for key in names}
        self.disabled, self.gone = chance.random() < 0.1, False
        return {"team": names[0][1], "login_id": self.login, "roles": sorted(name for kind, name in names if kind == "role"),
                "skills": {name: 50 for kind, name in names if kind == "skill"}, "disabled": self.disabled}


class History:
    def __init__(self, chance, people, days, writer=None):
        """writer: one that has lines already, which this goes on from."""
        self.chance, self.people, self.writer, self.truth = chance, people, writer or Writer(), {}
        self.users, self.day, self.state = {}, 1, "one"
        self.open, self.waiting = {}, []  # approvals: {number: (line, approver)}; operations that were approved and not done
        self.writer.add(1, "start", {"d": {"state": self.state}})
        self.marks = [(0, 0)]  # (line, number of operations): what a copy of the state would know
        for self.day in range(1, days + 1):
            for _ in range(chance.randrange(0, 12)):
                self.step()
            self.note()

    def note(self):
        now = self.truth[self.day] = {}
        for user in self.users.values():
            for key, since in user.has.items():
                if not user.gone:
                    now.setdefault(key, {})[user.login] = (*since, user.disabled)

    def person(self, who):
        """A login is one user's at a time."""
        login = self.users[who].login if who in self.users else "p%d" % who
        if any(user.login == login for other, user in self.users.items() if other != who):
            login = "p%d-%d" % (who, len(self.writer.lines))
        return {"id": "id-%d" % who, "dn": "uid=p%d,dc=x" % who, "login": login}

    def step(self):
        chance, who = self.chance, self.chance.randrange(self.people)
        if chance.random() < 0.03:
            self.restore()
            return
        if chance.random() < 0.1:
            self.marks.append((len(self.writer.lines), self.writer.number))
        if who in self.users and chance.random() < 0.15:
            self.others(who)
        else:
            self.operation(who)

    def restore(self):
        """An older state, or a new one: what it does not know of was approved by nobody, and numbers come again."""
        line, number = self.chance.choice(self.marks)
        self.writer.intents.clear()
        new = self.chance.random() < 0.3
        if new:
            self.state += "x"
            line = number = 0
        if not new or self.chance.random() < 0.5:  # a new one beside a new file notices nothing
            self.writer.add(self.day, "repair", {"code": "state-restored", "say": "older", "d": {"known": line}})
        self.writer.add(self.day, "start", {"d": {"state": self.state}})
        self.open = {n: one for n, one in self.open.items() if one[0] <= line}
        self.writer.number = number
        self.marks = [(a, n) for a, n in self.marks if a <= line] or [(0, 0)]

    def others(self, who):
        """What rosterd saw at the contact center."""
        user, chance, person = self.users[who], self.chance, self.person(who)
        kind, seq = chance.choice(("found", "report", "gone", "renamed")), len(self.writer.lines) + 1
        if kind == "found":
            details = {"found": user.found(chance, seq)}
        elif kind == "gone":
            user.gone = not user.gone
            details = {"gone": user.gone}
        elif kind == "renamed":
            user.login, user.gone = "o%d" % seq, False
            details = {"renamed": user.login}
        else:
            details = None
        self.writer.add(self.day, "drift", {"code": "report"}, {**person, "say": "so", **({"d": details} if details else {})})

    def choose(self, who):
        """(kind, changes) of an operation that makes sense now."""
        chance, user = self.chance, self.users.get(who)
        if user is None and chance.random() < 0.3:
            return "adopt", []
        if user is None:
            return "create", [["team", chance.choice(TEAMS), 0]] + [["role:" + role, role, 0] for role in ROLES
                                                                     if chance.random() < 0.3]
        dice, role, skill = chance.random(), chance.choice(ROLES), chance.choice(SKILLS)
        if dice < 0.1 or user.gone:
            return "delete", []
        if dice < 0.2:
            return "rename", [["login_id", "r%d" % len(self.writer.lines), None, user.login]]
        if dice < 0.3:
            return ("enable" if user.disabled else "disable"), []
        if dice < 0.6:
            return "profile", [["role:" + role, None, None, role] if ("role", role) in user.has else ["role:" + role, role, 0]]
        if dice < 0.75:
            return "update", [["team", chance.choice(TEAMS), 0, (user.names("team") or ["?"])[0]]]
        return "update", [["skill:" + skill, None, 0, "50"] if ("skill", skill) in user.has else ["skill:" + skill, "50", 0]]

    def operation(self, who):
        chance, writer, person = self.chance, self.writer, self.person(who)
        if self.waiting and chance.random() < 0.1:
            self.go_on(*self.waiting.pop(chance.randrange(len(self.waiting))))
            return
        kind, change = self.choose(who)
        writer.number += 1
        number = writer.number
        facts = {"no": number, "op": kind, "at": ["rosterd.conf:12 Rule A"]}
        if chance.random() < 0.25:
            name = chance.choice(("anton", "berta"))
            self.open[number] = (writer.add(self.day, "approve", {**facts, "who": {"uid": 1000, "name": name}},
                                            {**person, "set": change, "say": "approved"}), name)
            if chance.random() < 0.3:
                self.waiting.append((who, facts, change))  # its number may come again meanwhile
                return
        if kind == "adopt" and chance.random() < 0.3 and self.users:
            self.adopt_of_another(who, facts)
            return
        writer.add(self.day, "intent", {**facts, "try": 1}, {**person, "set": change, "why": "because"})
        self.end(who, facts, person, change)

    def go_on(self, who, facts, change):
        """What was approved before is done, if that still makes sense."""
        user = self.users.get(who)
        if facts["no"] not in self.open or (user is None) != (facts["op"] in ("create", "adopt")) or (user and user.gone):
            return
        person = self.person(who)
        self.writer.add(self.day, "intent", {**facts, "try": 1}, {**person, "set": change, "why": "because"})
        self.end(who, facts, person, change)

    def end(self, who, facts, person, change):
        chance, writer, kind = self.chance, self.writer, facts["op"]
        seq, number, dice = len(writer.lines) + 1, facts["no"], chance.random()
        code = "done" if dice < 0.8 else "refused" if dice < 0.9 or kind in ("create", "adopt", "delete") else "change-not-applied"
        extra = {}
        if code == "done":
            approver = self.open.pop(number, (0, None))[1]
            extra = self.done(who, kind, change, person, (seq, approver))
        elif code == "change-not-applied":
            extra = {"found": self.users[who].found(chance, seq)}
        again = chance.random() < 0.3
        full = {**person, "set": change, "why": "because"} if again else {"id": person["id"]}
        told = again or extra or chance.random() < 0.3
        writer.add(self.day, "outcome", {"no": number, **({"op": kind, "at": facts["at"]} if again else {}), "code": code},
                   {**full, "say": "so", **({"d": extra} if extra else {})} if told else None)

    def done(self, who, kind, change, person, since):
        user = self.users.get(who)
        if kind in ("create", "adopt"):
            user = self.users[who] = User(person["login"])
        if kind == "adopt":
            found = user.found(self.chance, since[0])
            user.has = {key: since for key in user.has}
            return {"found": found}
        if kind == "delete":
            del self.users[who]
        if kind in ("disable", "enable"):
            user.disabled = kind == "disable"
        for field, to, *_ in change:
            field, _, name = field.partition(":")
            if field == "login_id":
                user.login = to
            else:
                user.set(field, name or to, since if to else None)
        return {}

    def adopt_of_another(self, who, facts):
        """The user of an entry that is gone goes over to another entry."""
        owner = self.chance.choice(sorted(self.users))
        login = self.users[owner].login
        person = {"id": "id-%d" % who, "dn": "uid=p%d,dc=x" % who, "login": login}
        self.writer.add(self.day, "intent", {**facts, "try": 1}, person)
        seq, approver = len(self.writer.lines) + 1, self.open.pop(facts["no"], (0, None))[1]
        if owner != who:
            del self.users[owner]
        user = self.users[who] = User(login)
        found = user.found(self.chance, seq)
        user.has = {key: (seq, approver) for key in user.has}
        self.writer.add(self.day, "outcome", {"no": facts["no"], "code": "done"}, {"id": person["id"], "d": {"found": found}})
