"""feed-dump, driven: what a directory feed delivers, as events and as the mirror they amount to."""

import json
import os
import queue
import signal
import subprocess
import threading

from . import base
from .ldapserver import ScriptedServer


class Feed:
    """One run of tests/lab/feed-dump.  Keywords are its options: feed="poll", poll="200ms",
    once=True, attribute=["cn", "mail"].  `keep` names the file of mirror and cookie, so that a
    second Feed with the same one goes on where the first one ended."""

    def __init__(self, t, server, ground=None, keep=None, tls="ldaps", uri=None, wrap=(), **options):
        client = server.client() if isinstance(server, ScriptedServer) else server.client(tls)
        self.t = t
        self.events = []
        self.entries = {}
        self.read = 0
        self.ended = False
        arguments = {"uri": uri or client["uri"], "base": ground.dn if ground else client["base"],
                     "bind-dn": client["bind_dn"], "attribute": ["cn", "sn", "mail"]}
        if client["bind_dn"]:
            arguments["password-file"] = t.write("bind-%d.pw" % id(server), client["bind_password"], 0o600)
        if client.get("tls_ca_file"):
            arguments["ca"] = client["tls_ca_file"]
        if tls == "no":
            arguments["tls"] = "no"
        if keep:
            arguments["cookie-file"] = t.path(keep)
            self._load(t.path(keep))
        arguments.update({name.replace("_", "-"): value for name, value in options.items()})
        command = [base.built("tests/lab/feed-dump")]
        for name, value in arguments.items():
            if value is True:
                command.append("--" + name)
            elif value not in (None, False):
                for one in value if isinstance(value, (list, tuple)) else [value]:
                    command += ["--" + name, str(one)]
        self.log = open(t.path("feed-%d.log" % id(self)), "w+", encoding="utf-8")
        wrap = list(wrap) + os.environ.get("ROSTERD_WRAP", "").split()
        self.process = subprocess.Popen(wrap + command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        base.register(self.process.pid)
        t.cleanup(self.close)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _load(self, path):
        if os.path.exists(path):
            with open(path, encoding="utf-8") as text:
                for ident, row in json.load(text)["mirror"].items():
                    self.entries[ident] = {"id": ident, "dn": row["dn"], "kind": row["kind"],
                                           "members": row["members"], "attributes": None}

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def _apply(self, event):
        kind = event["event"]
        if kind == "entry":
            self.entries[event["id"]] = event
        elif kind in ("gone", "vanished"):
            self.entries.pop(event["id"], None)
        elif kind == "members" and event["id"] in self.entries:
            members = self.entries[event["id"]]["members"]
            for text in event["removed"] + event["added"]:
                for key in [k for k, v in members.items() if v.lower() == text.lower()]:
                    del members[key]
            members.update({text.lower(): text for text in event["added"]})

    def pull(self, seconds=0.0):
        """Takes what has come; True if there was anything."""
        try:
            event = self.lines.get(timeout=seconds) if seconds else self.lines.get_nowait()
        except queue.Empty:
            return False
        if event is None:
            self.ended = True
            return False
        self.events.append(event)
        self._apply(event)
        return True

    def errors(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()[-2000:]

    def wait(self, condition, what, seconds=20):
        """Until condition(self) is true."""
        def ready():
            while self.pull():
                pass
            result = condition(self)
            if not result and self.ended:
                raise base.Hopeless("feed-dump ended with %s, waiting for %s: %s\n%s" % (
                    self.process.wait(10), what, self.events[-5:], self.errors()))
            return result
        return base.wait_for(ready, seconds, what, lambda: (self.events[-6:], self.errors()))

    def wait_event(self, kind, seconds=20, **fields):
        """The next event of this kind (after those waited for before) with these fields."""
        def match(event):
            return event["event"] == kind and all(event.get(k) == v for k, v in fields.items())

        def found(_):
            for position in range(self.read, len(self.events)):
                if match(self.events[position]):
                    self.read = position + 1
                    return self.events[position]
            return None
        return self.wait(found, "%s %s" % (kind, fields), seconds)

    def wait_following(self, seconds=20):
        return self.wait_event("status", seconds, state="following")

    def finish(self, seconds=30):
        """--once: waits for its end; the done event."""
        done = self.wait_event("done", seconds)
        base.need(self.process.wait(10) == (1 if done["result"] < 0 else 0), "its exit code")
        return done

    def dns(self, kind=None):
        return sorted(e["dn"] for e in self.entries.values() if kind in (None, e["kind"]))

    def by_dn(self, dn):
        for entry in self.entries.values():
            if entry["dn"].lower() == dn.lower():
                return entry
        return None

    def members(self, dn):
        """The members of a group that are DNs, in lower case; None if it is not there."""
        entry = self.by_dn(dn)
        if entry is None:
            return None
        return sorted(v.lower() for v in entry["members"].values() if "=" in v)

    def count(self, kind, **fields):
        return sum(1 for e in self.events
                   if e["event"] == kind and all(e.get(k) == v for k, v in fields.items()))

    def commits(self):
        return [e for e in self.events if e["event"] == "commit"]

    def compared(self):
        """The last commit that says who is there, or that it is not known; a read of changes, which may follow at once, says nothing of that."""
        return [e for e in self.commits() if e["absence"] != "none"][-1]

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def stop(self):
        """An orderly end; its exit code must be 0."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(10)
        base.need(code == 0, "feed-dump's exit code", code, self.errors())

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()
