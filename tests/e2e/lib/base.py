"""Waiting, ports, folders and processes: what every other module of the harness uses.

Nothing here knows LDAP or rosterd.  Each process that is started is written to a register
(a file of pid and start time), so that the runner can end what a test file that was itself
killed has left behind.
"""

import errno
import fcntl
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
LAB = os.path.join(ROOT, "tests", "lab")

# Below the range from which the kernel takes ports for outgoing connections.
PORTS = os.environ.get("ROSTERD_LAB_PORTS", "22000-22999")
ADDRESSES = os.environ.get("ROSTERD_LAB_ADDRESSES", "127.0.0.60-127.0.0.79")


class Failure(AssertionError):
    """The test failed; the message says what was expected and what came."""


class Hopeless(Exception):
    """The test failed, and what wait_for waits for can't come any more."""


class DeadlineOver(BaseException):
    """The test's time is up.  No Exception, so that no except clause of a test holds it."""


class Missing(Exception):
    """A server program is not installed: a failure in CI, a skip at a desk."""


def deadline(seconds):
    """Decorator: gives a test another deadline than the runner's."""
    def mark(function):
        function.deadline = seconds
        return function
    return mark


def need(condition, message, *values):
    """An assert that stays when python runs with -O and that can show what it saw."""
    if not condition:
        raise Failure(message + "".join("\n    saw: %r" % (value,) for value in values))
    return condition


def wait_for(condition, seconds, what, show=None, every=0.01):
    """Calls condition() until it returns something true, and returns that.

    Failure after that many seconds; show() gives what the message adds.  An AssertionError,
    KeyError, IndexError or OSError in condition() counts as "not yet".
    """
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            result = condition()
            last = None
        except (AssertionError, KeyError, IndexError, OSError) as problem:
            result, last = None, problem
        if result:
            return result
        if time.monotonic() >= end:
            message = "waited %g s for %s" % (seconds, what)
            if last is not None:
                message += "\n    last: %s: %s" % (type(last).__name__, last)
            if show is not None:
                message += "\n    now: %s" % (show(),)
            raise Failure(message)
        time.sleep(every)
        every = min(every * 1.3, 0.2)


def core_dumps_off():
    """For this process and all that it starts, unless it raises its limit: memory dumps would hold secrets."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def build_folder():
    """Where rosterd, rosterctl and the simulator were built."""
    named = os.environ.get("ROSTERD_BUILD")
    candidates = [named] if named else [os.path.join(ROOT, "build"), ROOT]
    for folder in candidates:
        if os.path.exists(os.path.join(folder, "Makefile")):
            return folder
    raise Failure("no build folder (%s); build first, or set ROSTERD_BUILD" % ", ".join(candidates))


def built(name):
    """The path of a built program."""
    path = os.path.join(build_folder(), name)
    if not os.access(path, os.X_OK):
        raise Failure("%s has not been built" % path)
    return path


# --- ports and addresses, shared by test files that run at the same time ---

_locks = []


def _take(name):
    """Takes a machine-wide lock by name for the life of this process."""
    folder = os.path.join(tempfile.gettempdir(), "rosterd-lab-%d" % os.getuid())
    os.makedirs(folder, mode=0o700, exist_ok=True)
    fd = os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return False
    _locks.append(fd)
    return True


def _bindable(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as problem:
            if problem.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


_port_cursor = None


def free_port(address="127.0.0.1"):
    """A port that no other test file of this machine will be given while this process lives."""
    global _port_cursor
    first, last = (int(part) for part in PORTS.split("-"))
    if _port_cursor is None:
        _port_cursor = os.getpid() % (last - first + 1)
    for _ in range(last - first + 1):
        port = first + _port_cursor % (last - first + 1)
        _port_cursor += 1
        if _bindable(address, port) and _take("port-%d" % port):
            return port
    raise Failure("no free port in %s" % PORTS)


def free_address():
    """A loopback address of one's own, for servers whose ports are fixed."""
    first, last = ADDRESSES.split("-")
    stem, low = first.rsplit(".", 1)
    high = last.rsplit(".", 1)[1]
    for number in range(int(low), int(high) + 1):
        address = "%s.%d" % (stem, number)
        if _bindable(address, 389) and _take("address-%s" % address):
            return address
    raise Failure("no free loopback address in %s" % ADDRESSES)


