"""The one argument of a test function, and the loop that runs the tests of one file.

A file is run by a process of its own (tests/e2e/run --child), which tells its parent about
each test in lines of JSON.  Servers that are shared live as long as that process.
"""

import contextlib
import importlib.util
import io
import json
import os
import signal
import sys
import time
import traceback

from . import base
from .rosterd import Rosterd, merge
from .simulator import Simulator

DEADLINE = 60.0


class Shared:
    """Servers that the tests of one file have in common, by class and settings."""

    def __init__(self):
        self.servers = {}

    def get(self, kind, settings):
        key = (kind, tuple(sorted(settings.items())))
        server = self.servers.get(key)
        if server is None:
            server = self.servers[key] = kind(**settings)
        elif not server.running():
            server.start()
        else:
            server.resume()
        return server

    def close(self):
        for server in self.servers.values():
            server.close()
        self.servers = {}


class Context:
    """t: the folder, servers and programs of one test; everything ends with the test."""

    def __init__(self, name, shared, deadline=DEADLINE):
        self.name = name
        self.folder = base.new_folder(name.replace("test_", "")[:12])
        self._shared = shared
        self._cleanups = []
        self._end = time.monotonic() + deadline
        self.simulators, self.daemons = [], []

    # --- time ---

    def left(self):
        """Seconds until the test's deadline."""
        return self._end - time.monotonic()

    def arm(self):
        def over(_number, _frame):
            raise base.DeadlineOver()
        signal.signal(signal.SIGALRM, over)
        signal.setitimer(signal.ITIMER_REAL, max(self.left(), 0.001))

    @staticmethod
    def disarm():
        signal.setitimer(signal.ITIMER_REAL, 0)

    @contextlib.contextmanager
    def off_the_clock(self):
        """Preparations that do not count towards the deadline; each has bounds of its own."""
        left = self.left()
        self.disarm()
        try:
            yield
        finally:
            self._end = time.monotonic() + left
            self.arm()

    # --- things ---

    def cleanup(self, function, *arguments):
        """Calls function(*arguments) after the test, last first."""
        self._cleanups.append((function, arguments))

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o644):
        return base.write_file(self.path(name), text, mode)

    def shared(self, kind, **settings):
        """A server that all tests of the file use that ask with the same settings; started again
        if a test stopped it.  Give each test a subtree of its own: .fresh()."""
        with self.off_the_clock():
            return self._shared.get(kind, settings)

    def server(self, kind, **settings):
        """A server for this test alone: Slapd, Ds389, SambaAD or ScriptedServer."""
        with self.off_the_clock():
            server = kind(**settings)
        self.cleanup(server.close)
        return server

    def simulator(self, **settings):
        """A tenant; see Simulator for the settings."""
        simulator = Simulator(os.path.join(self.folder, "tenant%d" % len(self.simulators)), **settings)
        self.simulators.append(simulator)
        self.cleanup(simulator.close)
        simulator.start()
        return simulator

    def rosterd(self, directory=None, tenant=None, ground=None, rules=None, tls="ldaps", name=None,
                **sections):
        """A Rosterd that reads `directory` (a server; of it only `ground`, if given) and writes
        to `tenant` (a Simulator).  Further arguments are sections, key by key over what those
        give: directory and tenant can be overridden with directory_keys={...} and
        tenant_keys={...}.  It is not started."""
        defaults = {"directory": {}, "tenant": {}, "user": {}}
        if directory is not None:
            defaults["directory"] = directory.client(tls)
            defaults["user"] = dict(directory.user)
        if ground is not None:
            defaults["directory"].update(base=ground.dn)
        if tenant is not None:
            defaults["tenant"] = tenant.client()
        if rules is None:
            rules = {"Agents": {"when": "(objectClass=person)", "team": "Customer Service",
                                "roles": "Agent"}}
        changes = {{"directory_keys": "directory", "tenant_keys": "tenant"}.get(section, section): keys
                   for section, keys in sections.items()}
        name = name or "rosterd%s" % (len(self.daemons) or "")
        daemon = Rosterd(self.folder, merge(defaults, changes), rules, name)
        self.daemons.append(daemon)
        return daemon

    # --- the end ---

    def close(self, failed):
        """Ends and removes what the test had; the problems met, as texts."""
        problems = []
        steps = [(daemon.close, (failed,)) for daemon in self.daemons]
        steps += list(reversed(self._cleanups))
        for function, arguments in steps:
            try:
                function(*arguments)
            except Exception as problem:  # the other steps must still be done
                problems.append(_explain(problem))
        return problems

    def evidence(self):
        """Tails of the logs, for a failing test's output."""
        parts = []
        for daemon in self.daemons:
            parts.append("--- %s\n%s" % (daemon.log_file, daemon.log_tail(40)))
        for simulator in self.simulators:
            parts.append("--- %s\n%s" % (simulator.log_file, base.tail(simulator.log_file, 15)))
        return "".join(parts)


