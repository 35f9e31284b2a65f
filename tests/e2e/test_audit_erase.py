"""A person's data leaves the audit by a recorded act and the chain stays whole; rosterd rotates its files itself."""

import glob
import gzip
import json
import os
import random
import re
import shutil
import time

from lib import Slapd, auditlines, base, deadline, histories, need, wait_for


def closed(daemon):
    return sorted(path for path in glob.glob(daemon.audit_file + "[-.]*") if not path.endswith(".erasing"))


def every(daemon):
    """All files in the order of what they hold."""
    def first(path):
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as data:
            line = data.readline()
        return json.loads(line)["seq"] if line else 10 ** 9
    return sorted([*closed(daemon), daemon.audit_file], key=first)


def text_of(paths):
    parts = []
    for path in paths:
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as data:
            parts.append(data.read())
    return b"".join(parts)


def scene(t, n=8, **keys):
    ground = t.shared(Slapd).fresh()
    ground.persons({"u%d" % i: {"telephoneNumber": "+44 20 555 %04d" % i} for i in range(n)})
    ground.person("victim", givenName="Zebulon", sn="Quatermain", mail="zeb@example.com", telephoneNumber="+44 99 123456")
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"poll_interval": "1s"},
                       user={"work_phone": "${telephoneNumber}"}, **keys)
    daemon.start()
    tenant.wait_users(["victim", *["u%d" % i for i in range(n)]])
    wait_for(lambda: len(daemon.audit(event="outcome", code="done")) == n + 1, 10, "all on record")
    return ground, tenant, daemon


TRACES = (b"Zebulon", b"Quatermain", b"zeb@example.com", b"99 123456", b"uid=victim", b'"victim"')


def test_erase(t):
    """T65: what is told of a person leaves every file, the compressed one too; the chain still verifies, and says that
    something was erased, by whom, why and how much; data that is gone without an act is a finding."""
    ground, tenant, daemon = scene(t)
    daemon.audit_is_spoilt = True
    # An older file, compressed.
    os.rename(daemon.audit_file, daemon.audit_file + ".1")
    ground.replace("victim", mail="zebulon@example.com")
    ground.replace("u3", mail="new.u3@example.com")
    tenant.wait_user("victim", email="zebulon@example.com")
    tenant.wait_user("u3", email="new.u3@example.com")
    wait_for(lambda: os.path.exists(daemon.audit_file) and len(daemon.audit(event="outcome")) == 2, 10, "a new file")
    with open(daemon.audit_file + ".1", "rb") as old, gzip.open(daemon.audit_file + ".1.gz", "wb") as new:
        new.write(old.read())
    os.unlink(daemon.audit_file + ".1")
    need(all(trace in text_of(every(daemon)) for trace in TRACES), "it is there to begin with")
    need("reason" in daemon.ctl("audit", "erase", "victim", code=1).err, "a reason is needed")
    answer = daemon.ctl("--json", "audit", "erase", "victim", "--reason", "GDPR-17").json
    need(answer["lines"] >= 2 and answer["files"] == 2, "how much: the intents, since their outcomes tell of nobody", answer)
    for trace in TRACES:
        need(trace not in text_of(closed(daemon)), "no trace is left", trace)
    need(b"u3@example.com" in text_of(closed(daemon)) or b"uid=u3" in text_of(closed(daemon)), "others are untouched")
    wait_for(lambda: daemon.audit(event="erase-end"), 10, "the end is on record")
    chain = auditlines.need_whole(*every(daemon))
    need(len(chain.erased) == answer["lines"], "the second reader counts them", chain.erased, answer)
    rows = [row for _, row in chain.lines if row["ev"].startswith("erase")]
    need([row["ev"] for row in rows][0] == "erase-begin" and rows[-1]["ev"] == "erase-end" and
         all(row["reason"] == "GDPR-17" and row["who"]["uid"] == os.getuid() for row in rows), "who and why", rows)
    verdict = daemon.ctl("--json", "audit", "verify", *every(daemon)).json
    need(verdict["whole"] and verdict["erased"] == answer["lines"], "verify counts them", verdict)
    # One more line without its data, and no act.
    path = [path for path in closed(daemon) if not path.endswith(".gz")][0]
    with open(path, "rb") as data:
        lines = data.read().split(b"\n")
    at = next(i for i, line in enumerate(lines) if b',"p":{' in line)
    lines[at] = auditlines.reader.cut(lines[at])[0]
    with open(path, "wb") as out:
        out.write(b"\n".join(lines))
    found = daemon.ctl("--json", "audit", "verify", *every(daemon), code=2).json
    need(found["findings"][0]["sentence"].startswith("removed") and found["findings"][0]["line"] == at + 1, "a finding", found)
    daemon.stop()