# --- processes ---

def start_time(pid):
    """The kernel's start time of a process that runs, None for none or a zombie."""
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


class Register:
    """The file of processes that are this run's to end."""

    def __init__(self, path):
        self.path = path

    def add(self, pid):
        with open(self.path, "a", encoding="ascii") as out:
            out.write("%d %s\n" % (pid, start_time(pid)))

    def add_pidfile(self, path):
        """A server that is about to start and will write its pid there; its command line names
        the file's folder."""
        with open(self.path, "a", encoding="utf-8") as out:
            out.write("file %s\n" % path)

    def end_all(self):
        """SIGKILL for each that still is the process that was registered; how many there were."""
        ended = 0
        try:
            with open(self.path, encoding="ascii") as rows:
                pairs = [line.rstrip("\n").split(" ", 1) for line in rows]
        except OSError:
            return 0
        for pid, started in pairs:
            if pid == "file":
                ended += end_by_file(started)
            elif started != "None" and start_time(int(pid)) == started:
                kill(int(pid), signal.SIGKILL)
                ended += 1
        os.unlink(self.path)
        return ended


def end_by_file(path):
    """SIGKILL for the server that wrote its pid there, if that pid still is such a server."""
    try:
        with open(path, encoding="ascii") as text:
            pid = int(text.read())
        with open("/proc/%d/cmdline" % pid, encoding="utf-8", errors="replace") as text:
            mine = os.path.dirname(path) in text.read()
    except (OSError, ValueError):
        return False
    return mine and kill(pid, signal.SIGKILL)


_register = None


def use_register(path):
    global _register
    _register = Register(path)


def register(pid):
    if _register is not None:
        _register.add(pid)


def register_pidfile(path):
    if _register is not None:
        _register.add_pidfile(path)


def kill(pid, number):
    """Sends a signal; False if there is no such process."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def end_pid(pid, seconds=10, first=signal.SIGTERM):
    """Ends a process that need not be our child, gently first; waits until it is gone."""
    started = start_time(pid)
    if started is None or not kill(pid, first):
        return
    try:
        wait_for(lambda: start_time(pid) != started, seconds, "process %d to end" % pid)
    except Failure:
        kill(pid, signal.SIGKILL)
        wait_for(lambda: start_time(pid) != started, 10, "process %d to die" % pid)


def run(command, seconds=30, check=True, registered=False, **options):
    """subprocess.run with text captured; Failure with its output on a bad exit or a time-out.
    The command has a process group of its own, which ends as a whole if it is given up."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", start_new_session=True, **options) as process:
        if registered:
            register(process.pid)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise Failure("%s did not end within %g s\n%s%s" % (command[0], seconds, out[-2000:],
                                                              err[-2000:])) from None
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    done = subprocess.CompletedProcess(command, process.returncode, out, err)
    if check and done.returncode != 0:
        raise Failure("%s: exit %d\n%s%s" % (" ".join(command), done.returncode, done.stdout[-2000:],
                                            done.stderr[-2000:]))
    return done


def tail(path, lines=30):
    """The last lines of a file, or a word why not."""
    try:
        with open(path, errors="replace", encoding="utf-8") as text:
            rows = text.readlines()
    except OSError as problem:
        return "(%s)\n" % problem.strerror
    return "".join(rows[-lines:]) or "(empty)\n"


# --- folders ---

def new_folder(label):
    """A folder with a short path: unix sockets must fit into 104 bytes."""
    return tempfile.mkdtemp(prefix="re2e-%s-" % label[:12])


def remove_folder(path):
    shutil.rmtree(path, ignore_errors=True)


def write_file(path, text, mode=0o644):
    """Writes a file that never exists with other rights than these."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "w", encoding="utf-8") as out:
        os.fchmod(out.fileno(), mode)
        out.write(text)
    return path
