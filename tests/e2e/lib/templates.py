"""Random templates over random values, expanded by rosterd and by bash 5.2.

Values are never blank alone and never hold quotes; what rosterd has and the shell has not (@ascii, operators
behind each other) is left out, and so is what differs on purpose, which the manual lists: an expansion
within a pattern or a replacement is text and no pattern, quotes are ordinary characters, NFC.
"""

import json
import random
import subprocess

from . import base

NAMES = ["cn", "sn", "givenName", "displayName"]
TEXTS = ["a", "b", "c", "A", "B", "z", "é", "É", "ß", "ﬁ", "İ", "ı", "ς", "Σ", "ö", "李", "1", "2", " ", ".", "-", "/", "@",
         "&", "*", "?", "[", "]", "}", "(", "ab", "van "]
PATTERNS = ["a", "b", "A", "*", "?", "[a-c]", "[!a-z]", "[^b]", "é", " ", ".", "\\*", "\\?", "\\[", "@", "-", "1", "\\}", "ab",
            "[aé]", "\\\\"]
WORDS = ["x", "y", "&", "\\&", "[&]", " ", "é", "\\}", "-", "", "q", "\\\\"]


class Source:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, items):
        return items[self.random.randrange(len(items))]

    def chance(self, n):
        return self.random.randrange(n) == 0

    def text(self):
        value = "".join(self.pick(TEXTS) for _ in range(self.random.randrange(1, 8)))
        return value if value.strip(" ") else "a" + value

    def pattern(self):
        return "".join(self.pick(PATTERNS) for _ in range(self.random.randrange(1, 4)))

    def word(self, expansions=True):
        text = "".join(self.pick(WORDS) for _ in range(self.random.randrange(0, 3)))
        return text + (self.expansion(False) if expansions and self.chance(4) else "")

    def expansion(self, nested=True):
        name = self.pick(NAMES)
        kind = self.random.randrange(9)
        if kind == 0:
            return "${%s}" % name
        if kind == 1:
            return "${%s:%s%s}" % (name, self.pick("-+"), self.word(nested).replace("&", "x"))
        if kind == 2:
            return "${%s%s%s}" % (name, self.pick(["#", "##", "%", "%%"]), self.pattern())
        if kind in (3, 4):
            return "${%s/%s%s/%s}" % (name, self.pick(["", "/", "#", "%"]), self.pattern(), self.word(False))
        if kind == 5:
            return "${%s%s}" % (name, self.pick([",", ",,", "^", "^^"]))
        if kind == 6:
            return "${%s:%s}" % (name, self.pick(["0", "1", "2", " -1", " -3", "9"]))
        if kind == 7:
            return "${%s:%s:%s}" % (name, self.pick(["0", "1", " -2"]), self.pick(["0", "1", "2", "9"]))
        return "${%s}" % name

    def template(self):
        return "".join(self.expansion() if not self.chance(4) else self.pick(["x", "-", "."])
                       for _ in range(self.random.randrange(1, 4)))

    def row(self):
        attributes = {name: [" " if self.chance(12) else self.text()] for name in NAMES if not self.chance(4)}
        return {"template": self.template(), "attributes": attributes}


def hexadecimal(value):
    """For $'...'; a blank value is an empty one for rosterd."""
    return "".join("\\x%02x" % byte for byte in ("" if value == " " else value).encode("utf-8"))


def ask_shell(rows):
    """What bash makes of each; None where it complains."""
    script = ["shopt -s patsub_replacement; export LC_ALL=C.UTF-8"]
    for row in rows:
        script.append("unset %s" % " ".join(NAMES))
        for name, values in row["attributes"].items():
            script.append("%s=$'%s'" % (name, hexadecimal(values[0])))
        script.append("out=%s; printf '%%s\\0' \"$out\"" % row["template"])
    done = subprocess.run(["bash"], input="\n".join(script).encode("utf-8"), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, check=False)
    return [text.decode("utf-8", "replace") for text in done.stdout.split(b"\0")[:-1]]


def ask_rosterd(rows):
    done = subprocess.run([base.built("tests/lab/template-verdict")], input=json.dumps(rows), stdout=subprocess.PIPE,
                          universal_newlines=True, check=True, timeout=120)
    return done.stdout.split("\n")[:-1]


def compare(seed, n_rows):
    """(rows compared, differences)."""
    source = Source(seed)
    rows = [source.row() for _ in range(n_rows)]
    theirs, ours = ask_shell(rows), ask_rosterd(rows)
    base.need(len(theirs) == len(ours) == n_rows, "an answer to each", len(theirs), len(ours))
    found, compared = [], 0
    for row, shell, mine in zip(rows, theirs, ours):
        if mine.startswith("! "):
            continue  # stricter than the shell: refused with a sentence
        compared += 1
        if mine[2:] != shell.strip(" "):
            found.append("%s with %s: bash '%s', rosterd '%s'" % (row["template"], row["attributes"], shell, mine[2:]))
    return compared, found
