"""What an auditor asks years later, answered from files alone and held against a plain oracle over random histories."""

import gzip
import json
import os
import random
import subprocess
import sys
import time

from lib import Slapd, base, deadline, histories, need, signed, wait_for
from lib.base import Missing

Writer, ROLES, TEAMS, SKILLS = histories.Writer, histories.ROLES, histories.TEAMS, histories.SKILLS


def write_parts(lines, paths):
    third = len(lines) // 3
    for path, part in zip(paths, (lines[:third], lines[third:2 * third], lines[2 * third:])):
        with (gzip.open if path.endswith(".gz") else open)(path, "wb") as out:
            out.write(b"".join(line + b"\n" for line in part))


def ask_who(chance, daemon, paths, one, what):
    day = chance.randrange(1, len(one.truth) + 1)
    field = chance.choice(("role", "team", "skill"))
    name = chance.choice({"role": ROLES, "team": TEAMS, "skill": SKILLS}[field])
    answer = daemon.ctl("--json", "audit", "who", "--" + field, name, "--at", "2026-01-%02d" % day, *chance.sample(paths, 3)).json
    got = {person["login"]: (person["outcome"], person["approved_by"], person["disabled"]) for person in answer["people"]}
    expected = one.truth[day].get((field, name), {})
    need(got == expected, "who had it", what, day, field, name, got, expected)
    need(all(person["rule"] == 'rule "Rule A" (rosterd.conf:12)' or person["found"] for person in answer["people"]),
         "by which rule", answer)


def ask_history(chance, daemon, paths, one, what):
    """Every line of a person, under any name that they ever had, and of nobody else."""
    about = {seq: whose for seq, whose in one.writer.about.items() if whose}
    word = chance.choice([name for whose in about.values() for name in whose.values()])
    ids = {whose["id"] for whose in about.values() if word in whose.values()}
    expected = [seq for seq, whose in about.items() if whose["id"] in ids]
    out = daemon.ctl("--json", "audit", "show", "--person", word, *chance.sample(paths, 3)).out
    got = [json.loads(line)["seq"] for line in out.splitlines()]
    need(got == expected, "the history", what, word, got, expected)


@deadline(300)
def test_answers_against_an_oracle(t):
    """Who had what on any day, and the history of a person, of hundreds of random histories over three files, one of them
    compressed: with changes that others made, users who vanish, names that change hands, and older states that come back.
    ROSTERD_SEED and ROSTERD_HISTORIES are the long form."""
    daemon = t.rosterd(t.shared(Slapd), t.simulator(), t.shared(Slapd).fresh())
    seed = int(os.environ.get("ROSTERD_SEED", "20261128"))
    for number in range(int(os.environ.get("ROSTERD_HISTORIES", "200"))):
        chance = random.Random(seed + number)
        one = histories.History(chance, people=12, days=chance.randrange(3, 25))
        paths = [t.path("a.jsonl.gz"), t.path("b.jsonl"), t.path("c.jsonl")]
        write_parts(one.writer.lines, paths)
        if number % 10 == 0:
            need(daemon.ctl("--json", "audit", "verify", *paths).json["whole"], "rosterd agrees with the writer of the document")
        for _ in range(4):
            ask_who(chance, daemon, paths, one, seed + number)
        ask_history(chance, daemon, paths, one, seed + number)


