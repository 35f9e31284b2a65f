"""The key that signs the audit: handed over, replaced behind rosterd's back, given as a credential; and odd files."""

import gzip
import json
import os
import random
import subprocess
import zlib

from lib import Slapd, auditlines, base, deadline, need, wait_for
from test_audit_tamper import note_of


def scene(t):
    ground = t.shared(Slapd).fresh()
    ground.persons({"ann": {}, "bob": {}})
    tenant = t.simulator()
    return ground, tenant, t.rosterd(ground.server, tenant, ground, directory_keys={"poll_interval": "1s"})


def kinds(daemon, *words):
    answer = daemon.ctl("--json", "audit", "verify", *words, daemon.audit_file, code=None).json
    return [found["sentence"].split(":")[0] for found in answer["findings"]]


def test_handed_over(t):
    """A new key signed by the old one: who knows either of them verifies the whole chain; a third key is none, and a forger who
    claims to hand over to the trusted key gains nothing."""
    _, tenant, daemon = scene(t)
    daemon.audit_is_spoilt = True
    daemon.start()
    tenant.wait_users(["ann", "bob"])
    old = daemon.ctl("audit", "key").out.strip()
    new = daemon.ctl("audit", "key", "--new").out.strip()
    need(old != new and new == daemon.ctl("audit", "key").out.strip(), "another key", old, new)
    daemon.stop()
    chain = auditlines.need_whole(daemon.audit_file)
    handed = [row for _, row in chain.lines if row["ev"] == "key"]
    need(len(handed) == 1 and handed[0]["key"] == new, "on record", handed)
    need(kinds(daemon) == [] and kinds(daemon, "--key", old) == [] and kinds(daemon, "--key", new) == [], "whole by either")
    other = new[:-6] + ("A" if new[-6] != "A" else "B") + new[-5:]
    need("key" in kinds(daemon, "--key", other), "a third key")
    # A checkpoint that was kept is signed by the new key: who trusts the old one believes it, as that handed over.
    with open(daemon.audit_file, "rb") as data:
        kept = t.write("kept.note", note_of(data.read().split(b"\n")[-2]))
    need(all(kinds(daemon, "--key", key, "--checkpoint", kept) == [] for key in (old, new)) and kinds(daemon, "--checkpoint", kept) == [],
         "a kept checkpoint by either")
    foreign = t.rosterd(t.shared(Slapd), t.simulator(), t.shared(Slapd).fresh())
    foreign.once()
    with open(foreign.audit_file, "rb") as data:
        kept = t.write("foreign.note", note_of(data.read().split(b"\n")[-2]))
    need("key" in kinds(daemon, "--key", old, "--checkpoint", kept), "another's")
    need("key" in kinds(daemon, "--checkpoint", kept), "another's, without a key")
    daemon.start()  # the new key is the one that is used from now on
    need(daemon.ctl("audit", "key").out.strip() == new, "still the new one")
    daemon.stop()
    auditlines.need_whole(daemon.audit_file)
    # The end, with all that the trusted key signed, is cut off: what is left is nobody's whom the auditor trusts.
    with open(daemon.audit_file, "rb") as data:
        lines = data.read().split(b"\n")[:-1]
    at = next(i for i, line in enumerate(lines) if b'"ev":"key"' in line)
    with open(daemon.audit_file, "wb") as out:
        out.write(b"".join(line + b"\n" for line in lines[:at + 1]))
    need(kinds(daemon, "--key", old) == [] and kinds(daemon, "--key", new) == ["key"], "claimed, and signed by nobody")


def test_replaced(t):
    """A key that is put in the old one's place, which nobody handed over to, is a finding; proofs name the key that signed."""
    _, tenant, daemon = scene(t)
    daemon.audit_is_spoilt = True
    daemon.start()
    tenant.wait_users(["ann", "bob"])
    old = daemon.ctl("audit", "key").out.strip()
    daemon.stop()
    os.unlink(daemon.path("audit.key"))
    daemon.start()
    new = daemon.ctl("audit", "key").out.strip()
    daemon.stop()
    need(old != new and set(kinds(daemon, "--key", old)) == {"key"}, "it is found", kinds(daemon, "--key", old))
    for seq, key, not_by in ((2, old, new), (int(daemon.audit()[-1]["seq"]) - 1, new, old)):
        proof = t.write("proof", daemon.ctl("audit", "prove", str(seq), daemon.audit_file).out)
        daemon.ctl("audit", "verify", "--proof", proof, "--key", key)
        need("another key" in daemon.ctl("audit", "verify", "--proof", proof, "--key", not_by, code=2).err, "which key", seq)


