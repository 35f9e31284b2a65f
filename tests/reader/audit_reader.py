#!/usr/bin/env python3
"""A second reader of audit files, written from docs/audit-format.md alone: it shares no code with rosterd.

    audit_reader.py FILE...        verifies files given in their order; prints what is wrong, else one line
    audit_reader.py --proof FILE   verifies a proof

Ed25519 is openssl's. As a module: read(paths) -> Chain, verify_proof(text)."""

import base64
import gzip
import hashlib
import json
import re
import subprocess
import sys
import tempfile

MARKER = b',"p":{"s":"'
PLACE = re.compile(r"^(.*?):(\d+)(?: (.*))?$", re.S)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unurl(text):
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def cut(line):
    """The line without p, and p's bytes or None."""
    if MARKER not in line:
        return line, None
    at = line.index(MARKER)
    return line[:at] + b"}", line[at + len(b',"p":'):-1]


def parts(line):
    """(head, prev) of a line without p."""
    head, tail = line.rsplit(b',"prev":"', 1)
    if len(tail) != 45 or tail[43:] != b'"}':
        raise ValueError("prev is not where it belongs")
    return head, unurl(tail[:43])


def link_of(line):
    if line.startswith(b'{"seq":'):
        return hashlib.sha256(line).digest()
    head, prev = parts(cut(line)[0])
    return sha(b"\0", sha(b"\2", head), prev)


def signed(vkey, text, sig):
    """Is sig the key's over text?  vkey: NAME+ID+KEY."""
    name, number, key = vkey.split("+", 2)
    public, signature = base64.b64decode(key), base64.b64decode(sig)
    if public[:1] != b"\1" or sha(name.encode(), b"\n", public)[:4].hex() != number:
        return False
    if signature[:4].hex() != number:
        return False
    with tempfile.NamedTemporaryFile() as k, tempfile.NamedTemporaryFile() as s, tempfile.NamedTemporaryFile() as t:
        for out, data in ((k, bytes.fromhex("302a300506032b6570032100") + public[1:]), (s, signature[4:]), (t, text)):
            out.write(data)
            out.flush()
        return subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", k.name, "-rawin",
                               "-in", t.name, "-sigfile", s.name], capture_output=True, check=False).returncode == 0


def note(name, seq, link, time):
    return ("%s\n%d\n%s\n%s\n" % (name, seq, base64.b64encode(link).decode(), time)).encode()


class Chain:
    """lines: (seq, parsed); problems: sentences; links by seq; checkpoints, erased: seqs."""

    def __init__(self):
        self.lines, self.problems, self.links = [], [], {}
        self.checkpoints, self.erased, self.acts, self.key, self.last = [], [], [], None, None

    def add(self, line, signatures=True):
        row = json.loads(line)
        seq, problem = row["seq"], self.problems.append
        if self.last is None:
            if seq == 1 and row["prev"] not in ("A" * 43, "0" * 64):
                problem("line 1 names a line before it")
        elif seq != self.last + 1:
            problem("line %d follows line %d" % (seq, self.last))
        prev = bytes.fromhex(row["prev"]) if "v" not in row else parts(cut(line)[0])[1]
        if self.last is not None and prev != self.links[self.last]:
            problem("line %d does not follow from line %d" % (seq, self.last))
        self.last, self.links[seq] = seq, link_of(line)
        self.lines.append((seq, row))
        if "v" not in row:
            return
        personal = cut(line)[1]
        if personal is not None and unurl(row["pc"].encode()) != sha(b"\1", personal):
            problem("line %d: p is not what pc commits to" % seq)
        if personal is None and "pc" in row:
            self.erased.append(seq)
        if row["ev"] == "erased":
            self.acts += row["d"]["lines"]
        if row["ev"] == "key" and self.key and signatures:
            text = "%s\nnew key\n%s\n%s\n" % (self.key.split("+")[0], row["key"], row["t"])
            if "sig" not in row or not signed(self.key, text.encode(), row["sig"]):
                problem("line %d: the old key did not hand over" % seq)
            self.key = row["key"]
        if row["ev"] == "checkpoint":
            self.checkpoint(row, prev, signatures)

    def checkpoint(self, row, prev, signatures):
        if row.get("key", self.key) != self.key and self.key:
            self.problems.append("line %d: another key" % row["seq"])
        self.key = row.get("key", self.key)
        text = note(self.key.split("+")[0], row["seq"] - 1, prev, row["t"])
        if signatures and not signed(self.key, text, row["sig"]):
            self.problems.append("line %d: not signed by %s" % (row["seq"], self.key))
        self.checkpoints.append(row["seq"])

    def end(self):
        for seq in self.erased:
            if not any(first <= seq <= last for first, last in self.acts):
                self.problems.append("line %d: p is gone and no act names it" % seq)


