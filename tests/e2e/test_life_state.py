"""Stopping, reloading, and a state file that is missing, cut, old or not ours alone."""

import os
import shutil
import sqlite3

from lib import life, need, wait_for
from lib.life import AGENTS, PARKED, crowd, settled, wait_held

USER = "/configapi/v2/user"


def people(n):
    return ["p%02d" % i for i in range(n)]


def test_stop_in_a_batch(t):
    """T55: SIGTERM in a batch: what is in flight is finished and recorded, nothing new starts, the rest comes later."""
    ground, group, tenant = crowd(t, people(40))
    tenant.fault("delay", delay_ms=400, count=-1, method="POST", path=USER)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    wait_for(lambda: tenant.counters()["in_flight"] >= 8, 20, "a batch is in flight", tenant.counters)
    d.stop()
    n = len(tenant.users())
    need(8 <= n < 40, "what was in flight was finished, the rest was not begun", n)
    need(tenant.counters()["undelivered"] == 0, "every answer was heard", tenant.counters())
    need(d.state_query("SELECT count(*) FROM link")[0][0] == n, "and recorded")
    need(not life.operations(d, state="started"), "no intent without outcome", life.operations(d)[:3])
    need(d.state_query("SELECT count(*) FROM run WHERE ended_usec > 0")[0][0] == 0, "the run is not called over")
    tenant.clear_faults()
    d.start()
    tenant.wait_users(people(40))
    settled(d)
    need(tenant.counters()["creates"] == 40, "each once", tenant.counters())


def test_reload_of_a_broken_file(t):
    """T55: SIGHUP with a broken configuration keeps the old one, says so, and nothing changes."""
    ground, group, tenant = crowd(t, people(3))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(3))
    settled(d)
    with open(d.config_file, encoding="utf-8") as text:
        good = text.read()
    tenant.forget_requests()
    for broken in (good.replace("team = Customer Service", "taem = Sales"), good + "\n[rule \"x\"]\nwhen = (((\n", "",
                   good.replace("[rule", "[scope]\nwhen = (cn=\n[rule", 1)):
        seen = d.log().count("The old configuration stays in force")
        d.write_raw_config(broken)
        d.reload()
        wait_for(lambda: d.log().count("The old configuration stays in force") == seen + 1, 10, "it says so")
    ground.person("p99")
    ground.join(group, "p99")
    tenant.wait_user("p99", team="Customer Service", skills={"English": 80})
    settled(d)
    need({w["login"] for w in tenant.writes()} == {"p99"}, "nobody else was touched", tenant.writes())
    d.write_raw_config(good.replace("English:80", "English:90"))
    d.reload()
    tenant.wait_user("p99", skills={"English": 90})
    settled(d)


def test_second_daemon(t):
    """T53: a second daemon on the same state file ends with 75 and leaves the first alone."""
    ground, group, tenant = crowd(t, people(3))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(3))
    settled(d)
    for option in ("--once", ""):
        second = d.run(*filter(None, [option]), code=None)
        need(second.code == 75, "exit code 75", second)
        need("another rosterd" in second.err and d.state_file in second.err, "says which file", second)
    ground.person("p99")
    ground.join(group, "p99")
    tenant.wait_user("p99")
    need(d.ctl("status", "--json", code=None).json, "the socket is the first one's")
    settled(d)


def test_state_missing(t):
    """T53: the state file is gone: users are adopted under approval, nobody is removed, nobody made twice."""
    ground, group, tenant = crowd(t, people(20))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(20))
    settled(d)
    d.stop()
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(d.state_file + suffix):
            os.unlink(d.state_file + suffix)
    ground.leave(group, "p00")  # while nobody knew
    tenant.forget_requests()
    d.start()
    wait_held(d, "adoption", 19, state=PARKED)
    settled(d)
    need(tenant.writes() == [], "nothing is written", tenant.writes())
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    wait_for(lambda: d.state_query("SELECT count(*) FROM link")[0][0] == 19, 20, "19 are linked again")
    settled(d)
    need(tenant.writes() == [], "and nothing needed to be written", tenant.writes())
    need(tenant.user("p00")["disabled"] is False, "who left meanwhile is nobody's, and not removed")
    ground.leave(group, "p01")
    tenant.wait_user("p01", disabled=True)
    settled(d)


