"""Whoever waits at a terminal sees how far it is, with rate and time left; elsewhere nothing is said, and never in colour."""

import json
import os
import pty
import re
import subprocess
import threading
import time

from lib import ScriptedServer, base, deadline, need, wait_for

COUNT = 4000
LINE = re.compile(r"(?:Reading the directory|Evaluating people|Writing to the tenant|Reading the audit): [\d.]+(?: MB)?"
                  r"(?: of [\d.]+(?: MB)?)?, [\d.]+(?: MB)? a second(?:, .* left)?")


def at_terminal(command, env, cwd, seconds=90):
    """What a program wrote to standard error, a terminal, and to standard output, a pipe; its exit code."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave, env=env, cwd=cwd)
    base.register(process.pid)
    os.close(slave)
    seen = []

    def read():
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:
                return
            if not data:
                return
            seen.append(data)
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    out, _ = process.communicate(timeout=seconds)
    reader.join(10)
    os.close(master)
    return b"".join(seen).decode("utf-8", "replace"), out.decode("utf-8", "replace"), process.returncode


def shown(text):
    return sorted({line.partition(":")[0] for line in LINE.findall(text)})


def slow(server, seconds):
    """Each page takes that long: a slow server, and no way to wait for something."""
    server.on_page = (lambda *_: time.sleep(seconds)) if seconds else None


def big(t, **more):
    """A directory that takes its time: a page each now and then."""
    server = t.server(ScriptedServer)
    server.people(COUNT)
    slow(server, 0.12)
    tenant = t.simulator(**more)
    daemon = t.rosterd(server, tenant, None, tls="no", rules={"All": {"when": "(objectClass=person)", "team": "Sales"}},
                       directory_keys={"feed": "poll", "page_size": "100"}, tenant_keys={"max_rate": "1000"})
    return server, tenant, daemon


@deadline(180)
def test_once_and_dry_run_and_check(t):
    """rosterd --once, --dry-run and rosterctl check over some thousand people: the reading with its rate, the writing with the
    time left; the same through a pipe says nothing of it."""
    server, tenant, daemon = big(t)
    env = daemon.environment({"TERM": "xterm"})
    err, out, code = at_terminal(daemon.command("--dry-run"), env, daemon.folder)
    need(code == 2 and "Reading the directory" in shown(err), "dry-run shows the reading", code, err[-2000:])
    need("a second" not in out and "\033" not in err, "and nothing of it in the plan, or in colour", err[-500:])
    err, out, code = at_terminal([base.built("rosterctl"), "-c", daemon.config_file, "check", "--json"], env, daemon.folder)
    need("Reading the directory" in shown(err), "check shows the reading", err[-2000:])
    json.loads(out)
    err, out, code = at_terminal(daemon.command("--once"), env, daemon.folder, 150)
    need(code == 0 and {"Reading the directory", "Writing to the tenant"} <= set(shown(err)), "once shows both", shown(err),
         err[-2000:])
    need(re.search(r"Writing to the tenant: \d+ of \d+, \d+ a second, [\dmin s]+ left", err), "with the time left", err[-2000:])
    plain = daemon.dry_run(code=None)
    need(not LINE.search(plain.err + plain.out), "through a pipe nothing is said", plain.err[-500:])


@deadline(180)
def test_plan_of_another_configuration(t):
    """plan --config, which reads the directory for it."""
    server, tenant, daemon = big(t)
    slow(server, 0)
    daemon.configure(guard={"max_disable": "unlimited"}, sync={"mode": "observe"})
    daemon.start()
    wait_for(lambda: len(daemon.ctl("plan", "--json", code=None).json["operations"]) == COUNT, 60, "all is planned")
    slow(server, 0.12)
    with open(daemon.config_file, encoding="utf-8") as f:
        candidate = t.write("new.conf", f.read().replace("team = Sales", "team = Sales\nskills_from = title"), 0o600)
    command = [base.built("rosterctl"), "--socket", daemon.socket, "plan", "--summary", "--config", candidate]
    err, out, code = at_terminal(command, daemon.environment({"TERM": "xterm"}), daemon.folder, 150)
    need(code == 2 and "Reading the directory" in shown(err), "the reading", code, err[-1000:], out[-1000:])
    need(re.search(r"Reading the directory: \d+ of \d+", err), "against what is known", err[-1000:])


@deadline(120)
def test_audit(t):
    """audit verify and audit report over a large file."""
    server, tenant, daemon = big(t)
    slow(server, 0)
    daemon.once(seconds=100)
    with open(daemon.audit_file, encoding="utf-8") as f:
        line = f.readlines()[-1]
    large = t.write("large.jsonl", "", 0o600)
    with open(large, "a", encoding="utf-8") as f:
        f.write(line * 20000)
    for verb in ("verify", "report"):
        command = [base.built("rosterctl"), "-c", daemon.config_file, "audit", verb, large]
        err, out, code = at_terminal(command, daemon.environment({"TERM": "xterm"}), daemon.folder, 100)
        need(shown(err) == ["Reading the audit"], verb, code, err[-500:], out[-500:])
        need(re.search(r"Reading the audit: [\d.]+ MB of [\d.]+ MB, [\d.]+ MB a second, .* left", err), "with the time left",
             err[-500:])
        need(err.rstrip(" \r\n") == "" or not err.endswith("left"), "it goes away", err[-200:])
