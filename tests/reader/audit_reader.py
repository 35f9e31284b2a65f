#!/usr/bin/env python3
"""A second reader of audit files, written from docs/audit-format.md alone: it shares no code with rosterd.

    audit_reader.py [--key KEY] [--checkpoint NOTE] FILE...
                                   verifies files, whatever their order; prints what is wrong, else one line
    audit_reader.py [--key KEY] --proof FILE
                                   verifies a proof

KEY is the public key that is trusted, NOTE a file with a checkpoint that was kept elsewhere. Without KEY the key is believed that
the files name. Ed25519 is openssl's. As a module: read(paths) -> Chain, verify_proof(text)."""

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
    data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text:  # what stands for nothing may not be there
        raise ValueError("no base64url")
    return data


def unbase(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data) != text:
        raise ValueError("no base64")
    return data


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
    public, signature = unbase(key.encode()), unbase(sig.encode())
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


def note(name, seq, link, time, first, tree):
    return ("%s\n%d\n%s\n%s\n%d %s\n" % (name, seq, base64.b64encode(link).decode(), time, first,
                                           base64.b64encode(tree).decode())).encode()


def root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha(b"\3", root(leaves[:k]), root(leaves[k:]))


def climb(leaf, m, n, path):
    """The root to which the path leads from leaf m of n, or ValueError."""
    s, r = n - 1, leaf
    for h in path:
        if s == 0:
            raise ValueError("the path is too long")
        if m % 2 or m == s:
            r = sha(b"\3", h, r)
            while m % 2 == 0 and m:
                m, s = m // 2, s // 2
        else:
            r = sha(b"\3", r, h)
        m, s = m // 2, s // 2
    if s:
        raise ValueError("the path is too short")
    return r


class Chain:
    """lines: (seq, parsed); problems: sentences; links by seq; checkpoints, erased: seqs. trusted: a verifier key, or None."""

    def __init__(self, trusted=None):
        self.trusted, self.proved = {trusted} if trusted else None, 0  # proved: the last line behind which a trusted key signed
        self.lines, self.problems, self.links = [], [], {}
        self.signers = set()
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
            self.acts += [(first, last, seq) for first, last in row["d"]["lines"]]
        if row["ev"] == "key" and self.key and signatures and row["key"] != self.key:
            text = "%s\nnew key\n%s\n%s\n%d %s\n" % (self.key.split("+")[0], row["key"], row["t"], seq - 1,
                                                    base64.b64encode(prev).decode())
            if "sig" not in row or not signed(self.key, text.encode(), row["sig"]):
                problem("line %d: the old key did not hand over" % seq)
            elif self.trusted and self.key in self.trusted:
                self.trusted.add(row["key"])
            self.key = row["key"]
        if row["ev"] in ("start", "configuration") and "facts" in row.get("d", {}):
            self.configuration(row, row["d"])
        if row["ev"] == "checkpoint":
            self.checkpoint(row, prev, signatures)

    def configuration(self, row, d):
        """The fingerprint, made anew from the text of the configuration; lines name its beginning."""
        made = hashlib.sha256(d["facts"].encode()).hexdigest()
        if d["fingerprint"] != made or row.get("cfg", made[:12]) != made[:12]:
            self.problems.append("line %d: the fingerprint is not that of the configuration" % row["seq"])

    def checkpoint(self, row, prev, signatures):
        if row.get("key", self.key) != self.key and self.key:
            self.problems.append("line %d: another key" % row["seq"])
        self.key = row.get("key", self.key)
        if self.key is None:  # files that begin later: nothing has said yet whose it is
            return
        first, tree = row["from"], unurl(row["root"].encode())
        text = note(self.key.split("+")[0], row["seq"] - 1, prev, row["t"], first, tree)
        if signatures and not signed(self.key, text, row["sig"]):
            self.problems.append("line %d: not signed by %s" % (row["seq"], self.key))
        self.signers.add(self.key)
        leaves = [self.links.get(seq) for seq in range(first, row["seq"])]
        if not 1 <= len(leaves) <= 64 or None not in leaves and root(leaves) != tree:
            self.problems.append("line %d: another tree" % row["seq"])
        self.checkpoints.append(row["seq"])
        if self.trusted and self.key in self.trusted:
            self.proved = row["seq"] - 1

    def end(self):
        if self.trusted and not self.proved:
            self.problems.append("nothing is signed by the key that is trusted")
        for seq in self.erased:
            if not any(first <= seq <= last and seq < by for first, last, by in self.acts):
                self.problems.append("line %d: p is gone and no act names it" % seq)


