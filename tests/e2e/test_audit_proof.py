"""One line is proved to somebody who may not see the others, and no forged proof passes."""

import json
import os
import random

from lib import Slapd, auditlines, deadline, need


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
    proofs, path = {}, t.path("proof.txt")
    for seq in range(1, len(lines)):
        proofs[seq] = text = daemon.ctl("audit", "prove", str(seq), daemon.audit_file).out.encode()
        # A start's line is long itself, since it holds the configuration.
        need(len(text) - max(0, len(lines[seq - 1]) - 1000) < 3072, "small", seq, len(text))
        row, name = auditlines.reader.verify_proof(text)
        need(row["seq"] == seq and vkey.startswith(name + "+"), "the second reader accepts it", seq)
        for other in chance.sample(range(60), 3):
            login = b'"u%03d"' % other
            need(login in lines[seq - 1] or login not in text, "nobody else is in it", seq, other)
    for seq in chance.sample(sorted(proofs), 20):
        with open(path, "wb") as out:
            out.write(proofs[seq])
        answer = daemon.ctl("audit", "verify", "--proof", path, "--key", vkey)
        need("proved" in answer.out and "line %d " % seq in answer.out, "accepted", answer)
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
            auditlines.reader.verify_proof(bytes(text))
            refused = False
        except (ValueError, AttributeError, KeyError):
            refused = True
        need(refused, "the second reader refuses it", kind, bytes(text))
        daemon.ctl("audit", "verify", "--proof", path, "--key", vkey, code=2)
