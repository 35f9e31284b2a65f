"""Audit files with checkpoints and keys, by the document's words and openssl alone."""

import base64
import hashlib
import subprocess
import tempfile

from . import histories

reader = histories.reader


def openssl(*words, data):
    """data: {word: bytes}, each in a file whose name takes the word's place."""
    files = []
    for word in words:
        if word in data:
            files.append(tempfile.NamedTemporaryFile())
            files[-1].write(data[word])
            files[-1].flush()
    names = iter(files)
    done = subprocess.run(["openssl", *(next(names).name if word in data else word for word in words)], capture_output=True, check=True)
    for one in files:
        one.close()
    return done.stdout


class Key:
    """Of a name, always the same."""

    def __init__(self, name):
        self.name, seed = "rosterd/test/" + name, hashlib.sha256(name.encode()).digest()
        self.private = bytes.fromhex("302e020100300506032b657004220420") + seed
        public = b"\1" + openssl("pkey", "-inform", "DER", "-in", "KEY", "-pubout", "-outform", "DER", data={"KEY": self.private})[-32:]
        self.number = reader.sha(self.name.encode(), b"\n", public)[:4]
        self.vkey = "%s+%s+%s" % (self.name, self.number.hex(), base64.b64encode(public).decode())

    def sign(self, text):
        return base64.b64encode(self.number + openssl("pkeyutl", "-sign", "-keyform", "DER", "-inkey", "KEY", "-rawin", "-in", "TEXT",
                                                      data={"KEY": self.private, "TEXT": text})).decode()


class Writer(histories.Writer):
    def __init__(self, before=None):
        """before: the lines of another one, which this one goes on from."""
        super().__init__()
        self.links, self.notes, self.last = [], {}, 0  # notes: {number of the last line that it covers: text}
        for line in before or ():
            self.lines.append(line)
            self.link = reader.link_of(line)
            self.links.append(self.link)
            if b'"ev":"checkpoint"' in line:
                self.last = len(self.lines) - 1

    def time(self, day=1):
        return "2026-01-%02dT12:00:00.%06dZ" % (day, len(self.lines))

    def add(self, day, event, facts=None, person=None):
        seq = super().add(day, event, facts, person)
        self.links.append(self.link)
        return seq

    def checkpoint(self, key, told=True, links=None):
        """told: it says by which key. links: of the lines that are signed, instead of these."""
        n = len(self.lines)
        first = max(self.last + 1, n - 63)
        tree = reader.root((links or self.links)[first - 1:n])
        text = reader.note(key.name, n, self.link, self.time(), first, tree)
        sig = key.sign(text)
        self.notes[n] = text.decode() + "\n\u2014 %s %s\n" % (key.name, sig)
        facts = {"why": "time" if told else "count", "from": first, "root": base64.urlsafe_b64encode(tree).decode().rstrip("=")}
        facts.update({"key": key.vkey} if told else {}, sig=sig)
        self.last = n
        return self.add(1, "checkpoint", facts)

    def handing_over(self, old, new):
        return old.sign(("%s\nnew key\n%s\n%s\n%d %s\n" % (old.name, new.vkey, self.time(), len(self.lines),
                                                          base64.b64encode(self.link).decode())).encode())

    def hand_over(self, new, sig):
        return self.add(1, "key", {"key": new.vkey, **({"sig": sig} if sig else {})})

    def write(self, path, first=0, last=None):
        with open(path, "wb") as out:
            out.write(b"".join(line + b"\n" for line in self.lines[first:last]))
        return path