def test_state_damaged(t):
    """T53: a truncated state file, or another file in its place: refused with a sentence, and untouched."""
    ground, group, tenant = crowd(t, people(20))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(20))
    settled(d)
    d.stop()
    good = d.path("good.db")
    shutil.copy(d.state_file, good)
    size = os.path.getsize(good)
    tenant.forget_requests()
    for damage in ("cut", "text", "scrambled"):
        shutil.copy(good, d.state_file)
        with open(d.state_file, "r+b") as data:
            if damage == "cut":
                data.truncate(size // 2)
            elif damage == "text":
                data.write(b"this is no database, but somebody's notes. ")
            else:
                data.seek(size // 3)
                data.write(b"\xff" * 8192)
        before = open(d.state_file, "rb").read()
        answer = d.run("--once", code=None, seconds=30)
        need(answer.code not in (0, 2), "it does not run", damage, answer)
        need("state file" in answer.err and "aside" in answer.err, "says what to do", damage, answer)
        need(open(d.state_file, "rb").read() == before, "untouched", damage)
    need(tenant.requests() == [], "the tenant was not even asked", tenant.requests()[:3])


def slow_to_check(d):
    """Rows whose check takes some seconds, whatever the machine does beside."""
    with sqlite3.connect(d.state_file) as db:
        db.executescript("""
            PRAGMA ignore_check_constraints = ON;
            CREATE TABLE ballast(n INTEGER PRIMARY KEY, m CHECK(length(hex(randomblob(90000 + n % 2))) > 0));
            WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000)
            INSERT INTO ballast SELECT n, n FROM c;""")
    db.close()


def test_checked_beside_the_work(t):
    """After a kill rosterd is ready, and hires, before it has read its state file to the end; who left waits for that."""
    ground, group, tenant = crowd(t, people(20))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(20))
    settled(d)
    d.kill()
    slow_to_check(d)
    ground.leave(group, "p00")
    ground.person("p99")
    ground.join(group, "p99")
    d.start()
    tenant.wait_user("p99", team="Customer Service")
    wait_for(lambda: d.ctl("holds", "--json", code=None).json["holds"], 20, "the leaver waits")
    status, holds = d.ctl("status", "--json", code=None).json, d.ctl("holds", "--json", code=None).json["holds"]
    need(status["state"]["checking"], "the check is not over", status["state"])
    need([(h["reason"], h["people"]) for h in holds] == [("state-checking", 1)], "one waits, for that", holds)
    need("nobody is removed yet" in d.ctl("status", code=None).out, "status says so")
    need(not tenant.user("p00")["disabled"], "and is not removed")
    tenant.wait_user("p00", seconds=60, disabled=True)
    need(not d.ctl("status", "--json", code=None).json["state"]["checking"], "it was over by then")
    d.wait_log("and is sound")
    settled(d)
    d.stop()
    seen = d.log().count("beside the work")
    need(seen == 1, "said once", seen)
    d.start()
    need(d.log().count("beside the work") == 1, "an end in good order leaves nothing to check")
    settled(d)


def swap_pages(path):
    """Two leaves of the indexes of `ballast` change places: each is sound in itself, and nothing else needs them."""
    with open(path, "r+b") as data:
        pages = [(at, page) for at, page in ((at, os.pread(data.fileno(), 4096, at))
                                             for at in range(4096, os.path.getsize(path), 4096))
                 if page[0] == 10 and (b"x200" in page or b"y200" in page)]
        (one, first), (other, second) = pages[:2]
        os.pwrite(data.fileno(), second, one)
        os.pwrite(data.fileno(), first, other)


def test_damaged_after_a_kill(t):
    """What a check beside the work finds ends rosterd with the sentence; nobody was removed, and the next start refuses."""
    ground, group, tenant = crowd(t, people(20))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(20))
    settled(d)
    d.stop()
    d.start()
    settled(d)
    d.kill()
    with sqlite3.connect(d.state_file) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("CREATE TABLE ballast(a, b)")
        db.execute("CREATE INDEX ballast_a ON ballast(a)")
        db.execute("CREATE INDEX ballast_b ON ballast(b)")
        db.execute("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000)"
                   " INSERT INTO ballast SELECT 'x' || n, 'y' || n FROM c")
    db.close()
    swap_pages(d.state_file)
    with open(d.state_file, "rb") as data:
        before = data.read()
    ground.leave(group, "p00")
    tenant.forget_requests()
    d.start(wait=False)
    d.wait_end(code=1)
    need("is damaged" in d.log() and "aside" in d.log(), "says what to do", d.log_tail())
    need(tenant.writes() == [], "nobody is removed", tenant.writes())
    with open(d.state_file, "rb") as data:
        need(data.read() == before, "the file is untouched")
    tenant.forget_requests()
    for _ in range(2):
        d.start(wait=False)
        d.wait_end(code=1)
    need(tenant.requests() == [], "the next ones do not begin", tenant.requests()[:3])