@deadline(180)
def test_erase_under_kill(t):
    """Killed anywhere while it erases: after the next start it ends by itself, and all is whole."""
    chance = random.Random(int(os.environ.get("ROSTERD_SEED", "20261128")))
    for round_number in range(8):
        _, _, daemon = scene(t, n=4 + 10 * (round_number % 2))
        process = base.subprocess.Popen([base.built("rosterctl"), "--socket", daemon.socket, "audit", "erase", "victim",
                                         "--reason", "x"], stdout=base.subprocess.DEVNULL, stderr=base.subprocess.DEVNULL,
                                        cwd=daemon.folder, env=daemon.environment())
        time.sleep(chance.random() * 0.03)  # the moment of the crash, not a wait
        daemon.kill()
        process.wait(10)
        daemon.start()
        begun = b"erase-begin" in text_of(every(daemon)) or daemon.state_query(
            "SELECT count(*) FROM meta WHERE name = 'audit-erasing'")[0][0]
        if begun:
            wait_for(lambda: b'"ev":"erase-end"' in text_of(every(daemon)), 20, "it ends", daemon.log_tail)
            for trace in TRACES:
                need(trace not in text_of(closed(daemon)), "no trace", round_number, trace)
        daemon.stop()
        auditlines.need_whole(*every(daemon))
        need(daemon.ctl("--json", "audit", "verify", *every(daemon)).json["whole"], "whole", round_number)
        need(not glob.glob(daemon.audit_file + "*.erasing") or not begun, "nothing is left beside", glob.glob(daemon.audit_file + "*"))


def test_values_and_rotation(t):
    """values = names leaves mails and phones out; a file that is large enough is closed with a checkpoint at both ends;
    what was kept for long enough is removed, on record."""
    ground, tenant, daemon = scene(t, audit={"values": "names", "rotate": "4K"})
    whole = text_of(every(daemon))
    need(b"Zebulon" in whole and b"zeb@example.com" not in whole and b"99 123456" not in whole, "names alone")
    wait_for(lambda: closed(daemon), 30, "it was rotated", daemon.log_tail)
    first = closed(daemon)[0]
    wait_for(lambda: os.path.exists(daemon.audit_file) and os.path.getsize(daemon.audit_file), 10, "a new file")
    with open(first, "rb") as data:
        last = json.loads(data.read().split(b"\n")[-2])
    with open(daemon.audit_file, "rb") as data:
        begin = json.loads(data.readline())
    need((last["ev"], last["why"], begin["ev"], begin["why"]) == ("checkpoint", "close", "checkpoint", "open"), "both ends",
         last, begin)
    auditlines.need_whole(*every(daemon))
    os.utime(first, (1, 1))
    daemon.configure(audit={"keep": "30d"})
    daemon.reload()
    wait_for(lambda: not os.path.exists(first), 30, "it is removed", daemon.log_tail)
    wait_for(lambda: b'"ev":"retention","say":"%s was removed' % os.path.basename(first).encode() in text_of(every(daemon)), 10,
             "on record, and which")


def test_old_form_is_named(t):
    """Lines of before version 1 cannot be erased: the answer says how many still tell of the person."""
    _, _, daemon = scene(t)
    daemon.audit_is_spoilt = True
    old = daemon.audit_file + ".7"
    shutil.copy(os.path.join(base.ROOT, "tests", "data", "upgrade-0.1.0", "audit.jsonl"), old)
    with open(old, encoding="utf-8") as data:
        person = next(row["person"] for row in map(json.loads, data) if "person" in row and row["person"]["id"])
    answer = daemon.ctl("--json", "audit", "erase", person["id"], "--reason", "x").json
    need(answer["old_form"] > 0 and answer["lines"] == 0, "named", answer)
    text = daemon.ctl("audit", "erase", person["id"], "--reason", "x").out
    need("before version 1" in text and "backups" in text, "and what is not touched", text)


def test_erase_is_tried_again(t):
    """What stopped an erasure is mended: it ends by itself; no second one takes its place meanwhile."""
    _, _, daemon = scene(t, retry={"min": "100ms", "max": "1s", "hold": "1s"})
    odd = daemon.audit_file + ".9.xz"
    with open(odd, "wb") as data:
        data.write(b"\xfd7zXZ\x00")
    said = daemon.ctl("audit", "erase", "victim", "--reason", "x", code=1).err
    need("uncompress it first" in said and "tried again by itself" in said, "why, and what follows", said)
    need("under way" in daemon.ctl("audit", "erase", "u1", "--reason", "y", code=1).err, "one at a time")
    os.unlink(odd)
    wait_for(lambda: daemon.audit(event="erase-end"), 20, "it ends", daemon.log_tail)
    need(not any(trace in text_of(closed(daemon)) for trace in TRACES), "no trace")
    need(len([row for row in auditlines.need_whole(*every(daemon)).lines if row[1]["ev"] == "erase-begin"]) == 1, "one act")


