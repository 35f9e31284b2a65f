"""The audit as events for a SIEM: right by the public schemas, whole, and following a file that grows."""

import gzip
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess

from lib import Slapd, base, histories, need, wait_for

DATA = os.path.join(base.ROOT, "tests", "data", "audit-export")
SCHEMAS = {"ocsf": "ocsf-1.8.0.schema.json", "ecs": "ecs-9.4.0.schema.json"}

_spec = importlib.util.spec_from_file_location("siem_reader", os.path.join(base.ROOT, "tests", "reader", "siem_reader.py"))
reader = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reader)


def export(*arguments, code=0):
    """Without a daemon, a configuration or a home."""
    done = subprocess.run([base.built("rosterctl"), "audit", "export", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=30, check=False, cwd="/", env={"LANG": "C"})
    need(done.returncode == code, "exit code", done)
    return done.stdout.decode("utf-8")


def check(form, text):
    """The events of an export, each held against the schema that is not ours."""
    lines = text.split("\n")
    need(lines.pop() == "", "it ends with a newline")
    if form == "cef":
        return [reader.cef(line) for line in lines]
    with open(os.path.join(DATA, SCHEMAS[form]), encoding="utf-8") as data:
        schema = json.load(data)
    events = [json.loads(line) for line in lines]
    for event in events:
        found = reader.problems(schema, event)
        need(not found, "it fits the schema of " + form, found, event)
    return events


def seqs(form, events):
    if form == "cef":
        return [int(extension["externalId"]) for _, extension in events]
    return [event["event"]["sequence"] if form == "ecs" else event["metadata"]["sequence"] for event in events]


def test_golden_files(t):
    """Every event of the format, hostile names and erased lines: as the golden files say, and as the schemas demand."""
    sample = os.path.join(DATA, "sample.jsonl")
    with open(sample, encoding="utf-8") as data:
        n = len(data.readlines())
    for form in ("ocsf", "ecs", "cef"):
        text = export("--format", form, sample)
        golden = os.path.join(DATA, "sample." + form)
        if os.environ.get("ROSTERD_UPDATE"):
            base.write_file(golden, text)
        with open(golden, encoding="utf-8", newline="\n") as data:
            need(text == data.read(), "the golden file of " + form)
        events = check(form, text)
        need(sorted(set(seqs(form, events))) == list(range(1, n + 1)), "each line, once", seqs(form, events))
    events = check("ocsf", export("--format", "ocsf", sample))
    access = [(e["activity_id"], e["privileges"]) for e in events if e["class_uid"] == 3005]
    need(access == [(1, ["Agent", "Supervisor"]), (1, ["Wallboard"]), (2, ["Supervisor"])],
         "a role that is given and one that is taken are never mixed up", access)
    header, extension = check("cef", export("--format", "cef", "--event", "skip", sample))[0]
    need(header["class"] == "skip" and extension["duid"] == "77aa|=\\bob" and
         extension["duser"] == "bob\\x0ax=1|2\\3" and extension["cs2"].startswith('cn=Bob\\, "the" = x | y'), "escaped", extension)
    need(seqs("cef", check("cef", export("--format", "cef", "--after", "20", sample)))[0] == 21, "after")
    later = check("ecs", export("--format", "ecs", "--after", "4", sample))[0]
    need(later["user"]["target"]["name"] == "ann@example.com", "what an intent before it said", later)
    export("--format", "leef", sample, code=2)
    export("--follow", "--format", "cef", sample, sample, code=2)


def test_random_histories(t):
    """Whatever happened to whom: each line is an event of the schema, and the roles given and taken are those of the lines."""
    path = t.path("history.jsonl")
    for seed in range(5):
        one = histories.History(random.Random(seed), people=8, days=12)
        with open(path, "wb") as out:
            out.write(b"".join(line + b"\n" for line in one.writer.lines))
        rows = [json.loads(line) for line in one.writer.lines]
        for form in ("ocsf", "ecs", "cef"):
            events = check(form, export("--format", form, path))
            need(sorted(set(seqs(form, events))) == [row["seq"] for row in rows], "each line", seed, form)
            if form == "ocsf":
                access = {(e["metadata"]["sequence"], e["activity_id"], role) for e in events if e["class_uid"] == 3005
                          for role in e["privileges"]}
                need(access == roles_of(rows), "who was given and lost what", seed, access ^ roles_of(rows))


def test_sizes_of_cef(t):
    """Whatever a line holds, also one of a later version, its event keeps to the sizes, types and escapes of the standard: texts
    are cut between characters, blanks at their ends are kept, and no field of the header is left out."""
    chance, writer, texts = random.Random(27), histories.Writer(), {}
    signs = ["a", "\u00e4", "\u4e2d", "\U0001f469", " ", "=", "|", "\\", "%", "#", "\\n", " k=", "\\="]
    for number in range(150):
        length = chance.choice((1, 31, 63, 64, 255, 511, 513, 1022, 1023, 1024, 1025, 3999, 4000, 4001, 9000))
        text = "".join(chance.choice(signs) for _ in range(chance.randrange(length // 2, length + 1))) + chance.choice(("", " ", "x  "))
        texts[number + 1] = text
        who = {"uid": chance.randrange(2 ** 32), "name": text, "session": text}
        facts = {"run": 10 ** 17, "who": who, "no": chance.randrange(1, 10 ** 17), "op": text or "create", "code": text, "plan": text, "reason": text}
        personal = {"id": text, "dn": text, "login": text, "set": [["role:" + text, text, 0], [text, text, 0, text]], "why": text, "say": text}
        writer.add(1, chance.choice(("outcome", "approve", "skip", "drift", text)), facts, chance.choice((personal, {"id": text}, None)))
    path = t.path("sizes.jsonl")
    with open(path, "wb") as out:
        out.write(b"".join(line + b"\n" for line in writer.lines))
    events = check("cef", export("--format", "cef", path))
    need([extension["externalId"] for _, extension in events] == [str(number) for number in texts], "each line")
    for (header, extension), text in zip(events, texts.values()):
        for key, longest in (("reason", 1023), ("cs5", 4000), ("cs4", 4000), ("duser", 1023), ("suser", 1023), ("cs2", 4000)):
            shown = text.encode()[:longest].decode(errors="ignore")
            need(extension.get(key, shown) == shown, "cut between characters, and all that fits is there", key, text)
        need(text or header["class"], "a class", header)


def roles_of(rows):
    """(line, 1 or 2, role) of outcomes that are done, by the document's words."""
    intents, found = {}, set()
    for row in rows:
        if row["ev"] in ("start", "repair"):
            intents.clear()
        if row["ev"] == "intent":
            intents[row["no"]] = row
        if row["ev"] != "outcome":
            continue
        whole = row if "op" in row else intents.get(row["no"], {})
        for field, to, *_ in whole.get("p", {}).get("set", []) if row["code"] == "done" else []:
            if field.startswith("role:"):
                found.add((row["seq"], 1 if to else 2, field[5:]))
        intents.pop(row["no"], None)
    return found


class Follower:
    """rosterctl audit export --follow, and what it wrote."""

    def __init__(self, t, daemon, form, after=0):
        self.form, self.path = form, t.path("follow-%s-%d" % (form, after))
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen([base.built("rosterctl"), "audit", "export", "--format", form, "--follow",
                                             "--after", str(after), daemon.audit_file], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=subprocess.PIPE, env={"LANG": "C"})
        base.register(self.process.pid)
        t.cleanup(self.end)

    def end(self):
        self.process.kill()
        self.process.communicate()

    def seqs(self):
        with open(self.path, encoding="utf-8") as data:
            text = data.read()
        need(self.process.poll() is None, "it goes on", lambda: self.process.communicate())
        return seqs(self.form, check(self.form, text[:text.rfind("\n") + 1])) if "\n" in text else []

    def wakings(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as rows:
            return [row for row in rows if "ctxt_switches" in row]


def written(daemon, *closed):
    found = []
    for path in (*closed, daemon.audit_file):
        with open(path, encoding="utf-8") as data:
            found += [json.loads(line)["seq"] for line in data.read().split("\n")[:-1]]
    return found


def test_follow(t):
    """--follow gives every line once: from the closed files, from one that grows, over a rotation by rosterd, one by renaming
    and one that it slept through; it sleeps while nothing happens, and goes on behind --after."""
    ground = t.shared(Slapd).fresh()
    ground.persons({"ann": {"sn": "a|b=c\\d"}, "bob": {}})
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"poll_interval": "1s"}, lifecycle={"leave_grace": "0"})
    daemon.audit_is_spoilt = True
    daemon.start()
    tenant.wait_users(["ann", "bob"])
    followers = [Follower(t, daemon, form) for form in ("ecs", "cef")]

    def all_there(*closed):
        for one in followers:
            wait_for(lambda: one.seqs() == written(daemon, *closed), 20, "each line, once, in its order",
                     lambda: (one.seqs(), written(daemon, *closed)))

    all_there()
    ground.persons({"cyd": {}})
    tenant.wait_user("cyd")
    all_there()
    # Renamed away; the next line begins a new file.
    first = daemon.path("audit.jsonl.1")
    os.rename(daemon.audit_file, first)
    ground.persons({"dan": {}})
    tenant.wait_user("dan")
    wait_for(lambda: os.path.exists(daemon.audit_file), 10, "a new file")
    all_there(first)
    # Asleep over two rotations, one of them compressed.
    for one in followers:
        one.process.send_signal(signal.SIGSTOP)
    closed = [first]
    for n, uid in ((2, "eve"), (3, "fay")):
        closed.append(daemon.path("audit.jsonl.%d" % n))
        os.rename(daemon.audit_file, closed[-1])
        ground.persons({uid: {}})
        tenant.wait_user(uid)
        wait_for(lambda: os.path.exists(daemon.audit_file), 10, "a new file")
    with open(closed[1], "rb") as data, gzip.open(closed[1] + ".gz", "wb") as out:
        shutil.copyfileobj(data, out)
    kept = t.path("kept")
    os.rename(closed[1], kept)
    for one in followers:
        one.process.send_signal(signal.SIGCONT)
    lines = (first, kept, closed[2])
    all_there(*lines)
    # A line in two pieces is one line, and nobody is woken while nothing happens.
    daemon.stop()
    all_there(*lines)
    before = [one.wakings() for one in followers]
    daemon.ctl("audit", "verify", daemon.audit_file)
    need([one.wakings() for one in followers] == before, "they sleep", before)
    last = written(daemon)[-1]
    with open(daemon.audit_file, "ab") as out:
        out.write(b'{"v":1,"seq":%d,"t":"2026-11-28T18:00:00.000000Z","ev":"sk' % (last + 1))
        out.flush()
        wait_for(lambda: all(one.wakings() != was for one, was in zip(followers, before)), 10, "they look")
        need(all(one.seqs()[-1] == last for one in followers), "half a line is none")
        out.write(b'ip","prev":"%s"}\n' % (b"A" * 43))
    for one in followers:
        wait_for(lambda: one.seqs()[-1] == last + 1, 10, "the whole line")
    # Another one goes on where the first was.
    third = Follower(t, daemon, "ocsf", last - 3)
    wait_for(lambda: sorted(set(third.seqs())) == [last - 2, last - 1, last, last + 1], 10, "behind --after", third.seqs)


def test_follow_ends_with_its_reader(t):
    """Who follows ends when nobody reads any more, without another line; and waits for a file that is not there yet."""
    ahead = t.path("audit.jsonl")
    process = subprocess.Popen([base.built("rosterctl"), "audit", "export", "--format", "cef", "--follow", ahead],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env={"LANG": "C"})
    base.register(process.pid)
    try:
        shutil.copy(os.path.join(DATA, "sample.jsonl"), ahead)
        need(process.stdout.readline().startswith(b"CEF:0|rosterd|"), "the first line of a file that came later")
        process.stdout.close()
        need(process.wait(10) in (0, -signal.SIGPIPE), "it ends", process.returncode)
    finally:
        process.kill()