@deadline(240)
def test_history_is_what_the_files_say(t):
    """The daemon's answer, which knows the directory too, and that of the files alone: the same lines for each name of random histories
    over closed files, one of them compressed, and the present one. ROSTERD_SEED and ROSTERD_HISTORIES are the long form."""
    seed, n_asked = int(os.environ.get("ROSTERD_SEED", "20261130")), 0
    for number in range(seed, seed + int(os.environ.get("ROSTERD_HISTORIES", "4"))):
        chance = random.Random(number)
        daemon = t.rosterd(t.shared(Slapd), t.simulator(), t.shared(Slapd).fresh())
        daemon.once()
        daemon.audit_is_spoilt = True
        with open(daemon.audit_file, "rb") as data:
            writer = signed.Writer(data.read().split(b"\n")[:-1])
        one = histories.History(chance, people=9, days=14, writer=writer)
        write_parts(writer.lines, [daemon.audit_file + ".2.gz", daemon.audit_file + ".1", daemon.audit_file])
        daemon.start()  # the file is ahead of the state, and goes on
        files = [daemon.audit_file + end for end in ("", ".1", ".2.gz")]
        words = sorted({name for whose in one.writer.about.values() if whose for name in whose.values()})
        for word in chance.sample(words, min(12, len(words))) + ["nobody-at-all"]:
            told = [json.loads(line) if isinstance(line, str) else line for line in daemon.ctl("--json", "history", word, code=None).json["lines"]]
            shown = [json.loads(line) for line in daemon.ctl("--json", "audit", "show", "--person", word, *chance.sample(files, 3)).out.splitlines()]
            for line in shown:
                line.pop("format_version", None)
            need(told == shown, "the same", number, word, [line["seq"] for line in told], [line["seq"] for line in shown])
            n_asked += len(shown) > 1
        daemon.stop()
    need(n_asked > 20, "some had lines", n_asked)


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


# A process begins with the memory of whoever started it on record, so that is to be a small one.
PEAK = """import os, sys
with open(os.devnull, "wb") as nowhere:
    pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, nowhere.fileno(), 1)])
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024)"""