@deadline(60)
def test_whatever_the_files_are_called(t):
    """Closed files that somebody renamed by a pattern of their own, a copy, and what is no audit at all: what is told of a person
    leaves all that hold lines, and the history reads each line once."""
    ground, tenant, daemon = scene(t, n=3)
    daemon.audit_is_spoilt = True
    seen = len(daemon.audit())
    for number, name in enumerate((".old", "-20270331T205346", "-web1.example.com-2027w13", ".save.gz")):
        path = daemon.audit_file + name
        os.rename(daemon.audit_file, path + "x")
        if name.endswith(".gz"):
            with open(path + "x", "rb") as data, gzip.open(path, "wb") as out:
                out.write(data.read())
            os.unlink(path + "x")
        else:
            os.rename(path + "x", path)
        ground.replace("victim", mail="zebulon%d@example.com" % number)
        tenant.wait_user("victim", email="zebulon%d@example.com" % number)
        wait_for(lambda: os.path.exists(daemon.audit_file) and daemon.audit(event="outcome", code="done"), 10, "on record", daemon.log_tail)
    shutil.copy(daemon.audit_file + ".old", daemon.audit_file + ".old.copy")
    notes = "victim, uid=victim, zeb@example.com: ask again\n" * 3
    with open(daemon.audit_file + ".notes", "w", encoding="ascii") as out:
        out.write(notes)
    os.mkfifo(daemon.audit_file + ".pipe")
    lines = text_of(every_line(daemon))
    told = [row["seq"] for row in map(json.loads, lines.split(b"\n")[:-1]) if row.get("p", {}).get("login") == "victim" or b'"victim"' in
            json.dumps(row).encode()]
    need(told and seen, "they are told of", told)
    answer = daemon.ctl("--json", "history", "victim").json
    numbers = [json.loads(line)["seq"] if isinstance(line, str) else line["seq"] for line in answer["lines"]]
    need(set(told) <= set(numbers) and len(numbers) == len(set(numbers)), "the history reads each once", told, numbers)
    files = json.loads(json.dumps(daemon.ctl("--json", "audit", "show", "--person", "victim", *every_line(daemon)).out.splitlines()))
    need([json.loads(line)["seq"] for line in files] == sorted(numbers), "the same by the files alone", numbers)
    daemon.ctl("audit", "erase", "victim", "--reason", "GDPR-9")
    wait_for(lambda: daemon.audit(event="erase-end"), 20, "erased", daemon.log_tail)
    left = [path for path in glob.glob(daemon.audit_file + "*") if os.path.isfile(path) and not path.endswith(".notes")]
    text = text_of(left)
    need(not [trace for trace in (*TRACES, b"zebulon") if trace in text], "nothing is left", [trace for trace in TRACES if trace in text])
    with open(daemon.audit_file + ".notes", encoding="ascii") as data:
        need(data.read() == notes, "what is no audit is let be")
    daemon.stop()
    auditlines.need_whole(*sorted(every_line(daemon), key=auditlines.reader.first_seq))


def every_line(daemon):
    """The files of the audit, without the copy."""
    return [path for path in glob.glob(daemon.audit_file + "*") if not path.endswith((".copy", ".notes", ".pipe"))]


