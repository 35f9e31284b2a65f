"""docs/auditors.md as an auditor walks it: every command of the page on copies of a busy rosterd's files, without rosterd, and
once more with the reader in Python, which shares no code with it."""

import datetime
import gzip
import os
import random
import re
import shlex
import shutil
import subprocess
import sys

from lib import auditlines, base, deadline, need, wait_for
from test_audit_tamper import content, note_of
from test_plan_groups import groups_of, grown, plan_of, settled

READER = os.path.join(base.ROOT, "tests", "reader", "audit_reader.py")
PAGE = os.path.join(base.ROOT, "docs", "auditors.md")


def busy(t):
    """A life with approvals in parts, movers, leavers, other roles, a new configuration, drift and an erasure."""
    d, tenant, movers, leavers, seniors = grown(t, 11)
    plan = plan_of(d, code=2)
    letter = next(letter for letter, group in groups_of(plan).items() if group["what"] == "team")
    d.ctl("approve", plan["hash"], letter, "--reason", "CHG-1")
    wait_for(lambda: sorted(one for one, user in tenant.users().items() if user["team"] == "Sales") == sorted(movers), 20, "they move")
    settled(d)
    d.ctl("approve", plan_of(d, code=2)["hash"], "--reason", "CHG-2")
    wait_for(lambda: sorted(one for one, user in tenant.users().items() if "Supervisor" in user["roles"]) == sorted(seniors), 20,
             "they are supervisors")
    settled(d)
    d.configure(lifecycle={"verify_interval": "1s"})
    d.ctl("reload", "--reason", "CHG-3")
    tenant.edit(movers[0], team="Customer Service")
    wait_for(lambda: d.audit(event="drift"), 30, "it is seen", d.log_tail)
    d.ctl("audit", "erase", leavers[0], "--reason", "GDPR-1")
    wait_for(lambda: d.audit(event="erase-end"), 20, "erased", d.log_tail)
    vkey = d.ctl("audit", "key").out.strip()
    d.stop()
    return d, vkey, {"plan": plan["hash"], "letter": letter, "movers": movers, "leavers": leavers, "seniors": seniors}


def copies(t, d):
    """What an auditor is given: copies in a folder of their own, in no order, the older ones compressed."""
    folder = t.path("evidence")
    os.mkdir(folder)
    names = [name for name in os.listdir(d.folder) if name.startswith("audit.jsonl")]
    for name in names:
        with open(os.path.join(d.folder, name), "rb") as data:
            text = data.read()
        packed = name != "audit.jsonl"
        with (gzip.open if packed else open)(os.path.join(folder, name + (".gz" if packed else "")), "wb") as out:
            out.write(text)
    files = [os.path.join(folder, name) for name in os.listdir(folder)]
    random.Random(1).shuffle(files)
    last = content(max(files, key=lambda path: auditlines.reader.first_seq(path)))[-1]
    with open(t.path("kept.note"), "w", encoding="utf-8") as out:
        out.write(note_of(last))
    return files


def commands():
    """[(question, command)]: each of the table, also those that are told by what differs."""
    with open(PAGE, encoding="utf-8") as data:
        table = data.read().partition("## Ten questions")[2].partition("\n## ")[0]
    found = []
    for question, told in re.findall(r"^\| (.*?\?) \| (.*) \|$", table, re.M):
        last = None
        for code in re.findall(r"`([^`]*)`", told):
            if code.startswith("rosterctl"):
                last = code
                found.append((question, code))
            elif " " in code:  # `--skill Spanish`: the same with that
                name = code.split(" ")[0]
                found.append((question, re.sub("--team [^ ]+" if name == "--skill" else name + " [^ ]+", code, last)))
    for code in re.findall(r"^[^|\n]*`(rosterctl audit (?:report|prove|verify --key KEY --proof|export)[^`]*)`", table, re.M):
        found.append(("below the table", code))
    return found


