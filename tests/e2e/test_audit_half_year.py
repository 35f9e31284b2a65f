"""Half a year of a company with a real directory, its clock turned on: joiners, movers, leavers, returns, promotions that are
approved, drift, erasures, another key, other configurations, files that are rotated. Then an auditor asks, with copies of the
files alone, and the answers are held against what the contact center itself showed at those times, and against the lines by the
document's words."""

import csv
import json
import os
import random
import subprocess
import time

from lib import auditlines, base, deadline, life, need, wait_for
from lib.faked import Faked
from lib.life import AGENTS, crowd
from test_audit_auditors import copies

DAY = 24 * 3600


class Company:
    """The directory's groups, and what follows from them for each login: team, roles, whether they are enabled."""

    def __init__(self, t, chance):
        self.chance, self.lie, self.ahead = chance, Faked(t), 0
        people = ["p%02d" % i for i in range(10)]
        self.ground, self.agents, self.tenant = crowd(t, people)
        self.sales, self.chiefs = life.group(self.ground, "sales"), life.group(self.ground, "chiefs")
        self.model = {login: self.starter() for login in people}
        self.erased, self.shown, self.left = set(), {}, []
        rules = {"Chiefs": {"group": self.chiefs, "roles": "Supervisor"}, "Sales": {"group": self.sales, "team": "Sales"},
                 "Agents": dict(AGENTS, group=self.agents)}
        self.daemon = life.daemon(t, self.ground, self.tenant, rules, audit={"rotate": "20d"}, lifecycle={"verify_interval": "2s", "drift": "repair"},
                                  guard={"privileged_roles": "Supervisor", "max_privileged": "0", "max_disable": "50",
                                         "max_team_change": "50"})
        self.daemon.start(env=self.lie.env)
        self.settle()

    @staticmethod
    def starter():
        return {"team": "Customer Service", "roles": {"Agent"}, "disabled": False}

    def now(self):
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + self.ahead))

    def seen(self):
        return {login: {"team": user["team"], "roles": set(user["roles"]), "disabled": user["disabled"]}
                for login, user in self.tenant.users().items()}

    def settle(self):
        """Until the contact center shows what the groups say, and the file has all that is on record."""
        wait_for(lambda: self.seen() == self.model, 30, "as the directory has it",
                 lambda: ([(one, self.model.get(one), self.seen().get(one)) for one in set(self.model) | set(self.seen())
                           if self.model.get(one) != self.seen().get(one)], self.daemon.log_tail()))
        wait_for(lambda: self.daemon.state_query("SELECT count(*) FROM operation WHERE state = OPERATION_STARTED")[0][0] == 0, 20, "nothing under way")
        wait_for(lambda: (self.daemon.audit() or [{"seq": 0}])[-1]["seq"] >=
                 (self.daemon.state_query("SELECT max(seq) FROM trail")[0][0] or 0), 10, "the audit file")

    def any(self, test):
        found = sorted(login for login, user in self.model.items() if login not in self.erased and test(user))
        return self.chance.choice(found) if found else None

    def join(self):
        login = "n%03d" % len(self.model)
        self.ground.person(login)
        self.ground.join(self.agents, login)
        self.model[login] = self.starter()

    def move(self):
        login = self.any(lambda user: not user["disabled"])
        sold = self.model[login]["team"] == "Sales"
        (self.ground.leave if sold else self.ground.join)(self.sales, login)
        self.model[login]["team"] = "Customer Service" if sold else "Sales"

    def promote(self):
        login = self.any(lambda user: not user["disabled"] and "Supervisor" not in user["roles"])
        self.ground.join(self.chiefs, login)
        plan = wait_for(lambda: (lambda plan: plan if [o for o in plan["operations"] if o["state"] == "parked"] else None)(
            json.loads(self.daemon.ctl("plan", "--json", code=None).out)), 20, "it waits for a word", self.daemon.log_tail)
        self.daemon.ctl("approve", plan["hash"], "--reason", "CHG-%d" % self.chance.randrange(10000))
        self.model[login]["roles"] = {"Agent", "Supervisor"}

    def demote(self):
        login = self.any(lambda user: "Supervisor" in user["roles"])
        if len([user for user in self.model.values() if "Supervisor" in user["roles"]]) > 1:  # the last one is kept
            self.ground.leave(self.chiefs, login)
            self.model[login]["roles"] = {"Agent"}

    def leave(self):
        login = self.any(lambda user: not user["disabled"] and user["team"] != "Sales" and "Supervisor" not in user["roles"])
        if login:
            self.ground.leave(self.agents, login)
            self.model[login]["disabled"] = True
            self.left.append(login)

    def come_back(self):
        login = self.any(lambda user: user["disabled"])
        if login:
            self.ground.join(self.agents, login)
            self.model[login]["disabled"] = False
            self.left.remove(login)

    def edit(self):
        self.ground.replace(self.any(lambda user: not user["disabled"]), sn="Name%d" % self.chance.randrange(10 ** 6))

    def drift(self):
        login = self.any(lambda user: not user["disabled"])
        before = len(self.daemon.audit(event="drift"))
        self.tenant.edit(login, team="Sales" if self.model[login]["team"] != "Sales" else "Customer Service")
        wait_for(lambda: len(self.daemon.audit(event="drift")) > before or self.seen() == self.model, 30, "seen", self.daemon.log_tail)

    def erase(self):
        while not self.left:
            self.join()
            self.settle()
            self.leave()
            self.settle()
        if self.left:
            login, before = self.left.pop(0), self.daemon.audit()[-1]["seq"]
            self.daemon.ctl("audit", "erase", login, "--reason", "GDPR %s" % login)
            wait_for(lambda: [row for row in self.daemon.audit(event="erase-end") if row["seq"] > before], 20, "erased", self.daemon.log_tail)
            self.erased.add(login)

    def reload(self):
        self.daemon.configure(guard={"max_rename": str(self.chance.randrange(5, 50))})
        self.daemon.ctl("reload", "--reason", "CFG-%d" % self.chance.randrange(10000))

    def rotate(self):
        """As logrotate does it."""
        os.rename(self.daemon.audit_file, "%s-%s" % (self.daemon.audit_file, self.now().replace("-", "").replace(":", "")))
        self.reload()
        wait_for(lambda: os.path.exists(self.daemon.audit_file), 10, "another file", self.daemon.log_tail)

    def renew_key(self):
        self.daemon.ctl("audit", "key", "--new")

    def live(self, rounds):
        """What must happen comes once; the rest by chance."""
        deeds = [self.join, self.move, self.leave, self.come_back, self.promote, self.demote, self.edit]
        seldom = [self.erase, self.rotate, self.renew_key, self.drift, self.promote, self.leave, self.rotate]
        for number in range(rounds):
            self.ahead = number * 183 * DAY // rounds
            self.lie.set_clock(self.ahead)
            for deed in [seldom[number % len(seldom)], *self.chance.sample(deeds, 3)]:
                deed()
                self.settle()
            time_of_it = self.now()
            self.shown[time_of_it] = self.seen()
            wait_for(lambda: self.now() > time_of_it, 5, "the next second")
        self.erase()
        self.settle()


