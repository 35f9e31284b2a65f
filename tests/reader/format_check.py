#!/usr/bin/env python3
"""Holds audit files against docs/audit-format.md: members, their order, their types and the events are read from its tables.

    format_check.py FILE...        prints what is not as the page says

As a module: problems(paths) -> sentences. Lines from before version 1 are passed over."""

import gzip
import hashlib
import json
import os
import re
import sys

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, "docs", "audit-format.md")
TYPES = {"integer": int, "string": str, "number": (int, float), "object": dict, "array": list}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
HASH = re.compile(r"[A-Za-z0-9_-]{43}")
PLACE = re.compile(r"[^\x00-\x1f]*:\d+( .*)?", re.S)
KINDS = {"create", "adopt", "update", "profile", "rename", "disable", "enable", "delete"}
WHYS = {"start", "stop", "count", "time", "open", "close", "key"}


def tables(page):
    """({member: type} of the line, the same of p, events) in the page's order."""
    found = []
    for head in (r"\| member \| type \| present \| meaning \|\n.*\n", r"\| member \| type \| meaning \|\n.*\n"):
        rows = re.search(head + r"((?:\|.*\n)+)", page).group(1)
        members = {}
        for row in rows.splitlines():
            names, kind = row.split("|")[1:3]
            for name in re.findall(r"`(\w+)`", names):
                members[name] = kind.strip()
        found.append(members)
    events = re.search(r"^Events: ((?:.+\n)+)", page, re.M).group(1)
    return found[0], found[1], set(re.findall(r"`([a-z-]+)`", re.sub(r"\([^)]*\)", "", events)))


