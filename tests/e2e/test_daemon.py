"""The daemon among its fellows: service manager, journal, signals, locks, exit codes, what it costs."""

import os
import re
import signal
import socket
import subprocess
import threading
import time

from lib import Missing, ScriptedServer, Slapd, base, deadline, need, wait_for
from lib.life import settled

QUICK = {"poll_interval": "1s"}
PEOPLE_RULES = {"Agents": {"when": "(objectClass=person)", "team": "Sales", "roles": "Agent"}}


def logins(count):
    return ["u%04d" % i for i in range(count)]


def people(t, count):
    ground = t.shared(Slapd).fresh()
    ground.persons({uid: {} for uid in logins(count)})
    return ground


def file_bytes(path):
    with open(path, "rb") as data:
        return data.read()


# --- the service manager ---

def test_notify(t):
    """Type=notify: READY=1 once, STATUS= in words, RELOADING=1 with its time, STOPPING=1; nothing without a socket."""
    ground = people(t, 3)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys=QUICK)
    daemon.start()
    daemon.wait_status("directory following, tenant ok")
    tenant.wait_users(logins(3))
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    daemon.reload()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    reloading = [note for _, note in daemon.notes if note.get("RELOADING") == "1"]
    need(len(reloading) == 1 and before <= int(reloading[0]["MONOTONIC_USEC"]) <= after,
         "RELOADING=1 with the time of its clock", reloading, before, after)
    tenant.down(how="502")
    ground.person("late")
    daemon.wait_status("tenant away")
    tenant.down(False)
    daemon.wait_status("tenant ok")
    tenant.wait_user("late")
    daemon.stop()
    wait_for(lambda: any(note.get("STOPPING") == "1" for _, note in list(daemon.notes)), 5, "STOPPING=1",
             lambda: daemon.notes)
    ready = [note for _, note in daemon.notes if note.get("READY") == "1"]
    need(len(ready) == 2, "READY=1 at the start and after the reload", daemon.notes)


@deadline(90)
def test_watchdog(t):
    """WATCHDOG=1 comes in time: at rest, in a load of 1,000, and while directory and tenant do not answer at all."""
    ground = people(t, 1000)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys=QUICK, tenant_keys={"max_rate": "0"})
    limit = 2.0

    def beats(since):
        return [at for at, note in list(daemon.notes) if note.get("WATCHDOG") == "1" and at >= since]

    def steady(since, count):
        """That many beats, none of them late."""
        wait_for(lambda: len(beats(since)) >= count, 3 * limit * count, "%d beats" % count, lambda: beats(since))
        times = [since, *beats(since)]
        late = [b - a for a, b in zip(times, times[1:]) if b - a > limit]
        need(not late, "no beat is late", late)

    begun = time.monotonic()
    daemon.start(env={"WATCHDOG_USEC": str(int(limit * 1e6))})
    tenant.wait_users(logins(1000), seconds=60)
    steady(begun, 1)
    # Both stand still in the middle of something.
    tenant.fault("stall", count=-1)
    ground.person("late")
    wait_for(lambda: tenant.counters()["in_flight"] > 0, 10, "a request that stalls")
    ground.server.pause()
    t.cleanup(ground.server.resume)
    steady(time.monotonic(), 3)
    ground.server.resume()
    tenant.clear_faults()
    tenant.wait_user("late")


def test_directory_that_hangs(t):
    """A directory that accepts and says nothing holds up neither the start, nor the watchdog, nor the end."""
    server = t.server(ScriptedServer)
    server.people(1)
    server.stall("bind")
    daemon = t.rosterd(server, t.simulator(), tls="no", directory_keys={"bind_timeout": "30s"})
    daemon.start(env={"WATCHDOG_USEC": "1000000"}, seconds=5)
    wait_for(lambda: server.requests("bind"), 10, "the bind that stalls")
    seen = len(daemon.notes)
    wait_for(lambda: sum(note.get("WATCHDOG") == "1" for _, note in list(daemon.notes)[seen:]) >= 2, 5, "two beats")
    daemon.stop(seconds=5)


# --- signals ---

