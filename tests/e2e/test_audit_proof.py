"""One line is proved to somebody who may not see the others, and no forged proof passes."""

import json
import os
import random
import re

from lib import Slapd, auditlines, base, deadline, need

reader = auditlines.reader


@deadline(120)
def test_proofs(t):
    """Every line has a proof that rosterctl and the second reader accept, below 3 KiB and without anybody else's data;
    each of many forged ones is refused by both."""
    ground = t.shared(Slapd).fresh()
    ground.persons({"u%03d" % i: {} for i in range(60)})
    daemon = t.rosterd(ground.server, t.simulator(), ground)
    daemon.once()
    with open(daemon.audit_file, "rb") as data:
        lines = data.read().split(b"\n")[:-1]
    vkey = json.loads(lines[-1])["key"]
    chance = random.Random(int(os.environ.get("ROSTERD_SEED", "20261128")))
    proofs, path, largest = {}, t.path("proof.txt"), 0
    for seq in range(1, len(lines)):
        proofs[seq] = text = daemon.ctl("audit", "prove", str(seq), daemon.audit_file).out.encode()
        # A start's line is long itself, since it holds the configuration.
        largest = max(largest, len(text) if len(lines[seq - 1]) < 2000 else 0)
        need(len(text) < 3072 or len(lines[seq - 1]) > 2000, "small", seq, len(text))
        row, name = reader.verify_proof(text)
        need(row["seq"] == seq and vkey.startswith(name + "+"), "the second reader accepts it", seq)
        for other in chance.sample(range(60), 3):
            login = b'"u%03d"' % other
            need(login in lines[seq - 1] or login not in text, "nobody else is in it", seq, other)
    for seq in chance.sample(sorted(proofs), 20):
        with open(path, "wb") as out:
            out.write(proofs[seq])
        answer = daemon.ctl("audit", "verify", "--proof", path, "--key", vkey)
        need("proved" in answer.out and "line %d " % seq in answer.out, "accepted", answer)
    need(0 < largest < 1800, "of a create's line, with six hashes and the key", largest)
    need(max(row["seq"] - row["from"] for row in map(json.loads, lines) if row["ev"] == "checkpoint") == 64, "a tree of 64")
    need("no checkpoint" in daemon.ctl("audit", "prove", str(len(lines)), daemon.audit_file, code=1).err, "not yet")
    for _ in range(150):
        text = bytearray(proofs[chance.choice(sorted(proofs))])
        kind = chance.choice(("byte", "cut", "mixed", "p", "name", "more"))
        if kind == "name":
            at = text.rindex("\u2014 ".encode()) + 4 + chance.randrange(len(vkey.split("+")[0]))
            text[at] ^= 1
        elif kind == "more":
            text += b"somebody else's words\n"
        elif kind == "byte":
            at = chance.randrange(len(text) - len(vkey) - 1)
            text[at] = (text[at] + chance.randrange(1, 90)) % 127
        elif kind == "cut":
            del text[chance.randrange(20, len(text) - 2):]
        elif kind == "mixed":
            parts, other = bytes(text).split(b"\n"), proofs[chance.choice(sorted(proofs))].split(b"\n")
            if parts[1] == other[1]:
                continue
            text = b"\n".join(parts[:1] + other[1:2] + parts[2:])
        elif b',"p":' in text:
            text = bytes(text).replace(b'"id":"', b'"id":"x', 1)
        else:
            continue
        with open(path, "wb") as out:
            out.write(bytes(text))
        try:
            reader.verify_proof(bytes(text))
            refused = False
        except (ValueError, AttributeError, KeyError):
            refused = True
        need(refused, "the second reader refuses it", kind, bytes(text))
        daemon.ctl("audit", "verify", "--proof", path, "--key", vkey, code=2)


def test_vectors_of_the_document(t):
    """What docs/audit-format.md prints is so, for rosterctl and for the second reader: links, the tree, the checkpoint and the
    proof, byte for byte."""
    with open(os.path.join(base.ROOT, "docs", "audit-format.md"), encoding="utf-8") as text:
        page = text.read()
    lines = [re.search(r"^    line %d   (\{.*\})$" % n, page, re.M).group(1).encode() for n in (1, 2, 3)]
    links = re.findall(r"^    link +([A-Za-z0-9_-]{43})$", page, re.M)
    need([reader.unurl(link.encode()) for link in links] == [reader.link_of(line) for line in lines], "the links", links)
    path = t.path("vectors.jsonl")
    with open(path, "wb") as out:
        out.write(b"".join(line + b"\n" for line in lines))
    need(not reader.read([path]).problems, "the second reader", reader.read([path]).problems)
    daemon = t.rosterd(t.shared(Slapd), t.simulator(), t.shared(Slapd).fresh())
    verdict = daemon.ctl("--json", "audit", "verify", path).json
    need(verdict["whole"] and verdict["checkpoints"] == 1 and verdict["last_hash"] == links[2], "rosterctl", verdict)
    printed = re.search(r"^    rosterd-proof 1\n    \{\"v\":1,\"seq\":2,.*?(?=^## )", page, re.M | re.S).group(0)
    proof = re.sub(r"^    ", "", printed, flags=re.M).rstrip("\n") + "\n"
    need(daemon.ctl("audit", "prove", "2", path).out == proof, "the proof", proof)
    need(reader.verify_proof(proof.encode())[0]["seq"] == 2, "the second reader takes it")
    for n, root in re.findall(r"^    n = (\d+) +([A-Za-z0-9_-]{43})$", page, re.M):
        leaves = [reader.hashlib.sha256(b"%d" % i).digest() for i in range(int(n))]
        need(reader.root(leaves) == reader.unurl(root.encode()), "the root", n)