def test_credential(t):
    """The service's credential audit-key goes before the file, which is not even made; rosterd cannot replace it, and says so."""
    _, tenant, daemon = scene(t)
    daemon.once()  # makes a key, in its file
    private = daemon.path("audit.key")
    folder = t.path("credentials")
    os.mkdir(folder, 0o700)
    os.rename(private, os.path.join(folder, "audit-key"))
    with open(daemon.audit_file, encoding="utf-8") as data:
        vkey = [row["key"] for row in map(json.loads, data) if row["ev"] == "checkpoint" and "key" in row][0]
    daemon.start(env={"CREDENTIALS_DIRECTORY": folder})
    need(daemon.ctl("audit", "key").out.strip() == vkey and not os.path.exists(private), "the credential is the key")
    said = daemon.ctl("audit", "key", "--new", code=1).err
    need("credential" in said and not os.path.exists(private), "it is not replaced", said)
    wait_for(lambda: daemon.audit(event="start")[1:], 10, "the second start")
    daemon.stop()
    need(kinds(daemon, "--key", vkey) == [], "one key signed it all")
    need(not [row for _, row in auditlines.need_whole(daemon.audit_file).lines if row["ev"] == "key"], "and none took over")


def test_odd_files(t):
    """What a file may hold that nobody of ours wrote: each is told as what it is, at its line; members of gzip make no difference."""
    daemon = t.rosterd(t.shared(Slapd), t.simulator(), t.shared(Slapd).fresh())
    with open(os.path.join(base.ROOT, "tests", "data", "audit-export", "sample.jsonl"), "rb") as data:
        lines = data.read().split(b"\n")[:-1]
    whole = b"".join(line + b"\n" for line in lines)

    def verify(content):
        path = t.path("odd")
        with open(path, "wb") as out:
            out.write(content)
        answer = daemon.ctl("--json", "audit", "verify", path, code=None).json
        return [(found["line"], found["sentence"].split(":")[0]) for found in answer["findings"]]

    def edited(at, old, new):
        need(old in lines[at], "it is there", at, old)
        return whole.replace(lines[at], lines[at].replace(old, new, 1))
    for content, expected in (
            (whole, []), (whole.replace(b"\n", b"\r\n"), []), (b"\xef\xbb\xbf" + whole, []), (gzip.compress(whole), []),
            (gzip.compress(whole[:3000]) + gzip.compress(whole[3000:]), []),
            (edited(5, b'"t":"', b'"t":"\0'), [(6, "changed")]), (edited(9, b'"seq":10', b'"seq":1e1'), [(10, "changed")]),
            (edited(9, b'"seq":10', b'"seq":010'), [(10, "changed")]), (edited(3, b',"ev":', b',"ev":"skip","ev":'), [(4, "changed")]),
            (edited(3, b'"ev"', b'"\\u0065v"'), [(4, "changed")]), (edited(3, b'"id":"6', b'"id":"\\u0036'), [(4, "changed")]),
            (edited(5, b'{"v"', b'\xef\xbb\xbf{"v"'), [(6, "changed")]), (whole + b"\0" * 600, [(30, "torn")]),
            (b"".join(line + b"\n" for line in lines[:5]) + b"\n" + b"".join(line + b"\n" for line in lines[5:]), [(6, "inserted")]),
            (gzip.compress(whole)[:-8], [(0, "torn")]), (gzip.compress(whole)[:12], [(0, "torn")]),
            (gzip.compress(whole) + b"behind", [(0, "inserted")]), (gzip.compress(b"") + b"\0", [(0, "inserted")]),
            (gzip.compress(whole) + b"\0" * 70000, [(0, "inserted")])):
        need(verify(content) == expected, "what is found", expected, verify(content), content[:80])
    swapped = verify(gzip.compress(b"".join(line + b"\n" for line in lines[20:])) +
                     gzip.compress(b"".join(line + b"\n" for line in lines[:20])))
    need({kind for _, kind in swapped} == {"reordered"} and len(swapped) == 9, "the smaller part was moved", swapped)
    cut = verify(gzip.compress(whole)[:-400])
    need([kind for _, kind in cut] == ["torn", "torn"], "the line, and the file", cut)
    with open(t.path("odd"), "wb") as out:
        out.write(edited(5, b'"t":"', b'"t":"\0'))
    failed = daemon.ctl("audit", "prove", "9", t.path("odd"), code=1)
    need(failed.out == "" and failed.err, "no half of a proof", failed)