def peak_of(*arguments):
    done = subprocess.run([sys.executable, "-I", "-S", "-c", PEAK, base.built("rosterctl"), *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, check=True, text=True)
    code, peak = done.stdout.split()
    need(code == "0", "it answers", arguments, done)
    return int(peak)


def cpu_of(path, *arguments):
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen([base.built("rosterctl"), "audit", *arguments, path], stdin=subprocess.DEVNULL, stdout=nowhere)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    need(process.returncode == 0, "it answers", arguments)
    return usage.ru_utime


@deadline(120)
def test_memory_of_many_people(t):
    """Of people who do not have what is asked for a few bytes are remembered; who has it takes what the answer says of them."""
    def written(name, n_others, n_holders):
        writer = Writer()
        for i in range(n_others + n_holders):
            person = {"id": "6f0c2c1e-7fd6-1041-%012x" % i, "dn": "uid=somebody%d,ou=people,dc=example,dc=com" % i, "login": "somebody%d" % i}
            change = {"set": [["role:Supervisor", "Supervisor", 0]]} if i >= n_others else {}
            writer.add(1, "outcome", {"no": i + 1, "op": "profile" if change else "disable", "at": ["rosterd.conf:12 Rule A"], "code": "done"},
                       {**person, **change})
        with open(t.path(name), "wb") as out:
            out.write(b"".join(line + b"\n" for line in writer.lines))
        return t.path(name)

    few, others, holders = written("few.jsonl", 10, 10), written("others.jsonl", 20000, 10), written("holders.jsonl", 10, 8000)
    for form in ((), ("--json",)):
        took = {path: peak_of(*form, "audit", "who", "--role", "Supervisor", path) for path in (few, others, holders)}
        need((took[others] - took[few]) / 20000 < 150, "bytes for somebody who does not have it", form, took)
        need((took[holders] - took[few]) / 8000 < 1200, "bytes for somebody who has it", form, took)


def test_a_login_of_many(t):
    """A login that thousands had, one after the other: the lines of all of them under their later names as well, in a time
    that grows with the lines alone."""
    took = {}
    for n in (800, 6400):
        writer = Writer()
        for new, old, changes in (("n%06d", "shared", [["login_id", "n", None, "shared"]]), ("n%06d", None, [["team", "Sales", 0]])):
            for i in range(n):
                writer.number += 1
                writer.add(1, "outcome", {"no": writer.number, "op": "rename" if old else "update", "at": ["r:12 A"], "code": "done"},
                           {"id": "id-%06d-x" % i, "dn": "uid=p%06d,dc=x" % i, "login": old or new % i, "set": changes})
        path = t.path("shared-%d.jsonl" % n)
        with open(path, "wb") as out:
            out.write(b"".join(line + b"\n" for line in writer.lines))
        shown = subprocess.run([base.built("rosterctl"), "audit", "show", "--json", "--person", "shared", path], stdout=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, check=True).stdout.splitlines()
        need([json.loads(line)["seq"] for line in shown] == list(range(1, 2 * n + 1)), "each line", len(shown))
        took[n] = min(cpu_of(path, "show", "--person", "shared") for _ in range(3))
    need(took[6400] < 24 * took[800] + 0.1, "eight times as many people take no 64 times as long", took)


def test_long_names(t):
    """A name is compared whole, however long it is."""
    writer, names = Writer(), []
    for size in (580, 589, 590, 599, 600, 1023, 5000):
        names += ["R" * size, "R" * size + "x"]
    for i, name in enumerate(names):
        for field in ("role:" + name, "skill:" + name, "team"):
            writer.number += 1
            writer.add(1, "outcome", {"no": writer.number, "op": "update", "at": ["r:12 A"], "code": "done"},
                       {"id": "id-%d" % i, "dn": "uid=p%d,dc=x" % i, "login": "p%d" % i, "set": [[field, name if field == "team" else "50", 0]]})
    path = t.path("long.jsonl")
    with open(path, "wb") as out:
        out.write(b"".join(line + b"\n" for line in writer.lines))
    for i, name in enumerate(names):
        for what in ("role", "team", "skill"):
            done = subprocess.run([base.built("rosterctl"), "audit", "who", "--json", "--" + what, name, path], stdout=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, check=True)
            need([one["login"] for one in json.loads(done.stdout)["people"]] == ["p%d" % i], "who has it", what, len(name))


def test_whoever_reads_it(t):
    """The answer is the same wherever its reader sits: in another zone, where a number has a comma, where i is no capital I."""
    folder = t.path("locales")
    os.mkdir(folder)
    done = subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", os.path.join(folder, "tr_TR.UTF-8")], capture_output=True,
                          stdin=subprocess.DEVNULL, check=False)
    if not os.path.isdir(os.path.join(folder, "tr_TR.UTF-8")):
        raise Missing("the sources of locales are not installed: %r" % done.stderr)
    one = histories.History(random.Random(5), people=9, days=15)
    path = t.path("history.jsonl")
    one.writer.add(16, "intent", {"no": 9999, "op": "create", "at": ["rosterd.conf:12 Rule A"], "lag": 1234},
                   {"id": "id-ida", "dn": "uid=ida,dc=x", "set": [["login_id", "ida.III", 0], ["team", "Sales", 0]]})
    one.writer.add(16, "outcome", {"no": 9999, "code": "done", "st": 200, "ms": 1234.567})
    with open(path, "wb") as out:
        out.write(b"".join(line + b"\n" for line in one.writer.lines))
    for words in (("show",), ("--json", "show"), ("report",), ("report", "--html", "/dev/stdout"), ("--json", "report"), ("verify",),
                  ("who", "--team", "Sales", "--at", "2026-01-09"), ("show", "--person", "IDA.iii"), ("export", "--format", "cef"),
                  ("export", "--format", "ecs")):
        line = [base.built("rosterctl"), *(word for word in words if word == "--json"), "audit",
                *(word for word in words if word != "--json"), path]
        answers = {(locale, zone): subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, check=True,
                                                  env={"LOCPATH": folder, "LC_ALL": locale, "TZ": zone}).stdout
                   for locale, zone in (("C", "UTC"), ("tr_TR.UTF-8", "Asia/Kathmandu"))}
        need(len(set(answers.values())) == 1 and b"ida" in answers["C", "UTC"] + b"ida" * (words[0] in ("verify", "who")),
             "one answer", words, {key: value[:300] for key, value in answers.items()})
