"""Rules and people drawn at random from a seed, and the user that each should become: worked out here by comparing words,
with nothing of rosterd's in it. Nobody and nothing has to run."""

import random

GROUPS = ["cn=%s,ou=groups,dc=example,dc=com" % name for name in ("agents", "night", "leads")]
VALUES = {"department": ["Sales", "Support", "Billing"], "employeeType": ["Employee", "Contractor", "Terminated"],
          "title": ["Agent", "Senior Agent", "Lead"], "preferredLanguage": ["es", "es-MX", "de", "en"]}


class Drawn:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rules = {"rule %d" % n: self.rule() for n in range(self.random.randint(2, 6))}
        if not any("team" in keys for keys, *_ in self.rules.values()):
            self.rules["rule 0"][0]["team"] = "Sales"

    # --- conditions: (text, whether it holds for {attribute: [values]}) ---

    def simple(self):
        name = self.random.choice(sorted(VALUES))
        value = self.random.choice(VALUES[name])
        kind = self.random.randrange(4)
        if kind == 0:
            start = value[:self.random.randint(1, len(value))]
            return ("(%s=%s*)" % (name, start),
                    lambda person: any(v.lower().startswith(start.lower()) for v in person.get(name, ())))
        if kind == 1:
            return "(%s=*)" % name, lambda person: bool(person.get(name))
        return ("(%s=%s)" % (name, self.random.choice([value, value.upper()])),
                lambda person: value.lower() in [v.lower() for v in person.get(name, ())])

    def condition(self, depth=2):
        kind = self.random.randrange(6) if depth else 5
        if kind == 0:
            text, holds = self.condition(depth - 1)
            return "(!%s)" % text, lambda person: not holds(person)
        if kind in (1, 2):
            parts = [self.condition(depth - 1) for _ in range(self.random.randint(1, 3))]
            join, sign = (all, "&") if kind == 1 else (any, "|")
            return ("(%s%s)" % (sign, "".join(text for text, _ in parts)),
                    lambda person: join(holds(person) for _, holds in parts))
        return self.simple()

    def rule(self):
        draw = self.random
        keys, group, holds = {}, None, lambda person: True
        if draw.random() < 0.6:
            group = keys["group"] = draw.choice(GROUPS)
        if draw.random() < 0.6:
            keys["when"], holds = self.condition()
        if draw.random() < 0.7:
            keys["team"] = draw.choice(["Sales", "Support", "Night shift"])
        roles = draw.sample(["Agent", "Phone", "Chat"], draw.randint(0, 2))
        skills = {name: draw.randint(0, 100) for name in draw.sample(["English", "German", "Billing"], draw.randint(0, 2))}
        if roles:
            keys["roles"] = ", ".join(roles)
        if skills:
            keys["skills"] = ", ".join("%s:%d" % item for item in skills.items())
        if len(keys) == (group is not None) + ("when" in keys):
            roles = ["Agent"]
            keys["roles"] = "Agent"
        return keys, group, holds, roles, skills

    def sections(self):
        return {"scope": {"when": "(!(department=Board))"},
                "user": {"login_id": "${uid,,}", "first_name": "${givenName}", "last_name": "${sn}", "email": "${mail}",
                         "disabled_when": "(employeeType=Terminated)"}}

    # --- people ---

    def person(self, n):
        draw = self.random
        person = {"objectClass": ["inetOrgPerson"], "uid": ["U%d" % n], "givenName": ["Given%d" % n], "sn": ["Sür %d" % n]}
        if draw.random() < 0.1:
            del person["sn"]
        if draw.random() < 0.8:
            person["mail"] = ["u%d@example.com" % n]
        for name, values in VALUES.items():
            if draw.random() < 0.8:
                person[name] = draw.sample(values, draw.randint(1, 2) if name == "preferredLanguage" else 1)
        if draw.random() < 0.1:
            person["department"] = ["Board"]
        return person, draw.sample(GROUPS, draw.randint(0, 2))

    def right(self, person, groups):
        """("user", {field: value}) or ("skip no-team", {}) and so on."""
        if "Board" in person.get("department", ()):
            return "skip out-of-scope", {}
        team, roles, skills = None, set(), {}
        for keys, group, holds, gives, levels in self.rules.values():
            if (group and group not in groups) or not holds(person):
                continue
            team = team or keys.get("team")
            roles |= set(gives)
            for name, level in levels.items():
                skills[name] = max(level, skills.get(name, 0))
        if not team:
            return "skip no-team", {}
        if "sn" not in person:
            return "invalid value-missing", {}
        user = {"login_id": person["uid"][0].lower(), "first_name": person["givenName"][0], "last_name": person["sn"][0],
                "team": team, "role": sorted(roles), "skill": ["%s:%d" % item for item in skills.items()]}
        if "mail" in person:
            user["email"] = person["mail"][0]
        if "Terminated" in person.get("employeeType", ()):
            user["disabled"] = "yes"
        return "user", user

    def case(self, n):
        """The text of a case, and what it expects."""
        person, groups = self.person(n)
        verdict, user = self.right(person, groups)
        rows = ["dn: uid=U%d,ou=people,dc=example,dc=com" % n]
        rows += ["%s: %s" % (name, value) for name, values in person.items() for value in values]
        rows += [""] + ["group: " + group for group in groups] + ["", "expect: " + verdict]
        for name, value in user.items():
            rows += ["%s: %s" % (name, one) for one in (value if isinstance(value, list) else [value])]
        return "\n".join(rows) + "\n", verdict, user

    def configured(self):
        return {name: keys for name, (keys, _, _, _, _) in self.rules.items()}