def change_bytes(chance, packed):
    data = bytearray(packed)
    kind = chance.choice(("flip", "remove", "insert", "behind", "zeros", "cut"))
    at = chance.choice((chance.randrange(1, 10), chance.randrange(1, len(data))))
    if kind == "flip":
        data[at] ^= 1 << chance.randrange(8)
    elif kind == "remove":
        del data[at:at + chance.randrange(1, 9)]
    elif kind == "insert":
        data[at:at] = chance.randbytes(chance.randrange(1, 9))
    elif kind == "behind":
        data += chance.randbytes(chance.choice((1, 8, 65536)))
    elif kind == "zeros":
        data += bytes(chance.choice((1, 512)))
    else:
        del data[at:]
    return kind, bytes(data)


@deadline(180)
def test_compressed_bytes(t):
    """Whatever was done to the bytes of a compressed file, beside another one that is whole: told, but where what it holds is the same
    and nothing stands behind it. What it holds is Python's to say. ROSTERD_SEED and ROSTERD_HISTORIES are the long form."""
    with open(os.path.join(base.ROOT, "tests", "data", "audit-export", "sample.jsonl"), "rb") as data:
        lines = data.read().split(b"\n")[:-1]
    first, rest = (b"".join(line + b"\n" for line in part) for part in (lines[:15], lines[15:]))
    packed, other = gzip.compress(first, mtime=1), t.write("rest.jsonl", rest.decode())
    seed, seen = int(os.environ.get("ROSTERD_SEED", "1")), {}
    for number in range(seed, seed + int(os.environ.get("ROSTERD_HISTORIES", "200"))):
        kind, changed = change_bytes(random.Random(number), packed)
        path = t.path("first.gz")
        with open(path, "wb") as out:
            out.write(changed)
        try:
            same = gzip.decompress(changed) == first and kind != "zeros"
        except (OSError, EOFError, zlib.error):
            same = False
        done = subprocess.run([base.built("rosterctl"), "--json", "audit", "verify", other, path], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=20, check=False)
        need(done.returncode in (0, 2), "it judges", number, kind, done)
        verdict = json.loads(done.stdout)
        need(verdict["whole"] == same, "told", number, kind, same, verdict)
        need(same or verdict["findings"] and {one["file"] for one in verdict["findings"]} <= {path, other}, "of which file", verdict)
        seen[kind, same] = seen.get((kind, same), 0) + 1
    need(len(seen) >= 6 and seen["flip", True] and seen["flip", False], "some of each", seen)


def test_pipes(t):
    """What can be read only once is refused, by name or as standard input, and not waited for; a file as standard input is a file."""
    path = os.path.join(base.ROOT, "tests", "data", "audit-export", "sample.jsonl")
    pipe = t.path("pipe")
    os.mkfifo(pipe)
    with open(path, "rb") as data:
        whole = data.read()
    for words in (("verify",), ("show",), ("who", "--role", "Agent"), ("export", "--format", "cef")):
        for name, given in ((pipe, b""), ("/dev/stdin", whole)):
            done = subprocess.run([base.built("rosterctl"), "audit", *words, name], input=given, capture_output=True, timeout=20, check=False)
            need(done.returncode == 1 and b"is a pipe" in done.stderr and not done.stdout, "refused", words, name, done)
    with open(path, "rb") as data:
        done = subprocess.run([base.built("rosterctl"), "audit", "verify", "/dev/stdin"], stdin=data, capture_output=True, timeout=20, check=False)
    need(done.returncode == 0 and done.stdout.startswith(b"whole"), "a file", done)