class Checker:
    def __init__(self):
        with open(PAGE, encoding="utf-8") as text:
            self.line, self.personal, self.events = tables(text.read())
        self.early = []
        self.found, self.fingerprint, self.checkpoint, self.signed, self.last = [], None, None, False, None
        self.begun, self.since_start = {}, False

    def need(self, fine, seq, what):
        if not fine:
            self.found.append("line %s: %s" % (seq, what))

    def members(self, seq, given, known, what):
        names = list(given)
        self.need(not set(names) - set(known), seq, "%s has %s, which the page does not know" % (what, sorted(set(names) - set(known))))
        order = [name for name in known if name in given]
        self.need([name for name in names if name in known] == order, seq, "the order of %s: %s" % (what, names))
        for name, value in given.items():
            kind = TYPES.get(known.get(name, ""), object)
            self.need(isinstance(value, kind) and not (kind is int and isinstance(value, bool)), seq,
                      "%s is no %s" % (name, known.get(name)))

    def check(self, raw):
        row = json.loads(raw)
        seq, p = row["seq"], row.get("p")
        self.need(list(row)[:3] == ["v", "seq", "t"] and row["v"] == 1, seq, "v, seq, t come first")
        self.need(not re.search(r"\s", re.sub(r'"(?:[^"\\]|\\.)*"', "", raw)), seq, "a blank between tokens")
        self.members(seq, row, self.line, "the line")
        self.need(TIME.fullmatch(row["t"]), seq, "t: %s" % row["t"])
        self.need(row["ev"] in self.events, seq, "no such event: %s" % row["ev"])
        self.need(HASH.fullmatch(row["prev"]) and ("pc" not in row or HASH.fullmatch(row["pc"])), seq, "a hash")
        self.need("op" not in row or row["op"] in KINDS, seq, "op: %s" % row.get("op"))
        self.need(not re.search(r"[\x00-\x1f]", raw) and not re.search(r"\\u00[01]", re.sub(r'"facts":"[^"]*"', "", raw)), seq,
                  "a control character")
        self.facts(seq, row)
        if p is not None:
            self.person(seq, row, p)
        self.operation(seq, row, p or {})
        if row["ev"] in ("checkpoint", "key"):
            self.sign(seq, row)
        elif self.checkpoint is not None:
            self.need(seq - self.checkpoint <= 64, seq, "more than 64 lines without a checkpoint")
        self.last = row

    def facts(self, seq, row):
        d = row.get("d", {})
        if row["ev"] == "start" or row["ev"] == "configuration" and "facts" in d:
            self.need({"facts", "fingerprint", "changed", "file", "state"} <= set(d), seq, "the configuration")
            self.need(hashlib.sha256(d["facts"].encode()).hexdigest() == d["fingerprint"], seq, "the fingerprint of facts")
            self.fingerprint = d["fingerprint"]
            for early, cfg in self.early:
                self.need(self.fingerprint.startswith(cfg), early, "cfg is not the beginning of the fingerprint")
            self.early = []
        if "cfg" in row:
            self.need(re.fullmatch("[0-9a-f]{12}", row["cfg"]), seq, "cfg has another form")
            if not (self.fingerprint is None or self.fingerprint.startswith(row["cfg"]) or row["ev"] == "intent" or "no" in row):
                self.early.append((seq, row["cfg"]))  # written while it starts: the line that says which one follows
        self.need("say" not in row or "p" not in row, seq, "a sentence beside p")
        self.need("try" not in row or row["try"] > 1, seq, "try at the first attempt")
        self.need(not (row.get("code") == "done" and row.get("ans") == "done" and "st" in row), seq, "ans is as code")
        self.need("lag" not in row or row["ev"] == "intent" and row["lag"] > 0 and "try" not in row, seq, "lag")
        if "who" in row:
            self.need(isinstance(row["who"].get("uid"), int) and set(row["who"]) <= {"uid", "name", "login", "session"}, seq, "who")
        rule = ""
        for place in row.get("at", []):
            found = PLACE.fullmatch(place)
            said = found and found.group(1) or ""
            self.need(found and (said != " " or rule), seq, "a place: %s" % place)
            self.need(not rule or said != rule, seq, "a rule again: %s" % place)
            rule = rule if said == " " else said

    def person(self, seq, row, p):
        self.need(list(p)[0] == "s" and re.fullmatch("[A-Za-z0-9_-]{22}", p["s"]) and len(p) > 1, seq, "the salt")
        self.members(seq, p, self.personal, "p")
        self.need("pc" in row and list(row)[-3:] == ["pc", "prev", "p"], seq, "pc, prev, p come last")
        for item in p.get("set", []):
            fine = isinstance(item, list) and 2 <= len(item) <= 4 and isinstance(item[0], str)
            self.need(fine, seq, "set: %s" % item)
            for value in [item[1], *item[3:]] if fine else []:
                self.need(value is None or value is True or isinstance(value, str), seq, "a value: %s" % (item,))
            if fine and len(item) > 2 and item[2] is not None:
                self.need(isinstance(item[2], int) and item[2] < len(row.get("at", [])), seq, "a place's index: %s" % (item,))

    def operation(self, seq, row, p):
        if row["ev"] in ("start", "repair"):
            self.begun, self.since_start = {}, True
        named = [item[1] for item in p.get("set", []) if item[0] == "login_id"] if row.get("op") == "create" else []
        self.need(not named or p.get("login") not in named, seq, "the login twice")
        if row["ev"] == "intent":
            self.need("no" in row and "op" in row and ("dn" in p or "p" not in row), seq, "an intent without dn, number or kind")
            self.begun[row.get("no")] = row
        if row["ev"] != "outcome":
            return
        intent = self.begun.pop(row.get("no"), None)
        self.need("op" not in row or "dn" in p or "p" not in row, seq, "an outcome with op and without dn")
        if "op" in row or intent is None and not self.since_start:
            return
        self.need("no" in row and intent is not None, seq, "an outcome that refers to no intent")
        self.need(not {"at", "cfg", "try", "lag"} & set(row) and not {"dn", "login", "set", "why"} & set(p), seq,
                  "an outcome says again what its intent said")
        self.need("run" not in row or row["run"] != (intent or {}).get("run"), seq, "an outcome says its intent's run again")
        self.need(not p or "id" in p and set(p) - {"s", "id"}, seq, "p says nothing but whose it is, or not whose")

    def sign(self, seq, row):
        if row["ev"] == "checkpoint":
            self.need(row.get("why") in WHYS and "sig" in row and "p" not in row, seq, "a checkpoint")
            first = row.get("from", 0)
            self.need(HASH.fullmatch(row.get("root", "")) and 1 <= first < seq <= first + 64, seq, "the tree")
            self.need(self.checkpoint is None or first >= self.checkpoint, seq, "the tree goes back over a checkpoint")
            self.need(("key" in row) == (row.get("why") != "count"), seq, "key is left out where why is count, and only there")
            if row.get("why") in ("start", "stop"):
                self.need(self.last is None or self.last["ev"] == row["why"], seq, "it stands right after that")
            self.checkpoint = seq
        else:
            self.need("key" in row, seq, "a key")


def problems(paths):
    checker = Checker()
    for path in paths:
        with (gzip.open if str(path).endswith(".gz") else open)(path, "rb") as data:
            for raw in data.read().split(b"\n")[:-1]:
                if raw.startswith(b'{"v":'):
                    checker.check(raw.decode("utf-8"))
    return checker.found


if __name__ == "__main__":
    all_found = problems(sys.argv[1:])
    print("\n".join(all_found) or "as the page says")
    sys.exit(2 if all_found else 0)