def read(paths, signatures=True):
    chain = Chain()
    for path in paths:
        with (gzip.open if str(path).endswith(".gz") else open)(path, "rb") as data:
            for line in data.read().split(b"\n")[:-1]:
                chain.add(line, signatures)
    chain.end()
    return chain


def long_form(chain):
    """The lines under the old, long names, an outcome with what its intent said."""
    intents, rows = {}, []
    for _, row in chain.lines:
        if "v" not in row:
            rows.append(row)
            continue
        p, place = row.get("p", {}), [""]
        names = {"t": "time", "ev": "event", "op": "operation", "no": "number", "st": "status", "ans": "answer",
                 "try": "attempts", "lag": "lag_ms", "ms": "duration_ms", "cfg": "fingerprint", "say": "sentence", "d": "details",
                 "who": "actor"}
        new = {names.get(name, name): value for name, value in row.items() if name not in ("p", "at", "v")}
        new.update({{"say": "sentence", "text": "answer_text", "d": "details"}.get(name, name): p[name]
                    for name in ("why", "say", "text", "d") if name in p})
        if {"id", "dn", "login"} & set(p):
            new["person"] = {"id": p.get("id"), **{name: p[name] for name in ("dn", "login") if name in p}}
        if row["ev"] in ("start", "repair"):
            intents = {}
        if row["ev"] == "outcome" and row.get("code") == "done" and "st" in row:
            new.setdefault("answer", "done")
        if row["ev"] == "intent" or row["ev"] == "outcome" and "op" in row:
            new.setdefault("attempts", 1)
        at = []
        for text in row.get("at", []):
            file, line, rule = PLACE.match(text).groups()
            place[0] = file or place[0]
            at.append((place[0], int(line), at[-1][2] if rule == "" else rule))
        if "set" in p:
            new["changes"] = []
            for field, to, index, before in (item + [None] * (4 - len(item)) for item in p["set"]):
                change = {"field": field, "from": before, "to": to}
                if index is not None:
                    change.update(file=at[index][0], line=at[index][1], rule=at[index][2] or "[user] " + field)
                new["changes"].append(change)
            for change in new["changes"]:
                if row.get("op") == "create" and change["field"] == "login_id" and change["to"]:
                    new["person"].setdefault("login", change["to"])
                if row.get("op") == "create" and change["field"] == "team" and change["to"] and "rule" in change:
                    rule = change["rule"] if change["rule"].startswith("[") else 'rule "%s"' % change["rule"]
                    new.setdefault("why", "%s (%s:%d) gives team %s" % (rule, change["file"], change["line"], change["to"]))
        if row["ev"] == "intent":
            intents[row["no"]] = new
        if row["ev"] == "outcome" and "no" in row:
            intent = intents.pop(row["no"], None)
            if "op" not in row and intent:
                for name in ("run", "operation", "changes", "why", "attempts", "fingerprint", "lag_ms"):
                    if name in intent:
                        new.setdefault(name, intent[name])
                if "person" in intent:  # unless it was erased
                    new["person"] = {**intent["person"], **new.get("person", {})}
            elif "op" not in row:
                new["intent_missing"] = True
        rows.append(new)
    return rows


def verify_proof(text):
    """(the line, the verifier key's name) of a proof, or ValueError."""
    head, line, contents, rest = text.split(b"\n", 3)
    if head != b"rosterd-proof 1":
        raise ValueError("no proof")
    body, signer, key, sig = re.fullmatch(rb"(.*\n.*\n.*\n.*\n)\n\xe2\x80\x94 (\S+) (\S+)\n(\S+)\n", rest).group(1, 2, 4, 3)
    link, data = link_of(line), base64.b64decode(contents)
    for at in range(0, len(data), 32):
        link = sha(b"\0", data[at:at + 32], link)
    _, personal = cut(line)
    row = json.loads(line)
    if personal is not None and unurl(row["pc"].encode()) != sha(b"\1", personal):
        raise ValueError("p is not what pc commits to")
    name, seq, last, _ = body.decode().split("\n")[:4]
    if base64.b64decode(last) != link or int(seq) != row["seq"] + len(data) // 32:
        raise ValueError("the line does not lead to the checkpoint")
    if signer != name.encode() or key.split(b"+")[0] != signer:
        raise ValueError("another's name stands there")
    if not signed(key.decode(), body, sig.decode()):
        raise ValueError("the checkpoint is not signed")
    return row, name


def main(words):
    if words[:1] == ["--proof"]:
        with open(words[1], "rb") as data:
            row, name = verify_proof(data.read())
        print("proved: line %d, by %s" % (row["seq"], name))
        return 0
    chain = read(words)
    print("\n".join(chain.problems) or "whole: %d lines, %d checkpoints" % (len(chain.lines), len(chain.checkpoints)))
    return 2 if chain.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
