"""rosterd under test: its configuration, its life, and what it says and writes."""

import glob
import gzip
import json
import os
import re
import select
import shlex
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from . import auditlines, base, schema, stored

# Variables of the caller that reach rosterd; everything else starts from nothing.
PASSED = ("ASAN_", "UBSAN_", "LSAN_", "ROSTERD_", "LLVM_PROFILE", "GCOV_")


BUCKETS = ("created", "adopted", "updated", "unchanged", "leaving", "skipped", "held", "failed")


def sum_of(value):
    """A bucket's people; some buckets are told by reason."""
    return sum(value.values()) if isinstance(value, dict) else value


class Answer:
    """What a program that ended gave: .code, .out, .err, .json (of out)."""

    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise base.Failure("not JSON (exit %d):\n%s%s" % (self.code, self.out[-2000:],
                                                            self.err[-2000:])) from None

    def __repr__(self):
        return "exit %d\n%s%s" % (self.code, self.out[-3000:], self.err[-3000:])


def config_value(value):
    """A value as the file wants it: yes and no, lists with quotes round commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join('"%s"' % item if "," in item else item for item in map(str, value))
    return str(value)


class Lines(list):
    """Values of a key that stands several times, one value each."""


def config_rows(key, value):
    return ["%s = %s" % (key, config_value(item)) for item in (value if isinstance(value, Lines) else [value])]


def config_text(sections, rules):
    """The file's text: sections are name -> {key: value}, rules name -> {key: value}.  None
    leaves a key out."""
    blocks = []
    for title, keys in list(sections.items()) + [('rule "%s"' % name, keys)
                                                 for name, keys in rules.items()]:
        rows = [row for key, value in keys.items() if value is not None for row in config_rows(key, value)]
        blocks.append("[%s]\n%s" % (title, "".join(row + "\n" for row in rows)))
    return "\n".join(blocks)


def merge(defaults, changes):
    """Sections over sections, key by key."""
    merged = {name: dict(keys) for name, keys in defaults.items()}
    for name, keys in changes.items():
        merged.setdefault(name, {}).update(keys or {})
    return merged


PLURAL = re.compile(r"(?<![\w.,:/=-])1 (?:\w+ )?(people|(?:user|group|member|rule|line|operation|change|file|entrie|request|team|"
                    r"attempt|error|warning|checkpoint|credential|entr|second|minute|hour|day)(?:s|ies))\b(?! of)")


def check_plurals(text):
    """What people read is English: one user, two users."""
    found = PLURAL.search(text)
    base.need(not found, "a plural of one", found and text[max(0, found.start() - 200):found.end() + 100])


class Rosterd:
    """One rosterd with its folder.  Made by t.rosterd(...) in tests; see README.md.

    sections: {"directory": {...}, "tenant": {...}, ...}.  directory.bind_password and
    tenant.client_secret are values here: the harness writes them to files of mode 0600 and
    puts bind_password_file and client_secret_file into the configuration.
    """

    def __init__(self, folder, sections, rules, name="rosterd"):
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder, mode=0o700)
        self.config_file = self.path("rosterd.conf")
        self.log_file = self.path("rosterd.log")
        self.state_file = self.path("state.db")
        self.audit_file = self.path("audit.jsonl")
        self.socket = self.path("control")
        self.process = None
        self.wrap = []  # what starts it
        self.expected_end = True
        self.audit_is_spoilt = False  # by the test, on purpose
        self.notes = []
        self.notify = None
        self.listener = None
        self.sections = merge({"directory": {}, "tenant": {}, "state": {"file": self.state_file},
                               "audit": {"file": self.audit_file},
                               "control": {"socket": self.socket}}, sections)
        self.rules = {rule: dict(keys) for rule, keys in rules.items()}
        self.write_config()

    def path(self, name):
        return os.path.join(self.folder, name)

    # --- configuration ---

    def configure(self, rules=None, **sections):
        """Changes sections key by key (None removes a key), and all rules if given; writes the
        file.  rosterd reads it at its next start or .reload()."""
        self.sections = merge(self.sections, sections)
        if rules is not None:
            self.rules = {rule: dict(keys) for rule, keys in rules.items()}
        self.write_config()

    def write_config(self):
        sections = {name: dict(keys) for name, keys in self.sections.items()}
        for section, key in (("directory", "bind_password"), ("tenant", "client_secret")):
            value = sections[section].pop(key, None)
            if value is not None:
                file = base.write_file(self.path("%s.%s" % (section, key)), value + "\n", 0o600)
                sections[section][key + "_file"] = file
        text = config_text({k: v for k, v in sections.items() if v}, self.rules)
        base.write_file(self.config_file, text, 0o640)

    def write_raw_config(self, text):
        """Any text, for files that are broken on purpose."""
        base.write_file(self.config_file, text, 0o640)

    # --- life ---

    def environment(self, extra=None):
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.folder,
               "LANG": "C.UTF-8", "TMPDIR": self.folder,
               "LSAN_OPTIONS": "suppressions=%s/tests/e2e/lsan.supp:print_suppressions=0" % base.ROOT}
        env.update({k: v for k, v in os.environ.items() if k.startswith(PASSED)})
        env.update(extra or {})
        return {k: v for k, v in env.items() if v is not None}

    def command(self, *arguments):
        return self.wrap + shlex.split(os.environ.get("ROSTERD_WRAP", "")) + [base.built("rosterd"), "-c",
                                                                  self.config_file, *arguments]

    def start(self, *arguments, wait=True, seconds=30, env=None):
        """Starts the daemon; waits for READY=1 unless told not to."""
        base.need(self.process is None or self.process.poll() is not None, "rosterd runs already")
        self._open_notify()
        with open(self.log_file, "ab") as log:
            log.write(b"--- start %s\n" % " ".join(arguments).encode())
            log.flush()
            self.process = subprocess.Popen(self.command(*arguments), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=self.folder,
                                            env=self.environment(dict({"NOTIFY_SOCKET": self.notify_path},
                                                                      **(env or {}))))
        base.register(self.process.pid)
        self.expected_end = False
        if wait:
            self.wait_ready(seconds)
        return self

    def wait_ready(self, seconds=30):
        def ready():
            if self.process.poll() is not None:
                self.expected_end = True
                raise base.Hopeless("rosterd ended with %s before it was ready\n%s"
                             % (self.process.returncode, self.log_tail()))
            return any(note.get("READY") == "1" for _, note in list(self.notes))
        base.wait_for(ready, seconds, "rosterd's READY=1", self.log_tail)

    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def wait_end(self, seconds=30, code=0):
        """Waits for the daemon to end by itself, with that exit code (None: any)."""
        self.expected_end = True
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise base.Failure("rosterd did not end within %g s\n%s" % (seconds, self.log_tail())) from None
        if code is not None and self.process.returncode != code:
            raise base.Failure("rosterd ended with %d, expected %d\n%s"
                               % (self.process.returncode, code, self.log_tail()))
        return self.process.returncode

    def stop(self, seconds=30, code=0):
        """SIGTERM, and checks the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_end(seconds, code)

    def kill(self):
        """SIGKILL: a crash at whatever point it is."""
        self.expected_end = True
        self.process.kill()
        self.process.wait(10)

    def restart(self, *arguments, **options):
        self.stop()
        return self.start(*arguments, **options)

    def reload(self, seconds=30):
        """SIGHUP, and waits for the READY=1 that follows RELOADING=1."""
        seen = len(self.notes)
        self.process.send_signal(signal.SIGHUP)

        def reloaded():
            new = [note for _, note in list(self.notes)[seen:]]
            begun = [n for n, note in enumerate(new) if note.get("RELOADING") == "1"]
            return begun and any(note.get("READY") == "1" for note in new[begun[0]:])
        base.wait_for(reloaded, seconds, "the end of a reload", self.log_tail)

    def close(self, failed=False):
        """At the end of a test: a daemon that died, does not end well, or leaves an audit in which the second reader
        finds something, is a failure."""
        self._end(failed)
        if not failed and not self.audit_is_spoilt:
            self.check_audit()
        if not failed and os.path.exists(self.log_file):
            check_plurals(self.log())

    def _end(self, failed):
        try:
            if self.process is None:
                return
            if self.process.poll() is not None:
                if not self.expected_end and not failed:
                    raise base.Failure("rosterd died during the test: %d\n%s"
                                       % (self.process.returncode, self.log_tail()))
                return
            self.process.send_signal(signal.SIGCONT)
            if failed:
                self.kill()
            else:
                self.stop()
                self.check_ledger()
        finally:
            if self.process is not None and self.process.poll() is None:
                self.kill()
            self._close_notify()

    # --- the audit ---

    def audit_files(self):
        """The audit file and those that it was before, in the order of what they hold."""
        found = []
        for path in glob.glob(glob.escape(self.audit_file) + "*"):
            with (gzip.open if path.endswith(".gz") else open)(path, "rb") as data:
                first = re.match(rb'{(?:"v":1,)?"seq":(\d+),', data.readline())
            if first:
                found.append((int(first.group(1)), path))
        return [path for _, path in sorted(found)]

    def check_audit(self):
        """The second reader (tests/reader) finds the chain, the signatures and the commitments whole."""
        if os.path.isfile(self.audit_file):
            files = self.audit_files()
            auditlines.need_whole(*files)
            found = auditlines.form.problems(files)
            base.need(not found, "the audit is of the form that docs/audit-format.md tells", found[:5])

    # --- the ledger ---

    def check_ledger(self):
        """Every run that ended adds up, and nobody is left in between; the totals of all such runs."""
        if not os.path.exists(self.state_file):
            return []
        found = []
        for number, text in self.state_query("SELECT number, totals FROM run WHERE ended_usec > 0 ORDER BY number"):
            totals = json.loads(text)
            base.need(totals["seen"] == sum(sum_of(totals.get(name, 0)) for name in BUCKETS),
                      "the ledger of run %d adds up" % number, totals)
            base.need(set(totals) <= set(BUCKETS) | {"seen"}, "nobody is in between in run %d" % number, totals)
            found.append(totals)
        return found

    # --- notifications to the service manager ---

    def _open_notify(self):
        self._close_notify()
        self.notes = []
        self.notify_path = self.path("notify")
        if os.path.exists(self.notify_path):
            os.unlink(self.notify_path)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.notify.bind(self.notify_path)
        self.notify_end = threading.Event()
        self.listener = threading.Thread(target=self._listen, args=(self.notify, self.notes,
                                                                    self.notify_end), daemon=True)
        self.listener.start()

    @staticmethod
    def _listen(sock, notes, end):
        while not end.is_set():
            if not select.select([sock], [], [], 0.1)[0]:
                continue
            data, ancillary, _, _ = sock.recvmsg(65536, 4096)
            for _, _, descriptors in ancillary:
                for start in range(0, len(descriptors) - 3, 4):
                    os.close(int.from_bytes(descriptors[start:start + 4], "little"))
            rows = data.decode("utf-8", "replace").splitlines()
            notes.append((time.monotonic(), dict(row.partition("=")[::2] for row in rows)))

    def _close_notify(self):
        if self.notify is not None:
            self.notify_end.set()
            self.listener.join()
            self.notify.close()
            self.notify = None

    @property
    def status_text(self):
        """The last STATUS= that it gave to the service manager."""
        texts = [note["STATUS"] for _, note in list(self.notes) if "STATUS" in note]
        return texts[-1] if texts else ""

    def wait_status(self, pattern, seconds=30):
        """Waits for a STATUS= that matches a regular expression."""
        return base.wait_for(lambda: re.search(pattern, self.status_text), seconds,
                             "a status like %r" % pattern, lambda: self.status_text)

    # --- runs that end by themselves, and rosterctl ---

    def run(self, *arguments, seconds=60, code=0, env=None):
        """rosterd -c FILE ARGUMENTS until it ends; standard error is kept in the log too."""
        try:
            done = subprocess.run(self.command(*arguments), stdin=subprocess.DEVNULL, cwd=self.folder,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds,
                                  text=True, errors="replace", env=self.environment(env))
        except subprocess.TimeoutExpired as problem:
            text = (problem.stderr or b"").decode("utf-8", "replace")
            raise base.Failure("rosterd %s did not end within %g s\n%s"
                               % (" ".join(arguments), seconds, text[-4000:])) from None
        with open(self.log_file, "a", encoding="utf-8") as log:
            log.write("--- run %s: exit %d\n%s" % (" ".join(arguments), done.returncode, done.stderr))
        answer = Answer(done)
        if code is not None and answer.code != code:
            raise base.Failure("rosterd %s: expected exit %d, got %r" % (" ".join(arguments), code, answer))
        return answer

    def once(self, *arguments, **options):
        return self.run("--once", *arguments, **options)

    def dry_run(self, *arguments, **options):
        return self.run("--dry-run", *arguments, **options)

    def check(self, *arguments, **options):
        return self.run("--check", *arguments, **options)

    def ctl(self, *arguments, code=0, seconds=30):
        """rosterctl --socket PATH ARGUMENTS; code None accepts any exit code."""
        command = [base.built("rosterctl"), "--socket", self.socket, *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace", timeout=seconds,
                              cwd=self.folder, env=self.environment())
        answer = Answer(done)
        schema.check(arguments, done.stdout)
        check_plurals(done.stdout + done.stderr)
        if code is not None and answer.code != code:
            raise base.Failure("rosterctl %s: expected exit %d, got %r\n%s"
                               % (" ".join(arguments), code, answer, self.log_tail(10)))
        return answer

    # --- what it left behind ---

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as text:
            return text.read()

    def log_tail(self, lines=30):
        return base.tail(self.log_file, lines)

    def wait_log(self, pattern, seconds=30):
        return base.wait_for(lambda: re.search(pattern, self.log()), seconds,
                             "a log line like %r" % pattern, self.log_tail)

    def audit(self, **wanted):
        """The audit file's rows under their long names, those whose fields equal wanted:
        audit(event="created").  What is on record by now is waited for a moment: rows are
        written to the file soon after they are in the state."""
        end, last = time.monotonic() + 1, self._last_row()
        rows = self._audit_rows()
        while last and rows and rows[-1]["seq"] < last and time.monotonic() < end:
            time.sleep(0.005)
            rows = self._audit_rows()
        return [row for row in rows if all(row.get(k) == v for k, v in wanted.items())]

    def _audit_rows(self):
        """Without a last line that is still being written."""
        try:
            with open(self.audit_file, encoding="utf-8") as text:
                lines = text.read().split("\n")
        except FileNotFoundError:
            return []
        return auditlines.long_rows(lines[:-1])

    def _last_row(self):
        """The number of the last row that the state has for the file; 0: none that will be there."""
        if not self.running():
            return 0
        try:
            return self.state_query("SELECT max(seq) FROM trail")[0][0] or 0
        except (base.Failure, sqlite3.Error):
            return 0

    def state_query(self, sql, *values):
        """Rows of the state file; reading only. Enums may be named: WHERE state = OPERATION_HELD."""
        base.need(os.path.exists(self.state_file), "no state file yet")
        database = sqlite3.connect(self.state_file, timeout=10)
        try:
            database.execute("PRAGMA query_only = 1")
            return database.execute(stored.in_sql(sql), values).fetchall()
        finally:
            database.close()

    def memory(self, field="VmRSS"):
        """Bytes of resident memory (VmHWM: the highest so far)."""
        with open("/proc/%d/status" % self.pid, encoding="ascii", errors="replace") as rows:
            for row in rows:
                if row.startswith(field + ":"):
                    return int(row.split()[1]) * 1024
        raise base.Failure("no %s of process %d" % (field, self.pid))