@deadline(90)
def test_term_amid_creates(t):
    """SIGTERM while 200 creates are under way: their answers are taken, nothing new starts, nobody is made twice."""
    count, at_once = 400, 200
    ground = people(t, count)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, tenant_keys={"max_rate": "0", "max_concurrent": str(at_once)})
    tenant.fault("delay", method="POST", path="/configapi/v2/user", delay_ms=2000, count=-1)
    daemon.start()
    wait_for(lambda: tenant.counters()["in_flight"] >= at_once, 30, "%d creates under way" % at_once,
             tenant.counters)
    asked = time.monotonic()
    daemon.stop(seconds=15)
    took = time.monotonic() - asked
    need(took < 10, "it ends when the answers are there", took)
    made = tenant.counters()["creates"]
    need(at_once <= made < count, "what was under way, and nothing after it", made)
    linked = daemon.state_query("SELECT count(*) FROM link WHERE status = LINK_ACTIVE")[0][0]
    need(linked == made, "each answer was understood and kept", linked, made)
    codes = [row["code"] for row in daemon.audit(event="outcome")]
    need(codes.count("done") == made, "and is in the audit file", codes)
    need(set(codes) <= {"done", "withdrawn"}, "what was to be next did not leave", codes)
    tenant.clear_faults()
    daemon.start()
    tenant.wait_users(logins(count), seconds=30)
    daemon.stop()
    posts = tenant.requests(method="POST", path="/configapi/v2/user$")
    need(len(posts) == count, "one create each", len(posts))


def test_second_term_and_interrupt(t):
    """SIGINT ends it as well; further signals during the end neither hurry nor confuse it."""
    ground = people(t, 20)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground)
    tenant.fault("delay", method="POST", path="/configapi/v2/user", delay_ms=1000, count=-1)
    daemon.start()
    wait_for(lambda: tenant.counters()["in_flight"] > 0, 20, "a create under way")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        daemon.process.send_signal(number)
    daemon.wait_end(20, code=0)
    made = tenant.counters()["creates"]
    need(daemon.state_query("SELECT count(*) FROM link WHERE status = LINK_ACTIVE")[0][0] == made > 0, "all answers kept", made)


def test_hangup(t):
    """SIGHUP: sound changes are in force at once; a broken file changes nothing and is named; T36."""
    ground = people(t, 4)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys=QUICK, rules=PEOPLE_RULES,
                       guard={"max_team_change": "unlimited"})
    daemon.start()
    tenant.wait_users(logins(4))
    daemon.write_raw_config(open(daemon.config_file, encoding="utf-8").read().replace("team =", "taem ="))
    daemon.reload()
    daemon.wait_log(r"rosterd\.conf:\d+: unknown key 'taem'.*did you mean 'team'")
    daemon.wait_log("old configuration stays in force")
    ground.person("after-the-mistake")
    tenant.wait_user("after-the-mistake", team="Sales")
    daemon.configure(rules={"Agents": dict(PEOPLE_RULES["Agents"], team="Support")}, log={"level": "debug"},
                     state={"file": daemon.path("elsewhere.db")})
    daemon.reload()
    for uid in [*logins(4), "after-the-mistake"]:
        tenant.wait_user(uid, team="Support")
    daemon.wait_log(r"\[state\] file.*restart|restart.*\[state\] file")
    daemon.wait_log("rosterd: debug:")
    need(not os.path.exists(daemon.path("elsewhere.db")), "what needs a restart waits for one")


def test_hangups_in_a_load(t):
    """Many SIGHUPs during a first load disturb nobody: each is made once, right."""
    ground = people(t, 300)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, rules=PEOPLE_RULES, directory_keys=QUICK)
    daemon.start()
    for step in range(10):
        wait_for(lambda: len(tenant.users()) >= step * 25, 30, "%d users" % (step * 25))
        daemon.reload()
    tenant.wait_users(logins(300), seconds=30)
    need(tenant.counters()["creates"] == 300, "each once", tenant.counters())


# --- runs that end by themselves ---

@deadline(90)
def test_once_exit_codes(t):
    """--once: 0 done; 1 when directory or tenant fails; 2 for the configuration; 75 beside another."""
    ground = people(t, 3)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground)
    daemon.once(code=0)
    need(sorted(tenant.users()) == logins(3), "done means done", tenant.users())
    need("READY" not in daemon.log(), "no word of services")

    uri = daemon.sections["directory"]["uri"]
    daemon.configure(directory={"uri": "ldaps://127.0.0.1:%d" % base.free_port()})
    need("127.0.0.1" in daemon.once(code=1).err, "the directory that is away is named")
    daemon.configure(directory={"uri": uri, "bind_password": "wrong"})
    answer = daemon.once(code=1)
    need(re.search("nvalid credentials", answer.err), "a wrong password", answer)
    daemon.configure(directory={"bind_password": ground.server.reader_password})

    ground.person("late")
    daemon.configure(tenant={"client_secret": "wrong"})
    answer = daemon.once(code=1)
    need("late" not in tenant.users(), "not made", answer)
    daemon.configure(tenant={"client_secret": tenant.secret})
    tenant.down()
    daemon.once(code=1)
    tenant.down(False)
    daemon.configure(directory={"frobnicate": "1"})
    daemon.once(code=2)
    daemon.configure(directory={"frobnicate": None})

    daemon.start()
    answer = daemon.once(code=75)
    need(re.search("another rosterd .process %d" % daemon.pid, answer.err), "it says why", answer)
    tenant.wait_user("late")
    daemon.stop()
    daemon.once(code=0)


