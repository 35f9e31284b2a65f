"""A rosterd whose wall clock, kernel and disk a test turns by tests/shim, which is preloaded.

    lie = Faked(t)
    d.start(env=lie.env)          # and at each further start
    lie.set_clock(7200)           # two hours ahead of the real one, from now on
    lie.say("synchronised"); lie.say("boot", "another"); lie.say("fail-sync", "state.db"); lie.unsay("fail-sync")
"""

import glob
import os

from . import base


class Faked:
    def __init__(self, t):
        self.folder = t.path("faked")
        os.makedirs(self.folder, exist_ok=True)
        self.env = {"LD_PRELOAD": base.built("tests/shim/shim.so"), "ROSTERD_SHIM": self.folder}

    def set_clock(self, seconds):
        """So many seconds ahead of the real time, or behind it."""
        self.say("clock", "%d\n" % seconds)

    def say(self, name, text=""):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="ascii") as to:
            to.write(text)
        os.rename(path + ".new", path)

    def unsay(self, name):
        os.unlink(os.path.join(self.folder, name))


class Faketime:
    """A rosterd whose wall clock libfaketime turns: another's word for what a wrong clock is, and no code of ours.

    The clock of durations stays the kernel's, and so do its timers (tests/shim/timers.c says why) and the times of files."""

    def __init__(self, t):
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") + glob.glob("/usr/lib*/faketime/libfaketimeMT.so.1")
        base.need(found, "libfaketime is installed")
        self.file = t.path("faketime")
        self.env = {"LD_PRELOAD": "%s %s" % (base.built("tests/shim/timers.so"), found[0]), "FAKETIME_TIMESTAMP_FILE": self.file,
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
        self.set_clock(0)

    def set_clock(self, seconds):
        """So many seconds ahead of the real time, or behind it."""
        with open(self.file + ".new", "w", encoding="ascii") as to:
            to.write("%+d\n" % seconds)
        os.rename(self.file + ".new", self.file)
