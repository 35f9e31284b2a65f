"""No name, value or word of a line forges a line, a cell, a field or a place on the screen in any output of the audit.

The lines are written by the document's words, once with hostile texts and once with plain ones: whatever else differs, both
have as many lines for whoever divides them, by whatever sign."""

import csv
import glob
import io
import json
import os
import re
import shutil
import subprocess

from lib import Slapd, base, deadline, histories, need, wait_for
from lib.base import Missing
from test_audit_export import check, export
from test_audit_report import Page

reader = histories.reader
BREAKS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
HOSTILE = ["ann%sFORGED" % sign for sign in BREAKS] + [
    "=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", "\r=1+1", "|calc", "%2e", "'=1", "\x1b[2J\x1b]0;FORGED\x07", "\u202eDEGROF\u202c",
    "\u2066x\u2069", "\x7f\x9b31m", '"', "'", "\",\"x", "<script>document.title='taken'</script>", "<img src=x onerror=alert(1)>",
    "</td></tr><tr><td>FORGED", "&lt;b&gt;", "a|b=c\\d", "x CEF:0|rosterd|rosterd|1|stop|FORGED|0|", "\\", "\\n", "\\x0aFORGED",
    '{"seq":1,"event":"stop"}', "  ", "\U0001f469\u200d\U0001f4bb\U0001f3fd", "\u05d0\u05d1 \u0627", "e\u0301" * 40, "x" * 5000,
    "\u4e2d" * 2000, "../../etc/passwd", "%s%n%d", "null", "# x", ";ls", "a,b=c"]
BAD = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text):
    """As docs/audit-format.md has it, and what turns the direction of a text as well."""
    return re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]",
                  lambda one: "".join("\\x%02x" % byte for byte in one.group().encode()), text)


def write(path, texts):
    """Every kind of line that tells what came from outside; texts: one for each person."""
    plain_dumps = json.dumps
    writer = histories.Writer()
    histories.json.dumps = lambda *a, **k: re.sub(r"(?<!\\)((?:\\\\)*\\u00)([0-9a-f]{2})", lambda m: m[1] + m[2].upper(),
                                                  plain_dumps(*a, **k))
    try:
        writer.add(1, "start", {"say": "rosterd starts", "d": {"facts": "x\n", "fingerprint": "0", "changed": [
            {"key": text, "from": text, "to": text} for text in texts]}})
        for number, text in enumerate(texts, 1):
            who = {"uid": 1, "name": text, "login": text, "session": text}
            person = {"id": "id-%d" % number, "dn": text, "login": text}
            full = {**person, "set": [["login_id", text, 0], ["role:" + text, text, 0], ["email", text, 0, text]], "why": text}
            op = {"no": number, "op": "create", "at": ["%s:1 %s" % (text, text)]}
            writer.add(2, "approve", {**op, "who": who, "plan": text, "groups": text, "reason": text}, {**full, "say": text})
            writer.add(2, "intent", op, full)
            writer.add(2, "outcome", {"no": number, "code": "done", "st": 200}, {"id": person["id"], "say": text, "text": text})
            for event in ("skip", "hold", "drift", "alarm", "repair"):
                writer.add(3, event, {"code": "no-mail"}, {**person, "say": text, "text": text})
            writer.add(4, "request", {"code": text, "who": who, "reason": text}, {**person, "say": text})
            writer.add(4, "reconcile", {"code": text}, {"say": text})
            writer.add(4, "erase-begin", {"who": who, "reason": text, "say": text})
            writer.add(4, "disable", {"say": text})
    finally:
        histories.json.dumps = plain_dumps
    with open(path, "wb") as out:
        out.write(b"".join(line + b"\n" for line in writer.lines))
    return path, len(writer.lines)