def test_lock_does_not_outlive(t):
    """The lock goes with the process that held it, also by SIGKILL; a check needs none."""
    ground = people(t, 1)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground)
    daemon.start()
    daemon.check()
    daemon.run(code=75)
    daemon.kill()
    daemon.once(code=0)


def test_dry_run_writes_nothing(t):
    """--dry-run: no request that writes, no state, no audit; over an existing state its bytes stay."""
    ground = people(t, 5)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground)
    answer = daemon.dry_run(code=2)
    for uid in logins(5):
        need(uid in answer.out, "the plan names %s" % uid, answer)
    need(tenant.users() == {} and tenant.writes() == [], "nothing at the tenant", tenant.writes())
    left = [name for name in os.listdir(daemon.folder) if re.match(r"state|audit|control", name)]
    need(left == [], "no file", left)

    daemon.once()
    tenant.forget_requests()
    answer = daemon.dry_run(code=0)
    ground.person("late")
    ground.replace("u0001", givenName="Other")
    before = {name: file_bytes(daemon.path(name)) for name in os.listdir(daemon.folder)
              if re.match(r"state|audit", name)}
    answer = daemon.dry_run(code=2)
    need("late" in answer.out and "u0001" in answer.out and "u0002" not in answer.out, "what is due", answer)
    after = {name: file_bytes(daemon.path(name)) for name in os.listdir(daemon.folder)
             if re.match(r"state|audit", name)}
    need(after == before, "state and audit as before", sorted(before), sorted(after))
    need(tenant.writes() == [], "nothing at the tenant", tenant.writes())
    # Beside the daemon that owns the state: a look may be had at any time.
    daemon.start()
    tenant.wait_user("late")
    settled(daemon)
    daemon.dry_run(code=0)


# --- the log ---

def test_plain_lines(t):
    """Without a service manager: whole lines on standard error, nothing on standard output, no file but its own."""
    ground = people(t, 2)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys=QUICK, log={"level": "debug"})
    daemon.start(wait=False, env={"NOTIFY_SOCKET": None})
    tenant.wait_users(logins(2))
    daemon.stop()
    lines = daemon.log().splitlines()[1:]
    odd = [line for line in lines if not re.match(r"rosterd: (err|warning|notice|info|debug): \S", line)]
    need(lines and not odd, "every line has its form", odd)
    need(not any("MESSAGE_ID" in line for line in lines), "for people")
    answer = daemon.once()
    need(answer.out == "", "nothing on standard output", answer)
    # Under a service manager that is no journal: its prefixes.
    answer = daemon.once(env={"INVOCATION_ID": "0123456789abcdef0123456789abcdef"})
    odd = [line for line in answer.err.splitlines() if not re.match(r"<[3-7]>\S", line)]
    need(answer.err and not odd, "every line has its priority", odd)
    allowed = r"rosterd\.|directory\.bind_password$|tenant\.client_secret$|state\.db|audit\.jsonl|audit\.key|control|notify$"
    others = [name for name in os.listdir(daemon.folder) if not re.match(allowed, name)]
    need(others == [], "no other file", others)


def test_standard_error_that_is_gone(t):
    """A log that nobody reads any more, a closed one, a full one: the work goes on."""
    ground = people(t, 2)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, log={"level": "debug"})
    reader, writer = os.pipe()
    os.close(reader)
    with open("/dev/full", "wb") as full:
        for target in (writer, full, None):
            tenant.clear_users()
            for name in os.listdir(daemon.folder):
                if re.match(r"state|audit", name):
                    os.unlink(daemon.path(name))
            command = daemon.command("--once")
            if target is None:
                command = ["sh", "-c", 'exec "$@" 2>&- >&- <&-', "sh", *command]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=target or subprocess.DEVNULL, cwd=daemon.folder, timeout=30,
                                  env=daemon.environment())
            need(done.returncode == 0, "it ends well", done.returncode)
            need(sorted(tenant.users()) == logins(2), "and has done its work", tenant.users())
            need(file_bytes(daemon.state_file)[:16] == b"SQLite format 3\0", "no line went into the state file")
    os.close(writer)