def run(t, command, files, vkey, login):
    today = datetime.datetime.now(datetime.timezone.utc)
    after = (today.replace(day=28) + datetime.timedelta(days=5)).strftime("%Y-%m")
    words = []
    for word in shlex.split(command.replace("ocsf|ecs|cef", "ecs"))[1:]:
        if word == ">":
            break
        words += {"KEY": [vkey], "NOTE": [t.path("kept.note")], "FILE...": files, "LOGIN": [login], "2026-11": [today.strftime("%Y-%m")],
                  "2026-12": [after], "2026-11-29": [today.strftime("%Y-%m-%d")], "proof.txt": [t.path("proof.txt")],
                  "1041": ["12"]}.get(word, [word])
    done = subprocess.run([base.built("rosterctl"), *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
                          cwd=t.path("desk"), env={"LANG": "C.UTF-8", "COLUMNS": "200"})
    need(done.returncode == 0, "the command of the page answers", command, words, done.stdout[-500:], done.stderr)
    out = done.stdout.decode("utf-8")
    if "> proof.txt" in command:
        with open(t.path("proof.txt"), "w", encoding="utf-8") as proof:
            proof.write(out)
    return out


def read(*words):
    return subprocess.run([sys.executable, READER, *words], capture_output=True, timeout=60, check=False, text=True)


def check_reader(t, files, vkey):
    """Without rosterd: the same verdicts, by the key that is trusted and a checkpoint that was kept elsewhere."""
    kept = ("--key", vkey, "--checkpoint", t.path("kept.note"))
    done = read(*kept, *files)
    need(done.returncode == 0 and "signed by the trusted key up to line" in done.stdout, "whole", done)
    name, number, key = vkey.split("+", 2)
    other = "%s+%s+%s" % (name, number, key[:-2] + ("A=" if key[-2] != "A" else "E="))
    done = read("--key", other, *files)
    need(done.returncode == 2 and "by the key that is trusted" in done.stdout, "another key is not trusted", done)
    need(read("--key", vkey, "--proof", t.path("proof.txt")).returncode == 0, "a proof")
    need(read("--key", other, "--proof", t.path("proof.txt")).returncode != 0, "not of another key")
    present = next(path for path in files if not path.endswith(".gz"))
    lines = content(present)
    with open(present + ".cut", "wb") as out:
        out.write(b"".join(line + b"\n" for line in lines[:-2]))
    done = read(*kept, *[path for path in files if path != present], present + ".cut")
    need(done.returncode == 2 and done.stdout.startswith("cut: "), "a cut end", done)
    shutil.move(present + ".cut", t.path("cut"))


def check_lines(d, chain, life):
    """Of the lines that rosterd wrote: which groups were approved, and configurations whose fingerprint is made anew."""
    approvals = [row for _, row in chain.lines if row["ev"] == "approve"]
    parts = [row for row in approvals if row["reason"] == "CHG-1"]
    need(parts and {row["groups"] for row in parts} == {"%s (team)" % life["letter"]} and {row["plan"] for row in parts} == {life["plan"]},
         "the groups of the plan", parts[:1])
    need(not [row for row in approvals if row["reason"] == "CHG-2" and "groups" in row], "all of it")
    facts = [row["d"] for _, row in chain.lines if row["ev"] in ("start", "configuration") and "facts" in row.get("d", {})]
    need(len(facts) >= 2 and len({one["fingerprint"] for one in facts}) >= 2 and not chain.problems, "fingerprints", chain.problems)
    need("verify_interval" in facts[-1]["facts"] and any(one["changed"] for one in facts), "what it says, and what changed")


@deadline(150)
def test_walk(t):
    """Ten questions and what is below them, each command as it stands on the page."""
    d, vkey, life = busy(t)
    files = copies(t, d)
    os.mkdir(t.path("desk"))
    login = life["movers"][0]
    wanted = {"Has anybody": ["whole"], "Was anything cut": ["whole"], "Who had the role": life["seniors"], "Who was in": [],
              "What was done": [login, "Sales"], "What was approved": ["CHG-1", "CHG-2"], "Who joined": [], "Which configuration": [],
              "What did others": [login], "Was personal data": ["GDPR-1"], "below": []}
    asked, said = [], {}
    for question, command in commands():
        asked.append(command)
        said.setdefault(next(name for name in wanted if question.startswith(name)), []).append(run(t, command, files, vkey, login))
    need(set(said) == set(wanted) and len(asked) >= 17, "every question of the page was asked", sorted(said), asked)
    for name, texts in wanted.items():
        need(not [text for text in texts if text not in said[name][0]], "the answer", name, texts, said[name][0][-3000:])
    need(all(len(one.splitlines()) > 1 for one in said["Who joined"]) and "CHG-3" in said["Which configuration"][0], "more answers", said)
    need(os.path.exists(os.path.join(t.path("desk"), "report.html")), "the report to hand over")
    check_reader(t, files, vkey)
    paths = sorted(files, key=auditlines.reader.first_seq)
    check_lines(d, auditlines.reader.read(paths, trusted=vkey), life)
