"""Directories as their owners keep them: each file of tests/data/cases is a situation, and says what is right.

A case is JSON. "what" says it in a sentence. "entries" is LDIF, as a list of lines, with @BASE@, @PEOPLE@ and @GROUPS@
for the places of the test; "schema" are definitions that the server gets first, "server" are settings of the lab's
OpenLDAP. "directory", "user", "guard" are sections of the configuration, "rules" its rules. "steps" are LDIF changes
(lists of lines); one that is {"down": [...]} happens while rosterd is not running. "right" says after which step
(0: the first load) which user has which properties, null for no user, and nobody else may exist; after each step it is
waited for, and must still hold when a marker that was added behind it has arrived. "says" are texts that `rosterctl
check` must hold, "never" texts that it must not.
"""

import glob
import json
import os

from lib import Lines, Slapd, base, deadline, need, wait_for

FOLDER = os.path.join(base.ROOT, "tests/data/cases")
OPEN = {"max_disable": "unlimited", "max_update": "unlimited", "max_rename": "unlimited", "max_team_change": "unlimited"}
QUICK = {"min": "50ms", "max": "200ms", "hold": "1s"}
KNOWN = set()  # (server, path of a case): it has the definitions of the case


class Play:
    """One case on a ground of its own, with one feed."""

    def __init__(self, t, name, case, feed):
        self.name, self.case, self.feed, self.t = name, case, feed, t
        self.ground = t.shared(Slapd, **case.get("server", {})).fresh()
        self.n = 0
        self.ground.server.add(self.text(case["entries"]))
        self.tenant = t.simulator()
        sections = {section: self.section(case[section]) for section in ("user", "lifecycle") if section in case}
        sections.setdefault("lifecycle", {}).setdefault("leave_grace", "0")
        rules = {rule: self.section(keys) for rule, keys in case["rules"].items()}
        rules["Marker"] = {"when": "(employeeType=marker)", "team": "Sales"}
        keys = {"feed": feed, "poll_interval": "1s", "full_interval": "0" if feed == "syncrepl" else "1s", "filter": None,
                "group_filter": None}
        keys.update(self.section(case.get("directory", {})))
        self.daemon = t.rosterd(self.ground.server, self.tenant, self.ground, rules=rules, retry=QUICK, guard=OPEN,
                                name="%s-%s" % (name, feed), directory_keys=keys, **sections)

    def text(self, lines):
        text = "\n".join(lines) + "\n"
        for place, dn in (("BASE", self.ground.dn), ("PEOPLE", self.ground.people), ("GROUPS", self.ground.groups)):
            text = text.replace("@%s@" % place, dn)
        return text

    def section(self, keys):
        return {key: Lines(self.text([v])[:-1] for v in value) if isinstance(value, list) else self.text([value])[:-1]
                for key, value in keys.items()}

    def wrong(self, right):
        users = {login: user for login, user in self.tenant.users().items() if not login.startswith("marker")}
        found = ["%s should not exist" % login for login in users if right.get(login) is None]
        for login, wanted in right.items():
            user = users.get(login)
            if wanted is not None and user is None:
                found.append("%s is missing" % login)
            elif wanted is not None:
                found += ["%s: %s is %r" % (login, key, user.get(key)) for key, value in dict({"disabled": False}, **wanted).items()
                          if user.get(key) != value]
        return found

    def verify(self, step):
        right = self.case["right"].get(str(step))
        if right is None:
            return
        def seen():
            return self.name, self.feed, step, self.wrong(right), self.daemon.log_tail()
        wait_for(lambda: not self.wrong(right), 15, "what is right", seen)
        self.n += 1
        marker = "marker%d" % self.n
        place = self.section({"x": self.case.get("marker", "@PEOPLE@")})["x"]
        self.ground.person(marker, employeeType="marker", dn="uid=%s,%s" % (marker, place))
        self.tenant.wait_user(marker)
        need(not self.wrong(right), "and it stays so", *seen())

    def run(self):
        self.daemon.start()
        self.verify(0)
        for number, step in enumerate(self.case.get("steps", ()), 1):
            down = isinstance(step, dict)
            if down:
                self.daemon.stop()
            self.ground.server.modify(self.text(step["down"] if down else step))
            if down:
                self.daemon.start()
            self.verify(number)
        if "says" in self.case or "never" in self.case:
            said = " ".join(self.daemon.ctl("--config", self.daemon.config_file, "check", code=None).out.split())
            need(all(text in said for text in self.case.get("says", ())), "check says it", self.name, said)
            need(not any(text in said for text in self.case.get("never", ())), "and does not say", self.name, said)
        self.daemon.stop()


def play(t, feed):
    names = sorted(glob.glob(os.path.join(FOLDER, os.environ.get("CASE", "*") + ".json")))
    need(names, "there are cases")
    for path in names:
        with open(path, encoding="utf-8") as text:
            case = json.load(text)
        server = t.shared(Slapd, **case.get("server", {}))
        if "schema" in case and (server, path) not in KNOWN:
            KNOWN.add((server, path))
            server.modify("dn: cn=schema,cn=config\nchangetype: modify\n" + "\n".join(case["schema"]) + "\n")
        Play(t, os.path.basename(path)[:-5], case, feed).run()


@deadline(240)
def test_followed(t):
    """T57, T66 to T71: each case, followed by content synchronisation."""
    play(t, "syncrepl")


@deadline(240)
def test_polled(t):
    """T57, T66 to T71: each case, polled."""
    play(t, "poll")