def copy_state(d, to):
    """As a backup program would."""
    source, target = sqlite3.connect(d.state_file), sqlite3.connect(to)
    with target:
        source.backup(target)
    source.close()
    target.close()


def test_older_copy_restored(t):
    """T53: an older copy of the state file: nothing is removed or changed without approval."""
    ground, group, tenant = crowd(t, people(20))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(20))
    settled(d)
    d.stop()
    copy_state(d, d.path("old.db"))
    d.start()
    ground.persons(["new0", "new1"])
    ground.join(group, "new0", "new1")
    tenant.wait_users(people(20) + ["new0", "new1"])
    settled(d)
    d.stop()
    for suffix in ("-wal", "-shm"):
        if os.path.exists(d.state_file + suffix):
            os.unlink(d.state_file + suffix)
    shutil.copy(d.path("old.db"), d.state_file)
    ground.leave(group, "p00", "p01")
    ground.replace("p02", givenName="Changed")
    tenant.forget_requests()
    d.start()
    d.wait_log("older copy")
    wait_for(lambda: life.is_settled(d) and len(life.operations(d)) >= 3, 20, "it waits for approval",
             lambda: life.operations(d))
    settled(d)
    need(tenant.writes() == [], "nothing is written without approval", tenant.writes())
    need(not [o for o in life.operations(d) if o["state"] != PARKED], "all is parked", life.operations(d))
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    tenant.wait_user("p00", disabled=True)
    tenant.wait_user("p01", disabled=True)
    tenant.wait_user("p02", firstName="Changed")
    wait_for(lambda: d.state_query("SELECT count(*) FROM link")[0][0] == 22, 20, "all are linked")
    settled(d)
    need(len(tenant.users()) == 22, "nobody is doubled", sorted(tenant.users()))
    wait_for(lambda: d.audit(event="alarm-over", code="state-restored"), 10, "the alarm is over")
    ground.leave(group, "p03")  # trusted again
    tenant.wait_user("p03", disabled=True)
    settled(d)


def test_read_only(t):
    """T53: a state file that may not be written: it does not start, and nothing is written to the tenant."""
    ground, group, tenant = crowd(t, people(5))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(5))
    settled(d)
    d.stop()
    tenant.forget_requests()
    ground.leave(group, "p00")
    place = d.path("read-only")
    os.mkdir(place)
    shutil.copy(d.state_file, os.path.join(place, "state.db"))
    d.configure(state={"file": "/proc/1/state.db"})  # where nobody may write, root neither
    answer = d.run("--once", code=None, seconds=30)
    need(answer.code not in (0, 2, 75), "it does not run", answer)
    need("/proc/1/state.db" in answer.err, "says which file", answer)
    need(tenant.writes() == [], "nothing is written", tenant.writes())
