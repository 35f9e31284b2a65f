"""1,000 random tamperings of lines, files and tails: each is found, at the place that an oracle of its own knows."""

import base64
import gzip
import json
import os
import random
import re
import subprocess

from lib import Slapd, auditlines, deadline, life, need, wait_for

reader = auditlines.reader


def make_files(t):
    """Three files of one chain, by a real life: the oldest compressed."""
    ground = t.shared(Slapd).fresh()
    ground.persons({"u%03d" % i: {} for i in range(60)})
    daemon = t.rosterd(ground.server, t.simulator(), ground)
    daemon.once()
    first, second = daemon.path("audit.jsonl.2.gz"), daemon.path("audit.jsonl.1")
    with open(daemon.audit_file, "rb") as data, gzip.open(first, "wb") as out:
        out.write(data.read())
    os.unlink(daemon.audit_file)
    ground.persons({"v%03d" % i: {} for i in range(30)})
    daemon.once()
    os.rename(daemon.audit_file, second)
    for i in range(30):
        ground.replace("u%03d" % i, mail="new%d@example.com" % i)
    daemon.once()
    auditlines.need_whole(first, second, daemon.audit_file)
    return daemon, [first, second, daemon.audit_file]


def content(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as data:
        return data.read().split(b"\n")[:-1]


def edit_byte(chance, lines, at):
    """Another printable byte at a random place that the line's meaning hangs on."""
    line = lines[at]
    while True:
        place = chance.randrange(len(line))
        new = bytes([chance.choice(b"abcdefgXYZ0123456789 _-")])
        if line[place:place + 1] != new and not (at == len(lines) - 1 and inside_why(line, place)):
            break
    lines[at] = line[:place] + new + line[place + 1:]
    return {at}


def inside_why(line, place):
    """The one word of a checkpoint that its signature does not cover, if no line follows."""
    found = re.search(rb',"why":"[a-z]*"', line)
    return found is not None and found.start() <= place < found.end()


def edit_number(chance, lines, at):
    lines[at] = re.sub(rb'"seq":\d+', b'"seq":%d' % chance.randrange(1, 10 ** 6), lines[at], count=1)
    return {at}


def two_neighbours(chance, lines, at):
    if at + 2 >= len(lines):
        at -= 2
    for i in (at, at + 1):
        lines[i] = lines[i].replace(b'"ev":"', b'"ev":"x', 1)
    return {at}


def garbage(chance, lines, at):
    lines[at] = bytes(chance.choice(b"abcdef {}") for _ in range(chance.randrange(1, 200)))
    return {at}


def remove(chance, lines, at):
    n = min(chance.randrange(1, 5), len(lines) - at - 1)
    at = max(at, 1)
    if n < 1 or at + n >= len(lines):
        at, n = 1, 1
    del lines[at:at + n]
    return {at}


def repeat(chance, lines, at):
    to = chance.randrange(at + 1, len(lines) + 1)
    lines.insert(to, lines[at])
    return {to, at}


def swap(chance, lines, at):
    other = chance.randrange(len(lines))
    if other == at or lines[at] == lines[other]:
        other = at + 1 if at + 1 < len(lines) else at - 1
    lines[at], lines[other] = lines[other], lines[at]
    return {at, other}


def forge(chance, lines, at):
    """A line of the forger's, chained well to the one before it."""
    row = json.loads(lines[at])
    row["prev"] = base64.urlsafe_b64encode(reader.link_of(lines[at])).decode().rstrip("=")
    row["seq"] += chance.choice((1, 1, 7))
    row["code"] = "forged"
    row.pop("pc", None)
    row.pop("p", None)
    lines.insert(at + 1, json.dumps(row, separators=(",", ":")).encode())
    return {at + 1}


def take_person(chance, lines, at):
    """What a line tells of a person is taken away without an act."""
    while b',"p":{' not in lines[at]:
        at = (at + 1) % len(lines)
    lines[at] = reader.cut(lines[at])[0]
    return {at}


def change_person(chance, lines, at):
    while b',"p":{' not in lines[at]:
        at = (at + 1) % len(lines)
    place = lines[at].index(b',"p":{"s":"') + len(b',"p":{"s":"') + chance.randrange(20)
    lines[at] = lines[at][:place] + (b"A" if lines[at][place:place + 1] != b"A" else b"B") + lines[at][place + 1:]
    return {at}


def rewrite_tail(chance, lines, at):
    """All lines from here on are changed and chained anew; the forger has no key."""
    at = min(at, len(lines) - 2)
    link = reader.link_of(lines[at - 1]) if at else reader.parts(reader.cut(lines[0])[0])[1]
    next_checkpoint = next(i for i in range(at, len(lines)) if b'"ev":"checkpoint"' in lines[i])
    for i in range(at, len(lines)):
        short, person = reader.cut(lines[i])
        head, _ = reader.parts(short)
        if i == at:
            head = head.replace(b'"t":"2', b'"t":"1')
        lines[i] = head + b',"prev":"' + base64.urlsafe_b64encode(link).rstrip(b"=") + b'"' + \
            (b',"p":' + person if person else b"") + b"}"
        link = reader.link_of(lines[i])
    return {next_checkpoint}


def same_bytes_in_base64(chance, lines, at):
    """The last character has bits that no byte is made of."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    name = chance.choice((b"prev", b"pc" if b'"pc":"' in lines[at] else b"prev"))
    last = lines[at].index(b'"', lines[at].index(b'"' + name + b'":"') + len(name) + 4) - 1
    other = alphabet[alphabet.index(lines[at][last:last + 1]) ^ 1]
    lines[at] = lines[at][:last] + bytes([other]) + lines[at][last + 1:]
    return {at}


def same_json(chance, lines, at):
    """What a reader of JSON takes for the same, or for a second value."""
    old, new = chance.choice(((b'{"v":1,', b'{"v":1,"v":1,'), (b'":', b'": '), (b'"ev":"', b'"ev":"\\u0061'), (b'"seq":', b'"seq":0'),
                              (b',"prev":"', b',"p":{"s":"AAAAAAAA"},"prev":"')))
    lines[at] = lines[at].replace(old, new, 1)
    return {at}


def behind(chance, lines, at):
    lines[at] = chance.choice((lines[at] + b" ", lines[at] + b"\0", lines[at][:-1] + b',"p":{"s":"AAAA"}}', b"\xef\xbb\xbf " + lines[at]))
    return {at}


def join(chance, lines, at):
    """The finding names the line before as well: one of the two was edited."""
    del chance
    at = min(at, len(lines) - 2)
    lines[at:at + 2] = [lines[at] + lines[at + 1]]
    return {at - 1, at}


def split(chance, lines, at):
    place = chance.randrange(1, len(lines[at]))
    lines[at:at + 1] = [lines[at][:place], lines[at][place:]]
    return {at}


def exchange_persons(chance, lines, at):
    theirs = [i for i, line in enumerate(lines) if b',"p":{"s":"' in line]
    at, other = chance.sample(theirs, 2)
    (short, person), (other_short, other_person) = reader.cut(lines[at]), reader.cut(lines[other])
    lines[at], lines[other] = short[:-1] + b',"p":' + other_person + b"}", other_short[:-1] + b',"p":' + person + b"}"
    return {at, other}


def exchange_signatures(chance, lines, at):
    signed = [i for i, line in enumerate(lines) if b'"ev":"checkpoint"' in line]
    at, other = chance.sample(signed, 2)
    mine, theirs = (re.search(rb'"sig":"([^"]*)"', lines[i])[1] for i in (at, other))
    lines[at], lines[other] = lines[at].replace(mine, theirs), lines[other].replace(theirs, mine)
    return {at, other}


KINDS = {"base64": same_bytes_in_base64, "json": same_json, "behind": behind, "join": join, "split": split,
         "persons": exchange_persons, "signatures": exchange_signatures, "byte": edit_byte, "number": edit_number, "neighbours": two_neighbours, "garbage": garbage, "remove": remove,
         "repeat": repeat, "swap": swap, "forge": forge, "take": take_person, "change": change_person,
         "rewrite": rewrite_tail}


@deadline(240)
def test_random_tampering(t):
    """T65: any change of any line is found where it was made, in any order of the files, against an oracle in Python.
    ROSTERD_SEED gives a thousand others."""
    daemon, paths = make_files(t)
    originals = [content(path) for path in paths]
    everything = [line for lines in originals for line in lines]
    sizes = [len(lines) for lines in originals]
    copies = [t.path("one.jsonl.gz"), t.path("two.jsonl"), t.path("three.jsonl")]
    answer = daemon.ctl("--json", "audit", "verify", *paths).json
    need(answer["whole"] and answer["lines"] == len(everything), "whole to begin with", answer)
    seed = int(os.environ.get("ROSTERD_SEED", "20261128"))
    chance = random.Random(seed)
    for round_number in range(1000):
        name = chance.choice(sorted(KINDS))
        lines = list(everything)
        expected = KINDS[name](chance, lines, chance.randrange(len(lines)))
        # The same borders between the files, with what was added or removed in the last of them.
        starts, at = [], 0
        for number, path in enumerate(copies):
            part = lines[at:at + sizes[number]] if number < 2 else lines[at:]
            starts.append(at)
            at += sizes[number]
            with (gzip.open(path, "wb", compresslevel=1) if path.endswith(".gz") else open(path, "wb")) as out:
                out.write(b"".join(line + b"\n" for line in part))
        order = chance.sample(copies, 3)
        result = daemon.ctl("--json", "audit", "verify", *order, code=2).json
        places = [starts[copies.index(found["file"])] + found["line"] - 1 for found in result["findings"] if found["line"]]
        need(not result["whole"] and places, "found", name, seed, round_number, result)
        need(places[0] in expected or (name in ("repeat", "swap") and set(places) & expected),
             "at the right place", name, seed, round_number, sorted(expected), places,
             [found["sentence"] for found in result["findings"]][:4])
        need(result["lines_before"] <= max(expected), "nothing altered is vouched for", name, round_number, result)


def note_of(line):
    """The signed note of a checkpoint line, for keeping elsewhere."""
    row = json.loads(line)
    prev = reader.parts(reader.cut(line)[0])[1]
    name = row["key"].split("+")[0]
    text = reader.note(name, row["seq"] - 1, prev, row["t"], row["from"], reader.unurl(row["root"].encode()))
    return text.decode() + "\n\u2014 %s %s\n" % (name, row["sig"])


def test_cut_tails_and_kept_checkpoints(t):
    """A cut or rewritten end shows against a checkpoint that was kept elsewhere, also with a stolen key; a foreign key is
    named; CR LF, BOM and a file given twice are no tampering."""
    daemon, paths = make_files(t)
    lines = content(paths[2])
    vkey = json.loads(lines[-1])["key"]
    kept = t.path("kept.txt")
    with open(kept, "w", encoding="utf-8") as out:
        out.write(note_of(lines[-1]))
    args = ("--key", vkey, "--checkpoint", kept)
    whole = daemon.ctl("audit", "verify", *args, *paths)
    need("whole" in whole.out and vkey in whole.out, "whole", whole)
    cut = t.path("cut.jsonl")
    with open(cut, "wb") as out:
        out.write(b"".join(line + b"\n" for line in lines[:-3]))
    need("whole" in daemon.ctl("audit", "verify", paths[0], paths[1], cut).out, "files alone cannot show it")
    need("after the last checkpoint" in daemon.ctl("audit", "verify", paths[0], paths[1], cut).out, "and say so")
    answer = daemon.ctl("audit", "verify", *args, paths[0], paths[1], cut, code=2)
    need("cut: " in answer.out, "the kept checkpoint shows it", answer)
    # The forger signs as well: with the key in the service's folder.
    forged = list(lines)
    forged[-4] = forged[-4].replace(b'"t":"2', b'"t":"1')
    link, links = None, {json.loads(line)["seq"]: reader.link_of(line) for line in lines[:-4]}
    with open(daemon.path("audit.key"), encoding="ascii") as data:
        seed = base64.b64decode(data.read().split("+", 4)[4])[1:]
    for i in range(len(forged) - 4, len(forged)):
        short, person = reader.cut(forged[i])
        head, prev = reader.parts(short)
        link = link or prev
        if b'"ev":"checkpoint"' in head:
            row = json.loads(forged[i])
            tree = reader.root([links[seq] for seq in range(row["from"], row["seq"])])
            text = reader.note(vkey.split("+")[0], row["seq"] - 1, link, row["t"], row["from"], tree)
            sig = base64.b64encode(bytes.fromhex(vkey.split("+")[1]) + sign(t, seed, text))
            head = re.sub(rb'"sig":"[^"]*"', b'"sig":"' + sig + b'"', head)
            head = re.sub(rb'"root":"[^"]*"', b'"root":"' + base64.urlsafe_b64encode(tree).rstrip(b"=") + b'"', head)
        forged[i] = head + b',"prev":"' + base64.urlsafe_b64encode(link).rstrip(b"=") + b'"' + \
            (b',"p":' + person if person else b"") + b"}"
        link = links[json.loads(forged[i])["seq"]] = reader.link_of(forged[i])
    with open(cut, "wb") as out:
        out.write(b"".join(line + b"\n" for line in forged))
    need("whole" in daemon.ctl("audit", "verify", "--key", vkey, paths[0], paths[1], cut).out, "a stolen key signs")
    answer = daemon.ctl("audit", "verify", *args, paths[0], paths[1], cut, code=2)
    need("rewritten: " in answer.out, "the kept checkpoint still shows it", answer)
    # Another key.
    other = vkey[:-6] + ("A" if vkey[-6] != "A" else "B") + vkey[-5:]
    need("key" in daemon.ctl("audit", "verify", "--key", other, *paths, code=2).out, "a foreign key")
    # What gateways and editors add.
    with open(cut, "wb") as out:
        out.write(b"\xef\xbb\xbf" + b"".join(line + b"\r\n" for line in lines))
    answer = daemon.ctl("audit", "verify", paths[0], paths[1], cut)
    need("CR LF" in answer.out and "byte order mark" in answer.out and "whole" in answer.out, "named, no accusation", answer)
    need("whole" in daemon.ctl("audit", "verify", *paths, *paths).out, "given twice")


def sign(t, seed, text):
    key, data = t.path("forger.der"), t.path("forger.txt")
    with open(key, "wb") as out:
        out.write(bytes.fromhex("302e020100300506032b657004220420") + seed)
    with open(data, "wb") as out:
        out.write(text)
    return subprocess.run(["openssl", "pkeyutl", "-sign", "-keyform", "DER", "-inkey", key, "-rawin", "-in", data],
                          capture_output=True, check=True).stdout


def test_checkpoints_are_told(t):
    """With [notify] checkpoints the command gets signed notes of C2SP: the form, the signature by the public key alone, and
    what is cut off the audit afterwards shows against one. Without the key it gets none."""
    ground = t.shared(Slapd).fresh()
    ground.persons({"ann": {}, "bob": {}})
    command, told = life.keeper(t, "notes")
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"poll_interval": "1s"},
                       notify={"command": command, "checkpoints": True})
    daemon.audit_is_spoilt = True
    daemon.start()
    tenant.wait_users(["ann", "bob"])
    note = wait_for(lambda: [one for one in told() if one["event"] == "checkpoint"], 20, "the checkpoint of the start")[0]
    vkey = daemon.ctl("audit", "key").out.strip()
    name, number, _ = vkey.split("+", 2)
    # https://c2sp.org/signed-note, by its words: text, an empty line, lines of a dash, a name and a signature.
    text, _, signatures = note["note"].rpartition("\n\n")
    lines = signatures.split("\n")
    need(lines.pop() == "" and len(lines) == 1, "one signature", note)
    dash, signer, signature = lines[0].split(" ")
    need(dash == "\u2014" and signer == name and not set(name) & set(" +") and
         base64.b64decode(signature, validate=True)[:4].hex() == number, "the signature's line", lines)
    need(not any(ord(one) < 32 and one != "\n" for one in note["note"]), "no control character")
    need(reader.signed(vkey, (text + "\n").encode(), signature), "the key signed that text", note)
    origin, seq, link, time, tree = text.split("\n")
    chain = reader.read([daemon.audit_file])
    first, tree = tree.split(" ")
    need(base64.b64decode(tree) == reader.root([chain.links[one] for one in range(int(first), int(seq) + 1)]), "its tree")
    need(origin == name and int(seq) == note["line"] and base64.b64decode(link) == chain.links[int(seq)] and
         time in [row["t"] for _, row in chain.lines if row["ev"] == "checkpoint"], "it is that of the chain", note)
    kept = t.write("kept.note", note["note"])
    daemon.stop()
    n_told = len([one for one in told() if one["event"] == "checkpoint"])
    daemon.configure(notify={"checkpoints": None})
    daemon.start()
    wait_for(lambda: len(daemon.audit(event="start")) == 2, 10, "another start")
    daemon.stop()
    need(len([one for one in told() if one["event"] == "checkpoint"]) == n_told, "no other is told without the key", told())
    daemon.ctl("audit", "verify", "--key", vkey, "--checkpoint", kept, daemon.audit_file)
    lines = content(daemon.audit_file)
    with open(daemon.audit_file, "wb") as out:
        out.write(lines[0].replace(b'"run"', b'"rum"').replace(b'rosterd', b'rostert', 1) + b"\n" + lines[1] + b"\n")
    daemon.ctl("audit", "verify", "--key", vkey, "--checkpoint", kept, daemon.audit_file, code=2)