@deadline(60)
def test_names_within_names(t):
    """Lines of others are erased where they tell a value of the person, and not where it is a part of another one: a number that
    another begins with, an address that another ends in. 400 texts drawn by chance against a plain rule of its own."""
    ground, _, daemon = scene(t, n=1)
    daemon.audit_is_spoilt = True
    chance, writer = random.Random(35), histories.Writer()
    values = ["ann@example.com", "+44 20 555 1234", "uid=ann,ou=people,dc=example,dc=org", "0123456789abcdef-77", "204655"]
    person = {"id": values[3], "dn": values[2], "login": "annie"}
    writer.add(1, "outcome", {"no": 1, "op": "create", "code": "done"},
               {**person, "set": [["email", values[0]], ["work_phone", values[1]], ["extension", values[4]]]})
    around = ["", " ", "x", "7", ".", "-", "jo.", "jo-", "co_", ".au", ".", "99", "-99", ",", "\"", "\\", "\n", "\t", "\u0010", "\u00e9", "(", ">",
              "cn=x,", "a b "]
    erased = {1}
    for _ in range(400):
        before, value, behind = chance.choice(around), chance.choice(values), chance.choice(around)
        text = before + value + behind
        seq = writer.add(1, "hold", {"code": "no-mail"}, {"id": "other-%d" % chance.randrange(9), "dn": "uid=o,dc=x", "say": text})
        word = "[A-Za-z0-9]"
        if re.search("(?<!%s)(?<!%s[-._+%%])%s(?![-._+%%]?%s)" % (word, word, re.escape(value), word), text):
            erased.add(seq)
    need(100 < len(erased) < 350, "some of each", len(erased))
    with open(daemon.audit_file + ".0", "wb") as out:
        out.write(b"".join(line + b"\n" for line in writer.lines))
    daemon.ctl("audit", "erase", "annie", "--reason", "GDPR-3")
    wait_for(lambda: daemon.audit(event="erase-end"), 20, "erased", daemon.log_tail)
    with open(daemon.audit_file + ".0", "rb") as data:
        rows = [json.loads(line) for line in data]
    got = {row["seq"] for row in rows if "p" not in row}
    texts = {row["seq"]: json.loads(line).get("p", {}).get("say") for row, line in zip(rows, writer.lines)}
    need(got == erased, "which lines", [(seq, texts[seq], seq in got) for seq in sorted(got ^ erased)][:9])


def split(daemon, lines, at):
    """Two older files beside the present one; the later one cannot be written anew before its `.erasing` is away."""
    older, later = daemon.audit_file + ".2", daemon.audit_file + ".1"
    for path, part in ((older, lines[:at]), (later, lines[at:])):
        with open(path, "wb") as out:
            out.write(b"".join(line + b"\n" for line in part))
    return older, later


def test_erase_goes_on_with_what_it_named(t):
    """Cut short between two files, it ends with all that it named, though what told whose a value is was erased by then; and
    whoever got the same login meanwhile is another person."""
    _, _, daemon = scene(t, n=1, retry={"min": "100ms", "max": "1s", "hold": "1s"})
    daemon.audit_is_spoilt = True
    writer = histories.Writer()
    annie = {"id": "0123456789abcdef-77", "dn": "uid=ann,ou=people,dc=example,dc=org", "login": "annie"}
    writer.add(1, "outcome", {"no": 1, "op": "create", "code": "done"}, {**annie, "set": [["email", "ann@example.com"]]})
    for i in range(5):
        writer.add(1, "hold", {"code": "no-mail"}, {"id": "other-%d" % i, "dn": "uid=o,dc=x", "say": "like ann@example.com"})
    older, later = split(daemon, writer.lines, 1)
    os.mkdir(later + ".erasing")
    daemon.ctl("audit", "erase", "annie", "--reason", "GDPR-3", code=1)
    with open(older, "rb") as data:
        need(b"ann@example.com" not in data.read(), "the first file was written")
    with open(later, "rb") as data:
        need(b"ann@example.com" in data.read(), "the second was not")
    new = writer.add(1, "outcome", {"no": 2, "op": "create", "code": "done"},
                     {"id": "0123456789abcdef-78", "dn": "uid=ann2,ou=people,dc=example,dc=org", "login": "annie", "set": []})
    with open(later, "ab") as out:
        out.write(writer.lines[new - 1] + b"\n")
    os.rmdir(later + ".erasing")
    wait_for(lambda: daemon.audit(event="erase-end"), 20, "it ends", daemon.log_tail)
    with open(later, "rb") as data:
        rows = [json.loads(line) for line in data]
    need([row["seq"] for row in rows if "p" in row] == [new], "all that was named, and nobody else", rows)


def test_erase_of_two_is_refused_later_too(t):
    """A name that means two people erases nobody, also where the first attempt could not look."""
    _, _, daemon = scene(t, n=1, retry={"min": "100ms", "max": "1s", "hold": "1s"})
    daemon.audit_is_spoilt = True
    writer = histories.Writer()
    for i in range(2):
        writer.add(1, "outcome", {"no": i, "op": "create", "code": "done"}, {"id": "id-%d" % i, "dn": "uid=a%d" % i, "login": "annie", "set": []})
    older, _ = split(daemon, writer.lines, 2)
    odd = daemon.audit_file + ".9.xz"
    with open(odd, "wb") as data:
        data.write(b"\xfd7zXZ\x00")
    daemon.ctl("audit", "erase", "annie", "--reason", "x", code=1)
    os.unlink(odd)
    wait_for(lambda: daemon.audit(event="erase-end"), 20, "it ends", daemon.log_tail)
    with open(older, "rb") as data:
        need(all("p" in json.loads(line) for line in data), "nobody was erased")
