"""A rosterd whose wall clock, kernel and disk a test turns by tests/shim, which is preloaded.

    lie = Faked(t)
    d.start(env=lie.env)          # and at each further start
    lie.set_clock(7200)           # two hours ahead of the real one, from now on
    lie.say("synchronised"); lie.say("boot", "another"); lie.say("fail-sync", "state.db"); lie.unsay("fail-sync")
"""

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