def lines_of(path):
    with (gzip.open if str(path).endswith(".gz") else open)(path, "rb") as data:
        return data.read().split(b"\n")[:-1]


def first_seq(path):
    """Of its first line; files without lines come last."""
    lines = lines_of(path)
    return json.loads(lines[0])["seq"] if lines else float("inf")


def read(paths, signatures=True, trusted=None):
    chain = Chain(trusted)
    for path in paths:
        for line in lines_of(path):
            chain.add(line, signatures)
    chain.end()
    return chain


def check_kept(chain, text, trusted=None):
    """A checkpoint that was kept elsewhere: what is wrong with the files by it."""
    body, _, signature = text.rpartition(b"\n\n")
    name, seq, link, *_ = (body + b"\n").split(b"\n")
    keys = ({trusted} if trusted else {chain.key}) | (chain.trusted or set()) | chain.signers
    if not any(signed(key, body + b"\n", signature.split(b" ")[2].strip().decode()) for key in keys if key.split("+")[0] == name.decode()):
        return ["the checkpoint that was kept is not signed by the key"]
    if int(seq) not in chain.links:
        return ["cut: the checkpoint that was kept is of line %d, which is not in the files" % int(seq)]
    if chain.links[int(seq)] != unbase(link):
        return ["rewritten: line %d or one before it is not what it was when the checkpoint was kept" % int(seq)]
    return []


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


def verify_proof(text, trusted=None):
    """(the line, the verifier key's name) of a proof, or ValueError."""
    head, line, contents, path, name, number, last, time, tree, blank, signature, key, end = text.split(b"\n")
    if head != b"rosterd-proof 1" or blank or end:
        raise ValueError("no proof")
    row, link, personal = json.loads(line), link_of(line), cut(line)[1]
    if personal is not None and unurl(row["pc"].encode()) != sha(b"\1", personal):
        raise ValueError("p is not what pc commits to")
    first, tree = tree.split(b" ")
    first, number = int(first), int(number)
    contents, path = unbase(contents), unbase(path)
    if len(contents) % 32 or len(path) % 32 or len(contents) // 32 != max(0, first - row["seq"]):
        raise ValueError("the contents do not lead to the tree")
    for at in range(0, len(contents), 32):
        link = sha(b"\0", contents[at:at + 32], link)
    m, n = max(row["seq"], first) - first, number - first + 1
    if not m < n <= 64:
        raise ValueError("the checkpoint does not cover the line")
    if climb(link, m, n, [path[at:at + 32] for at in range(0, len(path), 32)]) != unbase(tree):
        raise ValueError("the line does not lead to the checkpoint")
    if trusted and key.decode() != trusted:
        raise ValueError("it is signed by another key than the one that is trusted")
    dash, signer, sig = signature.split(b" ")
    if dash != "\u2014".encode() or signer != name or key.split(b"+")[0] != name:
        raise ValueError("another's name stands there")
    body = note(name.decode(), number, unbase(last), time.decode(), first, unbase(tree))
    if body != b"\n".join(text.split(b"\n")[4:9]) + b"\n" or not signed(key.decode(), body, sig.decode()):
        raise ValueError("the checkpoint is not signed")
    return row, name.decode()


def main(words):
    given = {}
    while words[:1] and words[0] in ("--key", "--checkpoint", "--proof"):
        given[words[0]], words = words[1], words[2:]
    key = given.get("--key")
    if "--proof" in given:
        with open(given["--proof"], "rb") as data:
            row, name = verify_proof(data.read(), key)
        print("proved: line %d, by %s" % (row["seq"], name))
        return 0
    chain = read(sorted(words, key=first_seq), trusted=key)
    if "--checkpoint" in given:
        with open(given["--checkpoint"], "rb") as data:
            chain.problems += check_kept(chain, data.read(), key)
    print("\n".join(chain.problems) or "whole: %d lines, %d checkpoints%s" % (
        len(chain.lines), len(chain.checkpoints), ", signed by the trusted key up to line %d" % chain.proved if key else ""))
    return 2 if chain.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