def ctl(*words, code=0):
    done = subprocess.run([base.built("rosterctl"), *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
                          cwd="/", env={"LANG": "C.UTF-8"})
    need(code is None or done.returncode == code, "it answers", words, done)
    return done.stdout.decode("utf-8")


def shown(*words):
    """The numbers of the lines."""
    return [json.loads(line)["seq"] for line in ctl("--json", "audit", "show", *words).splitlines()]


def check_who(one, files):
    """Questions three and four: whom the contact center showed with it at that time, but for whose data is erased since."""
    for at, users in one.shown.items():
        for field, name, has in [("role", "Supervisor", lambda user: "Supervisor" in user["roles"]),
                                 ("role", "Agent", lambda user: "Agent" in user["roles"]),
                                 ("team", "Sales", lambda user: user["team"] == "Sales"),
                                 ("skill", "English", lambda user: True)]:
            answer = json.loads(ctl("--json", "audit", "who", "--" + field, name, "--at", at, *files))
            got = {person["login"]: person["disabled"] for person in answer["people"]}
            expected = {login: user["disabled"] for login, user in users.items() if has(user) and login not in one.erased}
            need(got == expected, "who had it", at, field, name, sorted(set(got.items()) ^ set(expected.items())))
            if name == "Supervisor":
                need(all(person["approved_by"] and person["rule"].startswith('rule "Chiefs"') for person in answer["people"]), "why", answer)


def check_lines(files, one, rows):
    """The other questions: the numbers of the lines that the document's words make of each."""
    months = ["2026-%02d" % month for month in range(1, 13)] + ["2027-%02d" % month for month in range(1, 13)]
    first = rows[0]["time"][:7]
    months = [month for month in ["%d-%02d" % (int(first[:4]) + (int(first[5:]) - 1 + n) // 12, (int(first[5:]) - 1 + n) % 12 + 1)
                                  for n in range(9)]]
    for login in one.model:
        if login in one.erased:
            need(shown("--person", login, *files) == [], "nothing is told of them", login)
            continue
        ids = {row["person"]["id"] for row in rows if row.get("person", {}).get("login") == login}
        expected = [row["seq"] for row in rows if row.get("person", {}).get("id") in ids]
        need(len(ids) == 1 and shown("--person", login, *files) == expected, "the history", login, ids)
    for event in ("approve", "configuration", "start", "drift", "erase-end", "key", "alarm", "repair", "retention"):
        need(shown("--event", event, *files) == [row["seq"] for row in rows if row["event"] == event], "the lines", event)
    for kind in ("create", "disable", "enable", "update", "profile"):
        for since, until in zip(months, months[1:]):
            expected = [row["seq"] for row in rows if row["event"] == "outcome" and row.get("operation") == kind and
                        row.get("code") == "done" and since <= row["time"] < until]
            need(shown("--event", "outcome", "--kind", kind, "--code", "done", "--since", since, "--until", until, *files) == expected,
                 "joiners, movers, leavers of a month", kind, since)


def check_report(t, files, rows):
    ctl("audit", "report", "--html", t.path("page.html"), "--csv", t.path("csv"), *files)
    done = [row for row in rows if row["event"] == "outcome" and row.get("code") == "done"]
    roles = [row for row in done if any(change["field"].startswith("role:") for change in row.get("changes", ()))]
    lists = {"joiners": [row for row in done if row.get("operation") in ("create", "adopt", "enable")],
             "leavers": [row for row in done if row.get("operation") in ("disable", "delete")],
             "approvals": [row for row in rows if row["event"] == "approve"],
             "drift": [row for row in rows if row["event"] == "drift"],
             "privileged": [row for row in roles if any(change["field"] == "role:Supervisor" for change in row["changes"])],
             "erasures": [row for row in rows if row["event"] in ("erase-begin", "erase-end")]}
    for name, expected in lists.items():
        with open(os.path.join(t.path("csv"), name + ".csv"), encoding="utf-8-sig", newline="") as data:
            lines = [int(row[0]) for row in list(csv.reader(data))[1:]]
        need(lines == [row["seq"] for row in expected], "the table", name, lines, [row["seq"] for row in expected])


@deadline(300)
def test_half_a_year(t):
    """The ten questions of the guide over half a year. ROSTERD_SEED, and ROSTERD_ROUNDS=26 for each week, are the long form."""
    one = Company(t, random.Random(int(os.environ.get("ROSTERD_SEED", "12"))))
    first = one.daemon.ctl("audit", "key").out.strip()
    one.live(int(os.environ.get("ROSTERD_ROUNDS", "9")))
    last = one.daemon.ctl("audit", "key").out.strip()
    one.daemon.stop()
    files = copies(t, one.daemon)
    need(len(files) >= 4 and last != first and one.erased, "files, keys and erasures", files, one.erased)
    chain = auditlines.need_whole(*sorted(files, key=auditlines.reader.first_seq))
    rows = auditlines.reader.long_form(chain)
    for key in (first, last):
        verdict = json.loads(ctl("--json", "audit", "verify", "--key", key, "--checkpoint", t.path("kept.note"), *files))
        need(verdict["whole"] and verdict["lines"] == len(chain.lines), "whole by either key", verdict)
    need(verdict["erased"] == len([row for _, row in chain.lines if "pc" in row and "p" not in row]), "what was erased", verdict)
    check_who(one, files)
    check_lines(files, one, rows)
    check_report(t, files, rows)
