"""The chain of keys under attack: keys that were stolen, that hand over twice, in a circle, or behind another line than the one that
they signed for; against what the writer of these files knows, and against the second reader. Files that begin where nothing says
yet whose they are, and what `verify` says of a checkpoint that was kept elsewhere."""

import json
import os
import random
import subprocess

from lib import auditlines, base, deadline, need
from lib.signed import Key, Writer

reader = auditlines.reader


def verify(*words):
    done = subprocess.run([base.built("rosterctl"), "--json", "audit", "verify", *words], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60, check=False)
    need(done.returncode in (0, 2), "it judges", words, done)
    return json.loads(done.stdout)


def found(*words):
    return [one["sentence"].split(":")[0] for one in verify(*words)["findings"]]


class Life:
    """A chain by random steps. bad: a line `key` that its old key did not sign for this place, or what follows from one."""

    def __init__(self, chance, keys):
        self.chance, self.keys, self.writer, self.bad = chance, keys, Writer(), False
        self.now, self.signed, self.handed = keys[0], set(), []
        self.writer.add(1, "start")
        self.sign(True)
        for _ in range(chance.randrange(4, 16)):
            self.step()
        self.writer.add(1, "skip", {"code": "no-mail"}, {"id": "id-1", "say": "no mail"})
        self.sign(chance.random() < 0.5)

    def sign(self, told):
        self.writer.checkpoint(self.now, told)
        self.signed.add(self.now)

    def step(self):
        dice, writer = self.chance.random(), self.writer
        if dice < 0.4:
            writer.add(1, "skip", {"code": "no-mail"}, {"id": "id-%d" % len(writer.lines), "say": "no mail"})
        elif dice < 0.6:
            self.sign(self.chance.random() < 0.5)
        elif dice < 0.92 or self.bad:
            self.pass_on()
        else:
            self.cheat()

    def pass_on(self):
        new = self.chance.choice([key for key in self.keys if key is not self.now])
        sig = self.writer.handing_over(self.now, new)
        self.handed.append((new, sig))
        self.writer.hand_over(new, sig)
        self.now = new
        if self.chance.random() < 0.7:
            self.sign(self.chance.random() < 0.5)

    def cheat(self):
        """By a key that is none of these now, by nobody, or by what was signed for another place."""
        new = self.chance.choice([key for key in self.keys if key is not self.now])
        thief = self.chance.choice([key for key in self.keys if key not in (self.now, new)])
        sigs = [None, self.writer.handing_over(thief, new), self.writer.handing_over(new, new)]
        sigs += [sig for other, sig in self.handed if other is new]
        self.writer.hand_over(new, self.chance.choice(sigs))
        self.bad = True
        if self.chance.random() < 0.6:
            self.now = new


def judged_by_reader(path, key, note=None):
    chain = reader.read([path], trusted=key)
    return not chain.problems and not (note and reader.check_kept(chain, note.encode(), key))


@deadline(280)
def test_random_keys(t):
    """Whole to who trusts a key: each key was handed over to by the one before, and that one signed. Notes of any checkpoint of these
    files fit then. Of files that another goes on with from some line, those of behind that line do not. ROSTERD_SEED and
    ROSTERD_HISTORIES are the long form."""
    keys, seed = [Key(name) for name in "abcd"], int(os.environ.get("ROSTERD_SEED", "1"))
    n_whole = n_bad = n_forks = 0
    for number in range(seed, seed + int(os.environ.get("ROSTERD_HISTORIES", "12"))):
        chance = random.Random(number)
        life = Life(chance, keys)
        path = life.writer.write(t.path("life.jsonl"))
        n_bad += life.bad
        for key in (None, *keys):
            words = ["--key", key.vkey] if key else []
            expected = not life.bad and (key is None or key in life.signed)
            got = verify(*words, path)
            need(got["whole"] == expected and {one["sentence"].split(":")[0] for one in got["findings"]} <= {"key", "signature"}, "the keys", number,
                 key and key.name, expected, got["findings"])
            need(judged_by_reader(path, key and key.vkey) == expected, "the second reader", number, key and key.name)
            n_whole += expected
            line = chance.choice(sorted(life.writer.notes))
            kept = t.write("kept.note", life.writer.notes[line])
            got = verify(*words, "--checkpoint", kept, path)
            need(got["whole"] == expected and (not expected or got["kept"] == {"line": line, "fits": True}), "what was kept", number, line, got)
        if not life.bad:
            n_forks += fork(t, chance, life, keys)
    need(n_whole > 12 and n_bad > 1 and n_forks > 3, "some of each", n_whole, n_bad, n_forks)


