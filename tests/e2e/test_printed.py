"""What rosterctl prints: every verb at a terminal of 80 and of 200 columns against tests/data/ctl/NAME-80.txt and
NAME-200.txt, and its --json against the answer that it was given. A service of our own answers with tests/data/ctl/NAME.json;
where nothing asks a daemon (check, test, help), the built programs do. ROSTERD_UPDATE=1 rewrites what is expected."""

import json
import os
import re
import shutil
import socket
import threading
import unicodedata

from lib import base, need, schema
from lib.faked import Faked
from lib.terminal import Terminal

SAMPLES = os.path.join(base.ROOT, "tests/data/ctl")
NOW = 1795521600  # 2026-11-24T12:00:00Z, the time of the samples

# Name of the texts, the sample that answers, the words, the exit code.
ASKED = [
    ("status", "status", "status", 2),
    ("status-fresh", "status-fresh", "status", 0),
    ("status-broken", "status-broken", "status", 0),
    ("plan", "plan", "plan", 2),
    ("plan-observing", "plan-observing", "plan", 2),
    ("plan-observing-ready", "plan-observing-ready", "plan", 2),
    ("plan-summary", "plan", "plan --summary", 2),
    ("plan-many", "plan-many", "plan", 2),
    ("plan-empty", "plan-empty", "plan", 0),
    ("plan-adoption", "plan-adoption", "plan", 0),
    ("plan-problems", "plan-problems", "plan", 1),
    ("plan-wide", "plan-wide", "plan --all", 2),
    ("plan-letter", "plan", "plan a", 2),
    ("plan-person", "plan", "plan --person bert", 2),
    ("explain", "explain", "explain anna", 0),
    ("explain-all", "explain", "explain anna --all", 0),
    ("explain-case", "explain-case", "explain anna --case", 0),
    ("holds", "holds", "holds", 2),
    ("holds-none", "holds-none", "holds", 0),
    ("history", "history", "history anna", 0),
    ("config", "config", "config show", 0),
    ("approve", "approve", "approve 6f1c0e", 0),
    ("approve-some", "approve-some", "approve 6f1c0e b d", 0),
    ("retry", "retry", "retry --all", 0),
    ("retry-one", "retry-one", "retry anna", 0),
    ("sync", "sync", "sync", 0),
    ("sync-person", "sync-person", "sync anna", 0),
    ("start", "start", "start", 0),
    ("start-again", "start-again", "start", 0),
    ("pause", "pause", "pause", 0),
    ("resume", "resume", "resume", 0),
    ("reload", "reload", "reload", 0),
    ("check", "check", "check", 2),
    ("check-commands", "check", "check --commands", 2),
    ("refused", "refused", "explain anna", 1),
]


