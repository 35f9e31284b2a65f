"""A follower of the audit against whatever happens to its files: each line once and in order, in the words of a whole export."""

import gzip
import os
import random
import select
import shutil
import signal
import subprocess
import time

from lib import base, deadline, histories, need, wait_for
from test_audit_export import check, export, seqs
from test_audit_hostile import HOSTILE, write


class Files:
    """The audit file and the closed ones, written in pieces that do not end with lines; what logrotate and rosterd do to them."""

    def __init__(self, chance, folder, lines):
        self.chance, self.path, self.n_closed = chance, os.path.join(folder, "audit.jsonl"), 0
        self.left, self.folder = b"".join(line + b"\n" for line in lines), folder

    def append(self):
        n = self.chance.choice((1, 7, 100, 1000, 5000, 40000))
        with open(self.path, "ab") as out:
            out.write(self.left[:n])
        self.left = self.left[n:]

    def end_line(self):
        n = self.left.find(b"\n") + 1
        with open(self.path, "ab+") as out:
            out.seek(0, os.SEEK_END)
            whole = out.tell() == 0
            if not whole:
                out.seek(-1, os.SEEK_END)
                whole = out.read(1) == b"\n"
            if not whole:
                out.write(self.left[:n])
        if not whole:
            self.left = self.left[n:]

    def closed_name(self):
        self.n_closed += 1
        return self.path + self.chance.choice((".%d" % self.n_closed, "-20261128-%06d" % self.n_closed))

    def rename(self):
        self.end_line()
        os.rename(self.path, self.closed_name())

    def copy_truncate(self):
        """And what is written next may be more than there was."""
        self.end_line()
        shutil.copyfile(self.path, self.closed_name())
        with open(self.path, "r+b") as out:
            out.truncate(0)
        if self.chance.random() < 0.5:
            with open(self.path, "ab") as out:
                out.write(self.left[:60000])
            self.left = self.left[60000:]

    def torn(self):
        """A crash left half a line, which rosterd cuts off before it goes on."""
        self.end_line()
        whole = os.path.getsize(self.path)
        with open(self.path, "ab") as out:
            out.write(b'{"v":1,"seq":' + b"9" * self.chance.randrange(200))
        time.sleep(self.chance.choice((0, 0.002)))
        with open(self.path, "r+b") as out:
            out.truncate(whole)
        self.append()

    def compress(self):
        closed = [name for name in sorted(os.listdir(self.folder)) if name.startswith("audit.jsonl") and name != "audit.jsonl" and
                  not name.endswith(".gz")]
        if closed:
            name = os.path.join(self.folder, self.chance.choice(closed))
            with open(name, "rb") as data, gzip.open(os.path.join(self.folder, "unready"), "wb") as out:
                shutil.copyfileobj(data, out)
            os.rename(os.path.join(self.folder, "unready"), name + ".gz")
            os.unlink(name)

    def rewrite(self):
        """As an erasure does: another file takes the place of a closed one."""
        closed = [name for name in os.listdir(self.folder) if name.startswith("audit.jsonl") and name != "audit.jsonl"]
        if closed:
            name = os.path.join(self.folder, self.chance.choice(sorted(closed)))
            shutil.copyfile(name, name + ".erasing")
            os.rename(name + ".erasing", name)

    def step(self):
        if not os.path.exists(self.path):
            self.append()
            return
        self.chance.choice([self.append] * 8 + [self.rename, self.copy_truncate, self.torn, self.compress, self.rewrite])()


class Reader:
    """Reads slowly, is killed, and goes on behind what it had."""

    def __init__(self, t, form, path):
        self.t, self.form, self.path, self.text, self.process = t, form, path, b"", None
        self.begin()

    def begin(self):
        self.text = self.text[:self.text.rfind(b"\n") + 1]
        got = self.seqs()
        self.process = subprocess.Popen([base.built("rosterctl"), "audit", "export", "--format", self.form, "--follow", "--after",
                                         str(got[-1] if got else 0), self.path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        env={"LANG": "C"})
        base.register(self.process.pid)
        self.t.cleanup(self.process.kill)

    def seqs(self):
        whole = self.text[:self.text.rfind(b"\n") + 1].decode()
        return seqs(self.form, check(self.form, whole)) if whole else []

    def read(self, most=100000, seconds=0.0):
        if select.select([self.process.stdout], [], [], seconds)[0]:
            self.text += os.read(self.process.stdout.fileno(), most)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.text += self.process.stdout.read()
        self.process.wait()
        self.begin()


def all_read(reader, n, what):
    def done():
        reader.read(seconds=0.1)
        need(reader.process.poll() is None, "it goes on", what, reader.form)
        return reader.text.count(b"\n") >= n
    wait_for(done, 20, "every line", lambda: (what, reader.form, sorted(set(range(1, n + 1)) - set(reader.seqs())), n, os.listdir(os.path.dirname(reader.path))))


@deadline(120)
def test_whatever_happens_to_the_files(t):
    """Hostile names and random histories; the file appears later, grows in pieces, is renamed, copied and emptied, compressed,
    rewritten; readers are slow and are killed. ROSTERD_SEED and ROSTERD_HISTORIES are the long form."""
    seed = int(os.environ.get("ROSTERD_SEED", "1"))
    for number in range(seed, seed + int(os.environ.get("ROSTERD_HISTORIES", "8"))):
        chance, folder = random.Random(number), t.path("f%d" % number)
        os.mkdir(folder)
        whole = os.path.join(folder, "whole")
        if number % 3 == 0:
            write(whole, HOSTILE[number % 7::7])
        else:
            with open(whole, "wb") as out:
                out.write(b"".join(line + b"\n" for line in histories.History(chance, people=10, days=20).writer.lines))
        with open(whole, "rb") as data:
            lines = data.read().split(b"\n")[:-1]
        files = Files(chance, folder, lines)
        readers = [Reader(t, form, files.path) for form in ("ecs", "cef")]
        while files.left:
            files.step()
            one = chance.choice(readers)
            dice = chance.random()
            if dice < 0.05:
                one.kill()
            elif dice < 0.5:
                one.read(chance.choice((1, 100, 65536)))
            elif dice < 0.6:
                time.sleep(0.002)  # they may look between two changes, or not
        for one in readers:
            expected = export("--format", one.form, whole)
            all_read(one, expected.count("\n"), number)
            need(one.seqs() == list(range(1, len(lines) + 1)), "each line once, in its order", number, one.form, one.seqs())
            need(one.text.decode() == expected, "and in the same words", number, one.form)
            one.process.kill()
            one.process.wait()