def ctl(*arguments):
    done = subprocess.run([base.built("rosterctl"), *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                          check=False, env={"LANG": "C.UTF-8", "COLUMNS": "100000"})
    need(done.returncode in (0, 2), "it answers", arguments, done.stderr)
    return done.stdout.decode("utf-8")


def lines_of(text, what):
    """As many ways of dividing lines, one number."""
    found = BAD.search(text)
    need(not found, "nothing in it divides lines, steers a terminal or turns a text", what, found and
         text[max(0, found.start() - 80):found.end() + 20])
    need(len(text.splitlines()) == text.count("\n"), "there is one sign that ends a line", what)
    return text.splitlines()


@deadline(120)
def test_texts(t):
    """For people: as many lines, none of which begins with what a value holds."""
    hostile, n = write(t.path("hostile.jsonl"), HOSTILE)
    plain, _ = write(t.path("plain.jsonl"), ["plain%d" % i for i in range(len(HOSTILE))])
    ctl("audit", "verify", hostile)
    need(json.loads(ctl("--json", "audit", "verify", hostile))["findings"] == [], "these lines are in the document's form")
    need(len(ctl("--json", "audit", "show", hostile).splitlines()) == n, "every line is read")
    for arguments in (("show",), ("--json", "show"), ("report",), ("verify",), ("who", "--role", HOSTILE[0]),
                      ("show", "--person", HOSTILE[3]), ("who", "--team", "\x1b[2J")):
        words = [*(word for word in arguments if word == "--json"), "audit", *(word for word in arguments if word != "--json")]
        ours = lines_of(ctl(*words, hostile), words)
        if "--person" not in arguments and "--role" not in arguments:
            other = lines_of(ctl(*words, plain), words)
            need(len(ours) == len(other), "as many lines as with plain names", words, len(ours), len(other))
        need(not [line for line in ours if line.lstrip().startswith("FORGED")], "no line is forged", words)


@deadline(120)
def test_exports(t):
    """For programs: one event a line, and in its fields what the line says."""
    path, n = write(t.path("hostile.jsonl"), HOSTILE)
    for form in ("ecs", "ocsf", "cef"):
        text = export("--format", form, path)
        lines = lines_of(text, form)
        events = check(form, text)
        if form == "ecs":
            need([event["event"]["sequence"] for event in events] == list(range(1, n + 1)) and len(lines) == n, "one event a line")
            names = [event["user"]["target"]["name"] for event in events if event["rosterd"]["event"] == "skip"]
            need(names == HOSTILE, "as they are", [pair for pair in zip(names, HOSTILE) if pair[0] != pair[1]])
        if form == "cef":
            need([int(extension["externalId"]) for _, extension in events] == list(range(1, n + 1)), "one event a line")
            for (_, extension), text in zip([one for one in events if one[0]["class"] == "skip"], HOSTILE):
                shown = printable(text).encode()[:1023].decode(errors="ignore")
                need(extension.get("duser", "") == shown, "the name", text, extension)
        if form == "ocsf":
            need({event["metadata"]["sequence"] for event in events} == set(range(1, n + 1)), "every line is there")


def in_spreadsheet(t, path):
    """The cells as gnumeric shows them, which computes what it takes for a formula."""
    if not shutil.which("ssconvert"):
        raise Missing("gnumeric is not installed")
    out = t.path("shown.csv")
    done = subprocess.run(["ssconvert", "-T", "Gnumeric_stf:stf_csv", path, out], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60, check=False, env={**os.environ, "HOME": t.folder, "LC_ALL": "C.UTF-8"})
    need(done.returncode == 0, "gnumeric reads it", done.stderr)
    with open(out, encoding="utf-8", newline="") as data:
        return list(csv.reader(data))


@deadline(120)
def test_tables(t):
    """The page and the CSV have a row for each line, with the value and nothing else in its cell; a spreadsheet computes
    nothing of it."""
    path, _ = write(t.path("hostile.jsonl"), HOSTILE)
    page_file, folder = t.path("page.html"), t.path("csv")
    ctl("audit", "report", "--html", page_file, "--csv", folder, path)
    with open(page_file, encoding="utf-8", newline="") as data:
        text = data.read()
    page = Page(text)
    need(not page.forbidden and not BAD.search(text), "the page is inert", page.forbidden, BAD.search(text))
    wanted = [printable(text) for text in HOSTILE]
    need([row[3] for row in page.rows["joiners"]] == ["%s (%s)" % (one, one) for one in wanted], "a row each", page.rows["joiners"])
    need([row[4] for row in page.rows["joiners"]] == ["+login_id %s\n+role:%s\n~email %s -> %s" % (one, one, one, one)
                                                      for one in wanted], "no change is forged")
    need(len(page.rows["waiting"]) == 2 * len(HOSTILE) and len(page.rows["approvals"]) == len(HOSTILE), "the other lists")
    for name in sorted(glob.glob(os.path.join(folder, "*.csv"))):
        with open(name, encoding="utf-8-sig", newline="") as data:
            raw = data.read()
        rows = list(csv.reader(io.StringIO(raw, newline=""), strict=True))
        need(len({len(row) for row in rows}) == 1 and not BAD.search(raw.replace("\r\n", "\n")), "cells stay in their row", name)
        need(not [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r|%")], "no cell begins a formula", name)
        shown = in_spreadsheet(t, name)
        texts = [i for i, head in enumerate(rows[0]) if head in ("Person", "Changes", "By", "Reason given", "In words", "Plan")]
        for row, other in zip(rows, shown):  # a quote in front says that what follows is text, and is not shown
            need([row[i].lstrip("'") for i in texts] == [other[i].lstrip("'") if i < len(other) else "" for i in texts],
                 "a spreadsheet shows the text", name, row, other)
        need(len(rows) == len(shown), "and as many rows", name, len(rows), len(shown))


@deadline(150)
def test_of_a_directory(t):
    """The same names as a directory gives them, by a life of rosterd: each export has each line once, also following; each
    line is proved by a proof that a reader of its own verifies."""
    ground = t.shared(Slapd).fresh()
    names = [text for text in HOSTILE if text.strip() == text and "\x00" not in text and len(text) < 60]
    ground.persons({"u%03d" % i: {"givenName": text, "sn": text + "\x00" if i % 7 == 0 else text, "cn": text, "title": text}
                    for i, text in enumerate(names)})
    daemon = t.rosterd(ground.server, t.simulator(), ground, user={"first_name": "${givenName}", "last_name": "${sn}"},
                       rules={"All": {"team": "Sales", "roles": "Agent"}})
    daemon.once()
    with open(daemon.audit_file, "rb") as data:
        lines = data.read().split(b"\n")[:-1]
    need(len(lines) == len(b"\n".join(lines).decode().splitlines()) and b"\x1b" not in b"".join(lines), "the file itself is divided once")
    seqs = [json.loads(line)["seq"] for line in lines]
    for form in ("ecs", "cef"):
        text = export("--format", form, daemon.audit_file)
        need(len(lines_of(text, form)) == len(lines), "one event a line", form)
        check(form, text)
        with open(t.path(form), "wb") as out:
            process = subprocess.Popen([base.built("rosterctl"), "audit", "export", "--format", form, "--follow", daemon.audit_file],
                                       stdin=subprocess.DEVNULL, stdout=out, env={"LANG": "C"})
        base.register(process.pid)
        t.cleanup(process.kill)
        wait_for(lambda: os.path.getsize(t.path(form)) >= len(text.encode()), 20, "it follows", lambda: os.path.getsize(t.path(form)))
        with open(t.path(form), encoding="utf-8", newline="") as data:
            need(data.read() == text, "the same, following", form)
    proved = 0
    for seq in seqs[:-1:5]:
        proof = ctl("audit", "prove", str(seq), daemon.audit_file)
        row, _ = reader.verify_proof(proof.encode())
        need(row["seq"] == seq and len(proof.split("\n")) == 13, "a proof is as many lines", proof)
        proved += 1
    need(proved > 5, "some were proved", proved)