def fork(t, chance, life, keys):
    """A thief of the first key goes on from one of its checkpoints, with that key or another."""
    ends = [seq for seq, line in enumerate(life.writer.lines, 1) if b'"ev":"checkpoint"' in line]
    handed = [seq for seq, line in enumerate(life.writer.lines, 1) if b'"ev":"key"' in line] or [len(life.writer.lines)]
    at = chance.choice([seq for seq in ends if seq <= handed[0]])
    stolen, key = keys[0], keys[0]
    thief = Writer(life.writer.lines[:at])
    if chance.random() < 0.6:
        key = Key("thief")
        thief.hand_over(key, thief.handing_over(stolen, key))
    for i in range(len(life.writer.lines)):
        thief.add(2, "skip", {"code": "no-mail"}, {"id": "id-%d" % i, "say": "so it was not"})
    thief.checkpoint(key)
    path = thief.write(t.path("fork.jsonl"))
    need(found("--key", stolen.vkey, path) == [], "a stolen key signs")
    for other in keys[1:]:
        need("key" in found("--key", other.vkey, path), "who trusts a later key is not fooled", other.name)
    for line, note in life.writer.notes.items():
        kept = t.write("kept.note", note)
        got = found("--key", stolen.vkey, "--checkpoint", kept, path)
        need((got == []) == (line <= at) and set(got) <= {"key", "rewritten", "cut"}, "a checkpoint of the real one", at, line, got)
        need(judged_by_reader(path, stolen.vkey, note) == (line <= at), "the second reader", at, line)
    both = found("--key", stolen.vkey, path, t.path("life.jsonl"))
    need(at == len(life.writer.lines) or both, "both at once do not fit together")
    return 1


def test_handing_over_is_bound_to_its_place(t):
    """A thief of the new key alone takes what the old one signed for it, and puts it behind an earlier line: what the old one signed
    in between would be gone unseen."""
    old, new, writer = Key("a"), Key("b"), Writer()
    writer.add(1, "start")
    writer.checkpoint(old)
    early = list(writer.lines)
    writer.add(1, "skip", {"code": "no-mail"}, {"id": "id-1", "say": "what is to vanish"})
    writer.checkpoint(old)
    time, sig = writer.time(), writer.handing_over(old, new)
    writer.hand_over(new, sig)
    writer.checkpoint(new)
    path = writer.write(t.path("real.jsonl"))
    need(found("--key", old.vkey, path) == [] and found("--key", new.vkey, path) == [], "the real one")
    cut = writer.write(t.path("cut.jsonl"), last=-1)
    need(found("--key", old.vkey, "--checkpoint", t.write("kept.note", writer.notes[max(writer.notes)]), cut) == [],
         "cut off behind the handing over: the other key is believed all the same")
    thief = Writer(early)
    thief.time = lambda day=1: time
    seq = len(early) + 1
    head = reader.parts(writer.lines[-2])[0].replace(b'"seq":%d' % (len(writer.lines) - 1), b'"seq":%d' % seq)
    thief.lines.append(head + b',"prev":"' + reader.base64.urlsafe_b64encode(thief.link).rstrip(b"=") + b'"}')
    need(json.loads(thief.lines[-1])["sig"] == sig and json.loads(thief.lines[-1])["t"] == time, "as it was signed")
    thief.link = reader.link_of(thief.lines[-1])
    thief.links.append(thief.link)
    thief.checkpoint(new)
    path = thief.write(t.path("forged.jsonl"))
    need("key" in found("--key", old.vkey, path), "it is seen", found("--key", old.vkey, path))
    need(reader.read([path], trusted=old.vkey).problems, "the second reader sees it")


@deadline(180)
def test_files_that_begin_later(t):
    """From any line on: who trusts the last key finds all whole; a key line that names the key in force says nothing."""
    keys, writer = [Key(name) for name in "abc"], Writer()
    writer.add(1, "start")
    for i, key in enumerate(keys):
        writer.checkpoint(key)
        for _ in range(2):
            writer.add(1, "skip", {"code": "no-mail"}, {"id": "id-1", "say": "x"})
            writer.checkpoint(key, told=False)
        writer.hand_over(key, None)
        if i + 1 < len(keys):
            writer.hand_over(keys[i + 1], writer.handing_over(key, keys[i + 1]))
    writer.checkpoint(keys[-1])
    for first in range(len(writer.lines) - 1):
        path = writer.write(t.path("late.jsonl"), first)
        need(found("--key", keys[-1].vkey, path) == [] and found(path) == [], "whole", first)
        need(not reader.read([path], trusted=keys[-1].vkey).problems, "the second reader", first)
        need("key" in found("--key", Key("other").vkey, path), "not by another's key", first)