def _explain(problem):
    if isinstance(problem, (base.Failure, base.Hopeless)):
        frames = [frame for frame in traceback.extract_tb(problem.__traceback__)
                  if os.sep + "lib" + os.sep not in frame.filename]
        where = "".join("  %s:%d: %s\n" % (os.path.basename(frame.filename), frame.lineno, frame.line)
                        for frame in frames)
        return where + "%s\n" % problem
    return "".join(traceback.format_exception(type(problem), problem, problem.__traceback__))


def load(path):
    """Imports a test file."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_test(function, shared, deadline):
    """(verdict, text): verdict is ok, FAIL or skip."""
    own = getattr(function, "deadline", deadline)
    t = Context(function.__name__, shared, own)
    said = io.StringIO()
    verdict, text = "ok", ""
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            t.arm()
            try:
                function(t)
            finally:
                t.disarm()
    except base.Missing as problem:
        verdict = "FAIL" if os.environ.get("CI") else "skip"
        text = "%s (scripts/install-dependencies test)\n" % problem
    except base.DeadlineOver as problem:
        verdict = "FAIL"
        text = "its deadline of %g s is over\n" % own + "".join(traceback.format_tb(problem.__traceback__))
    except Exception as problem:
        verdict, text = "FAIL", _explain(problem)
    except KeyboardInterrupt:
        t.close(True)
        base.remove_folder(t.folder)
        raise
    evidence = t.evidence() if verdict == "FAIL" else ""
    problems = t.close(verdict != "ok")
    if problems:
        if verdict == "ok":
            evidence = t.evidence()
        verdict, text = "FAIL", text + "at the end of the test:\n" + "".join(problems)
    if verdict == "FAIL":
        text += said.getvalue()[-8000:] + evidence + "--- kept: %s\n" % t.folder
    elif not os.environ.get("KEEP"):
        base.remove_folder(t.folder)
    return verdict, text


def run_file(path, names, events, deadline):
    """Runs tests of one file; events is a text stream to the parent."""
    def tell(**event):
        events.write(json.dumps(event) + "\n")
        events.flush()

    base.core_dumps_off()
    # The runner ends this process by SIGTERM first: shared servers are then ended below.
    # An exception that comes in the middle of a destructor is lost, hence the mark as well.
    ending = []

    def end(number, frame):
        ending.append(number)
        signal.default_int_handler(number, frame)
    signal.signal(signal.SIGTERM, end)
    module = load(path)
    shared = Shared()
    try:
        for name in names:
            if ending:
                raise KeyboardInterrupt
            function = getattr(module, name)
            tell(start=name, deadline=getattr(function, "deadline", deadline))
            begun = time.monotonic()
            verdict, text = run_test(function, shared, deadline)
            tell(end=name, verdict=verdict, seconds=round(time.monotonic() - begun, 2), text=text)
    finally:
        shared.close()