class Service:
    """Answers each call with one sample; a sample with "error" is a refusal."""

    def __init__(self, t, path):
        self.answer = {}
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        t.cleanup(self.close)

    def close(self):
        """The thread ends first: else it might accept for the next service, whose socket gets the same number."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            with connection:
                asked = b""
                while b"\0" not in asked:
                    more = connection.recv(65536)
                    if not more:
                        break
                    asked += more
                else:
                    says = self.answer if "error" in self.answer else {"parameters": self.answer}
                    connection.sendall(json.dumps(says).encode() + b"\0")


def sample(name):
    with open(os.path.join(SAMPLES, name + ".json"), encoding="utf-8") as f:
        return json.load(f)


def columns_of(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def compare(name, width, text):
    path = os.path.join(SAMPLES, "%s-%d.txt" % (name, width))
    if os.environ.get("ROSTERD_UPDATE"):
        base.write_file(path, text, 0o644)
    with open(path, encoding="utf-8") as f:
        expected = f.read()
    need(text == expected, "%s at %d columns is as in %s" % (name, width, path), text, expected)


def bench(t):
    """A folder with the built rosterctl, and the environment of a person whose clock stands at the time of the samples."""
    lie = Faked(t)
    lie.say("still", "%d\n" % NOW)
    folder = t.path("bench")
    os.makedirs(folder)
    shutil.copy(base.built("rosterctl"), folder)
    env = {"PATH": os.environ["PATH"], "HOME": folder, "LANG": "C.UTF-8", "TERM": "xterm", "NO_COLOR": "1", "TZ": "UTC", **lie.env}
    return folder, env


def at_terminal(t, folder, env, words, width, code):
    terminal = Terminal([os.path.join(folder, "rosterctl"), "--no-pager", *words], env, width, 50, folder)
    t.cleanup(terminal.close)
    ended = terminal.end()
    need(ended == code, "rosterctl %s ends with %d" % (" ".join(words), code), ended, terminal.text)
    return terminal.text


def test_answers(t):
    """Text at both widths, nothing wider than the terminal but a word that cannot be broken; JSON is the answer and its version."""
    folder, env = bench(t)
    service = Service(t, os.path.join(folder, "control"))
    base.write_file(os.path.join(folder, "none.conf"), "", 0o600)
    base.write_file(os.path.join(folder, "rosterd"), "#!/bin/sh\ncat check.json\n", 0o755)  # what check starts
    for name, answers, line, code in ASKED:
        service.answer = sample(answers)
        shutil.copy(os.path.join(SAMPLES, "check.json"), folder)
        words = ["-c", "none.conf"] + line.split() if line.startswith("check") else ["--socket", "control"] + line.split()
        for width in (80, 200):
            text = at_terminal(t, folder, env, words, width, code)
            compare(name, width, text)
            wide = [x for x in text.splitlines() if columns_of(x) > width]
            verbatim = name in ("check-commands", "explain-case", "refused")  # for a shell, for a file, the one line of a failure
            need(verbatim or not wide, "no line is wider than the terminal", name, width, wide)
        printed = base.run([os.path.join(folder, "rosterctl"), *words, "--json"], check=False, env=env, cwd=folder)
        need(printed.returncode == code, "the same exit code", name, printed)
        printed = json.loads(printed.stdout)
        need(printed.pop("format_version") == "1.0", "the version", printed)
        if "error" in service.answer:
            need(set(printed) == {"error", "message"} and printed["error"] == "not-found", "a failure", printed)
            continue
        if line.startswith("plan ") and name not in ("plan-summary", "plan-wide"):
            chosen = printed["operations"]
            need(chosen and all(o in service.answer["operations"] for o in chosen), "a choice of the plan", name, chosen)
            continue
        given = dict(service.answer)
        if name == "check":  # the commands only if they are asked for
            given.pop("commands", None)
        need(printed == given, "the answer as it came", name, printed, given)


COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_colour(t):
    """Colour on a terminal alone, unless NO_COLOR or --color says otherwise; and nothing is told by colour: without it every
    verb's text is the same, and what looks alike then is no different."""
    folder, env = bench(t)
    service = Service(t, os.path.join(folder, "control"))
    base.write_file(os.path.join(folder, "none.conf"), "", 0o600)
    base.write_file(os.path.join(folder, "rosterd"), "#!/bin/sh\ncat check.json\n", 0o755)
    program, coloured = os.path.join(folder, "rosterctl"), 0
    for name, answers, line, code in ASKED:
        service.answer = sample(answers)
        shutil.copy(os.path.join(SAMPLES, "check.json"), folder)
        words = ["-c", "none.conf"] + line.split() if line.startswith("check") else ["--socket", "control"] + line.split()

        def raw(more, *options):
            terminal = Terminal([program, "--no-pager", *options, *words], {k: v for k, v in {**env, **more}.items() if v}, 80, 50, folder)
            t.cleanup(terminal.close)
            need(terminal.end() == code, "the same exit code", name, terminal.text)
            return terminal.raw

        bright, plain = raw({"NO_COLOR": ""}), raw({})
        coloured += bool(COLOUR.search(bright))
        lines = [[row.rstrip() for row in COLOUR.sub("", text).splitlines()] for text in (bright, plain)]
        need(not COLOUR.search(plain) and lines[0] == lines[1], "colour adds nothing but colour", name, bright, plain)
        need(not COLOUR.search(raw({"NO_COLOR": ""}, "--color=never")), "--color=never", name)
        need(not COLOUR.search(raw({"NO_COLOR": "", "TERM": "dumb"})), "a terminal that has none", name)
        piped = base.run([program, *words], check=False, env={k: v for k, v in env.items() if k != "NO_COLOR"}, cwd=folder)
        need(not COLOUR.search(piped.stdout + piped.stderr), "none in a pipe", name, piped)
        if COLOUR.search(bright):
            piped = base.run([program, "--color=always", *words], check=False, env=env, cwd=folder)
            need(COLOUR.search(piped.stdout), "--color=always", name)
    need(coloured > len(ASKED) / 3, "colours are used", coloured)