def test_what_was_kept_is_told(t):
    """Whether the checkpoint that was given was compared with anything."""
    key, writer = Key("a"), Writer()
    writer.add(1, "start")
    for _ in range(3):
        writer.checkpoint(key)
        writer.add(1, "skip", {"code": "no-mail"}, {"id": "id-1", "say": "x"})
    writer.checkpoint(key)
    first, last = (t.write("%d.note" % line, writer.notes[line]) for line in (min(writer.notes), max(writer.notes)))
    path = writer.write(t.path("late.jsonl"), 4)

    def said(kept):
        return subprocess.run([base.built("rosterctl"), "audit", "verify", "--key", key.vkey, "--checkpoint", kept, path],
                              capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
    need("kept fits: up to line %d " % max(writer.notes) in said(last), "compared", said(last))
    need("which is before these files" in said(first) and verify("--checkpoint", first, path)["kept"]["fits"] is False, "it says nothing", said(first))
    unsigned = Writer()
    unsigned.add(1, "start")
    need(found("--key", key.vkey, unsigned.write(t.path("none.jsonl"))) == ["key"], "signed by nobody whom the auditor knows")
    done = subprocess.run([base.built("rosterctl"), "audit", "verify", "--checkpoint", last, unsigned.write(t.path("none.jsonl"))],
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    need(done.returncode == 1 and "give the key" in done.stderr, "nothing tells whose it is", done)


def test_acts_of_erasing(t):
    """An act names lines before it; who adds one behind the last checkpoint, and takes what lines told, is told of."""
    key, writer = Key("a"), Writer()
    writer.add(1, "start")
    for i in range(6):
        writer.add(1, "skip", {"code": "no-mail"}, {"id": "id-%d" % i, "say": "x"})
    writer.checkpoint(key)

    def forged(first, last, sign):
        one = Writer(writer.lines)
        one.add(1, "erased", {"d": {"lines": [[first, last]]}})
        for i in range(2):
            one.add(1, "skip", {"code": "no-mail"}, {"id": "id-%d" % i, "say": "x"})
        if sign:
            one.checkpoint(key)
        at = [seq for seq in range(first, last + 1) if seq <= len(one.lines) and b',"p":{' in one.lines[seq - 1]]
        for seq in at:
            one.lines[seq - 1] = reader.cut(one.lines[seq - 1])[0]
        path = one.write(t.path("forged.jsonl"))
        return at, verify("--key", key.vkey, path), reader.read([path], trusted=key.vkey)
    for sign in (True, False):
        at, got, chain = forged(3, 4, sign)
        need(got["whole"] and got["erased"] == len(at) == 2 and got["erased_unsigned"] == (0 if sign else 2), "erased", sign, got)
        at, got, chain = forged(2, 99, sign)
        late = [seq for seq in at if seq > 9]
        need([one["line"] for one in got["findings"] if one["sentence"].startswith("removed")] == late and len(late) == 2,
             "lines behind it are not its own", late, got)
        need(len(chain.problems) == 2, "the second reader", chain.problems)


def test_tree_of_other_lines(t):
    """Who has the key, or a rosterd with a fault, signs a tree that is not that of the lines: a proof by it would be of lines that
    nobody has. It is found, with the line, in whichever line they differ."""
    key = Key("tree")
    for other in (None, 0, 3, 5):
        writer = Writer()
        writer.add(1, "start")
        for n in range(5):
            writer.add(1, "skip", {"code": "no-mail"}, {"id": "id-%d" % n, "say": "no mail"})
        links = list(writer.links)
        if other is not None:
            links[other] = reader.sha(b"another line")
        writer.checkpoint(key, links=links)
        path = writer.write(t.path("tree-%s.jsonl" % other))
        said = verify(path, "--key", key.vkey)["findings"]
        need([one["sentence"].split(":")[0] for one in said] == ([] if other is None else ["signature"]), "what is found", other, said)
        need(all("the tree that line 7 signs" in one["sentence"] for one in said), "it says which", said)


def test_too_many_unsigned(t):
    """Who has no key can only go on behind the last checkpoint, or leave checkpoints out: as soon as there should be one, it is told."""
    key, writer = Key("a"), Writer()
    writer.add(1, "start")
    writer.checkpoint(key)
    for i in range(70):
        writer.add(1, "skip", {"code": "no-mail"}, {"id": "id-%d" % i, "say": "x"})
        got = verify("--key", key.vkey, writer.write(t.path("tail.jsonl")))
        kinds = [one["sentence"].split(":")[0] for one in got["findings"]]
        need(got["unsigned"] == i + 1 and kinds == (["unsigned"] if i + 1 >= 64 else []), "how many", i + 1, got)