def journal_command(folder):
    """A command in front that shows /run/systemd/journal as `folder`, and nothing else of the machine's."""
    script = ('mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && '
              'mount --bind "$1" /run/systemd/journal && shift && exec "$@"')
    for flags in (["-m"], ["-r", "-m"]):
        command = ["unshare", *flags, "sh", "-c", script, "sh", folder]
        try:
            done = subprocess.run([*command, "true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
        except FileNotFoundError:
            break
        if done.returncode == 0:
            return command
    raise Missing("a mount namespace cannot be made here")


def journal_records(sock, records):
    """A thread's: until an empty record. A dict of lists for each, by the journal's native protocol.
    A socket that nobody reads would hold up rosterd, as a journal that hangs does."""
    while True:
        data = sock.recv(1 << 20)
        if not data:
            return
        fields = {}
        while data:
            line, _, data = data.partition(b"\n")
            name, equals, value = line.partition(b"=")
            if not equals:  # a value that holds newlines: its length, then itself
                size = int.from_bytes(data[:8], "little")
                value, data = data[8:8 + size], data[8 + size + 1:]
            fields.setdefault(name.decode(), []).append(value.decode())
        records.append(fields)


def test_journal_fields(t):
    """With the journal: records with MESSAGE_ID, run and person as fields; the catalog knows each id."""
    folder = t.path("journal")
    os.mkdir(folder, 0o755)
    front = journal_command(folder)
    ground = people(t, 2)
    ground.person("awkward", sn="New\nPRIORITY=0\nline")
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys=QUICK)
    plain = daemon.command
    daemon.command = lambda *arguments: front + plain(*arguments)
    log = os.stat(base.write_file(daemon.log_file, ""))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(os.path.join(folder, "socket"))
        records = []
        reader = threading.Thread(target=journal_records, args=(sock, records), daemon=True)
        reader.start()
        daemon.start(env={"JOURNAL_STREAM": "%d:%d" % (log.st_dev, log.st_ino)})
        tenant.wait_users(logins(2))
        wait_for(lambda: any(row["person"]["dn"].startswith("uid=awkward,") for row in daemon.audit(event="skip")), 10,
                 "the skip of the name that is none")
        daemon.stop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", os.path.join(folder, "socket"))
        reader.join(10)
        need(not reader.is_alive(), "the reader ended")
    need(len(daemon.log().splitlines()) == 1, "nothing beside the journal", daemon.log())
    for record in records:
        need(record["SYSLOG_IDENTIFIER"] == ["rosterd"], "whose it is", record)
        need(len(record["PRIORITY"]) == 1 and record["PRIORITY"][0] in "34567", "one priority", record)
        need(len(record["MESSAGE"]) == 1 and record["MESSAGE"][0], "one message", record)
    by_login = {record["ROSTERD_LOGIN"][0]: record for record in records if "ROSTERD_LOGIN" in record}
    need(sorted(by_login) == logins(2), "one for each person", records)
    need(sum(record.get("ROSTERD_LOGIN") == ["u0001"] for record in records) == 1, "and one only", records)
    record = by_login["u0001"]
    need(record["ROSTERD_OPERATION"] == ["create"] and record["ROSTERD_STATUS"] == ["200"]
         and record["ROSTERD_DN"][0].startswith("uid=u0001,") and record["ROSTERD_ENTRY_ID"][0], "its fields", record)
    ids = {name for record in records for name in record.get("MESSAGE_ID", [])}
    need(len(ids) >= 3, "events with an id", ids)
    with open(os.path.join(base.ROOT, "systemd", "rosterd.catalog"), encoding="utf-8") as text:
        catalog = text.read()
    missing = [name for name in ids if "-- %s" % name not in catalog]
    need(missing == [], "the catalog explains them", missing)
    need(any("ROSTERD_RUN" in record for record in records), "the run is a field", records)


# --- what it costs ---

def ticks(pid):
    """Processor time of all threads, in ticks, and the voluntary switches of the first."""
    with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@deadline(150)
def test_memory_of_a_load(t):
    """5,000 people are read and made in less than 40 MiB."""
    ground = people(t, 5000)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, tenant_keys={"max_rate": "0", "max_concurrent": "32"})
    daemon.start()
    wait_for(lambda: tenant.counters()["creates"] >= 5000, 120, "all of them", tenant.counters)
    wait_for(lambda: daemon.state_query("SELECT count(*) FROM operation")[0][0] == 0, 30, "nothing left to do")
    peak, now = daemon.memory("VmHWM"), daemon.memory()
    print("VmHWM %d KiB, VmRSS %d KiB" % (peak // 1024, now // 1024))
    need(peak < 40 << 20, "its peak is bounded", peak)


def test_idle_is_idle(t):
    """A daemon with nothing to do takes no processor time: three seconds pass with not more than one tick."""
    ground = people(t, 50)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"poll_interval": "1h"})
    daemon.start()
    tenant.wait_users(logins(50))
    mark = [time.monotonic(), ticks(daemon.pid)]

    def quiet():
        """Three seconds since the last tick but one; a busy daemon never gets there."""
        spent = ticks(daemon.pid) - mark[1]
        if spent > 1:
            mark[:] = [time.monotonic(), ticks(daemon.pid)]
        return time.monotonic() - mark[0] >= 3
    wait_for(quiet, 15, "three quiet seconds", lambda: ticks(daemon.pid), every=0.1)
    # It is awake all the same.
    daemon.reload(seconds=5)