def test_verbs_have_texts(t):
    """No verb of the help lacks a text here but those that read files (test, audit: they have tests of their own)."""
    del t
    shown = base.run([base.built("rosterctl"), "--help"]).stdout
    verbs = set(re.findall(r"^  (\w+)(?: .*)?$", shown, re.M))
    need(len(verbs) > 12, "verbs", shown)
    need(verbs - {line.split()[0] for _, _, line, _ in ASKED} == {"test", "audit"}, "each verb", verbs)


def test_samples_are_answers(t):
    """What is rendered here is what rosterd may say: each sample holds against its schema."""
    del t
    found = []
    for _, answers, line, _ in ASKED:
        given = dict(sample(answers), format_version="1.0")
        if "error" in given:
            continue
        for complaint in schema.complaints(schema.name_of(line.split()), given):
            found.append("%s.json: %s" % (answers, complaint))
    need(not found, "the samples are as their schemas say", *found)


def test_help(t):
    """Each verb's help, and that of the whole."""
    folder, env = bench(t)
    verbs = sorted({line.split()[0] for _, _, line, _ in ASKED} | {"test", "audit"})
    for width in (80, 200):
        texts = [at_terminal(t, folder, env, words, width, 0) for words in [["--help"]] + [[v, "--help"] for v in verbs]]
        text = "\n".join(texts)
        compare("help", width, text)
        need(not [x for x in text.splitlines() if columns_of(x) > width], "nothing wider than the terminal", text)


def test_cases(t):
    """rosterctl test, of people who pass and who fail."""
    folder, env = bench(t)
    os.makedirs(os.path.join(folder, "cases"))
    base.write_file(os.path.join(folder, "rosterd.conf"), """[directory]
uri = ldaps://ldap.example.com
base = dc=example,dc=com
bind = anonymous
[tenant]
url = https://acme.example.com
client_id = x
client_secret_file = secret
[rule "Sales"]
group = cn=sales,dc=example,dc=com
team = Sales
roles = Agent
[rule "Spanish"]
when = (preferredLanguage=es*)
skills = Spanish:80
""", 0o600)
    person = ("dn: uid=ada,dc=example,dc=com\nuid: ada\ngivenName: Ada\nsn: Byron\nmail: ada@example.com\npreferredLanguage: es\n\n"
              "group: cn=sales,dc=example,dc=com\nexpect: user\nlogin_id: ada\nfirst_name: Ada\nlast_name: Byron\n"
              "email: ada@example.com\nteam: %s\nrole: Agent\nskill: Spanish:80\n")
    for name, team in (("ada", "Sales"), ("moved", "A team that was renamed since and has a long name")):
        base.write_file(os.path.join(folder, "cases", name + ".case"), person % team, 0o600)
    for name, words, code in (("test", ["test"], 2), ("test-all", ["test", "--all"], 2), ("test-fine", ["test", "cases/ada.case"], 0)):
        words = ["-c", "rosterd.conf"] + words
        for width in (80, 200):
            text = at_terminal(t, folder, env, words, width, code)
            compare(name, width, text)
            need(not [x for x in text.splitlines() if columns_of(x) > width], "nothing wider than the terminal", text)
        printed = base.run([os.path.join(folder, "rosterctl"), *words, "--json"], check=False, env=env, cwd=folder)
        need(printed.returncode == code and json.loads(printed.stdout)["failed"] == (1 if code else 0), "the same in JSON", printed)
