"""Following an OpenLDAP by content synchronisation, and any server by polling, through all that can go wrong
with cookies, logs and clocks."""

import sqlite3
import time

from lib import ScriptedServer, Slapd, need, wait_for

AT_ONCE = {"leave_grace": "0"}
SHORT = {"min": "50ms", "max": "200ms", "hold": "1s"}
ALARM = {"alarm_after": "0"}
PEOPLE = "objectClass=inetOrgPerson"
AGENTS = {"Agents": {"when": "(objectClass=inetOrgPerson)", "team": "Sales"}}


def names(n, prefix="u"):
    return ["%s%02d" % (prefix, i) for i in range(n)]


def follow(t, server, ground, feed="syncrepl", **sections):
    tenant = t.simulator()
    keys = {"feed": feed, "poll_interval": "1s", "full_interval": "0"}
    keys.update(sections.pop("directory_keys", {}))
    options = {"lifecycle": AT_ONCE, "retry": SHORT, "notify": ALARM, "rules": AGENTS}
    options.update(sections)
    tls = server.tls if isinstance(server, ScriptedServer) else "ldaps"
    return t.rosterd(server, tenant, ground, directory_keys=keys, tls=tls, **options), tenant


def disabled(tenant):
    return sorted(login for login, user in tenant.users().items() if user["disabled"])


def this_start(daemon):
    return daemon.log().split("--- ")[-1]


def cookie(daemon):
    rows = daemon.state_query("SELECT cookie FROM cookie WHERE search = 0")
    return rows[0][0] if rows else None


def set_cookie(daemon, value):
    database = sqlite3.connect(daemon.state_file, timeout=10)
    if value is None:
        database.execute("DELETE FROM cookie")
    else:
        database.execute("UPDATE cookie SET cookie = ?", (value,))
    database.commit()
    database.close()


# --- a real slapd ---

def changes_while_down(t, server, expect, between=lambda: None):
    """Deleted, added and changed while rosterd is down: known at the next start."""
    ground = server.fresh()
    ground.persons(names(12))
    daemon, tenant = follow(t, server, ground)
    daemon.start()
    tenant.wait_users(names(12))
    daemon.wait_status("following")
    daemon.stop()
    ground.remove("u03")
    ground.person("zoe")
    ground.replace("u05", sn="Changed")
    between()
    tenant.forget_requests()
    daemon.start()
    tenant.wait_user("zoe")
    tenant.wait_user("u05", lastName="Changed")
    tenant.wait_user("u03", disabled=True)
    daemon.wait_status("following")
    need(disabled(tenant) == ["u03"], "and nobody else", disabled(tenant))
    need(tenant.counters()["creates"] == 13, "nobody twice", tenant.counters())
    text = this_start(daemon)
    need(expect in text, "how it was learnt", expect, text)
    ground.person("last")
    tenant.wait_user("last")  # and it goes on from there
    return daemon


def test_down_with_session_log(t):
    """T18: the server's session log tells what was deleted."""
    changes_while_down(t, t.server(Slapd, sesslog=1000), "changes since the last connection")


def test_down_without_session_log(t):
    """T18: without a session log slapd lists what is present, and the rest is gone."""
    changes_while_down(t, t.server(Slapd, sesslog=0), "1 entry is gone")


def test_session_log_lost_by_a_restart(t):
    """T18: the session log is in memory: after a restart of slapd it is empty."""
    server = t.server(Slapd, sesslog=1000)
    changes_while_down(t, server, "1 entry is gone", server.restart)


def test_reload_hint(t):
    """T18: slapd answers a cookie that is too old by e-syncRefreshRequired (4096)."""
    server = t.server(Slapd, sesslog=5, reloadhint=1)
    other = server.fresh()

    def many():
        other.persons(names(30, "o"))
        server.restart()
    changes_while_down(t, server, "full refresh", many)


def test_stop_right_after_refresh(t):
    """T21: the cookie of a refresh is on the disk, also on an idle server and for --once."""
    server = t.shared(Slapd)
    ground = server.fresh()
    ground.persons(names(5))
    daemon, tenant = follow(t, server, ground)
    daemon.start()
    tenant.wait_users(names(5))
    daemon.wait_status("following")
    daemon.stop()
    need(cookie(daemon), "a cookie is stored")
    daemon.start()
    daemon.wait_status("following")
    daemon.stop()
    need("full refresh" not in this_start(daemon), "no full read", this_start(daemon))
    daemon.once()
    need("full refresh" not in this_start(daemon), "nor for --once", this_start(daemon))


def test_cookies_of_no_use(t):
    """T18 T29: no cookie, garbage, a cookie from the future, a cookie of another server: a full compare, no writes."""
    server = t.shared(Slapd)
    ground = server.fresh()
    ground.persons(names(12))
    daemon, tenant = follow(t, server, ground)
    daemon.once()
    tenant.wait_users(names(12))
    good = cookie(daemon)
    need(good and b"csn=" in good, "slapd's cookie", good)
    future = b"rid=000,csn=20990101000000.000000Z#000000#000#000000"
    old = b"rid=000,csn=20010101000000.000000Z#000000#000#000000"
    foreign = b"rid=000,sid=007,csn=20260101000000.000000Z#000000#007#000000"
    gone = []
    for i, bad in enumerate((None, b"garbage", b"", b"\xff\x00\x80", future, old, foreign, good[:-9])):
        leaver = "u%02d" % (11 - i)
        if i < 5:  # within the budget
            ground.remove(leaver)
            gone.append(leaver)
        set_cookie(daemon, bad)
        tenant.forget_requests()
        daemon.once()
        need(disabled(tenant) == sorted(gone), "who left, and nobody else", bad, disabled(tenant))
        writes = tenant.writes()
        need(len(writes) == (1 if i < 5 else 0), "no storm", bad, writes)
        need(cookie(daemon) and b"csn=" in cookie(daemon), "a good cookie again", cookie(daemon))


def test_damaged_identity(t):
    """T29: a cookie of which nothing is known any more is not used."""
    server = t.shared(Slapd)
    ground = server.fresh()
    ground.persons(names(3))
    daemon, tenant = follow(t, server, ground)
    daemon.once()
    tenant.wait_users(names(3))
    for what in ("", "{}", "[1", '{"feed":"syncrepl"}'):
        database = sqlite3.connect(daemon.state_file, timeout=10)
        database.execute("UPDATE cookie SET identity = ?", (what,))
        database.commit()
        database.close()
        tenant.forget_requests()
        daemon.once()
        need("is not used" in this_start(daemon) and "full refresh" in this_start(daemon), "said", this_start(daemon))
        need(tenant.writes() == [], "no writes", tenant.writes())


def test_provider_restored_from_backup(t):
    """T24 T18: the server is put back to an older state: a full compare, under the budgets."""
    server = t.server(Slapd)
    ground = server.fresh()
    ground.persons(names(10))
    daemon, tenant = follow(t, server, ground)
    daemon.start()
    tenant.wait_users(names(10))
    daemon.stop()
    server.backup("before")
    daemon.start()
    ground.person("zoe")
    tenant.wait_user("zoe")
    ground.replace("u01", sn="Changed")
    tenant.wait_user("u01", lastName="Changed")
    server.restore("before")
    tenant.wait_user("zoe", disabled=True)
    tenant.wait_user("u01", lastName="Tester")
    need(disabled(tenant) == ["zoe"], "nobody else", disabled(tenant))
    ground.person("late")
    tenant.wait_user("late")


def test_another_database_behind_the_name(t):
    """T18 T32: the cookie belongs to another database of the same suffix: everybody has a new identity there."""
    one, other = t.server(Slapd), t.server(Slapd)
    ground, ground2 = one.fresh("crew"), other.fresh("crew")
    need(ground.dn == ground2.dn, "the same names")
    ground.persons(names(12))
    ground2.persons(names(12) + ["zoe"])
    daemon, tenant = follow(t, one, ground)
    daemon.once()
    tenant.wait_users(names(12))
    tenant.forget_requests()
    daemon.configure(directory={"uri": other.ldaps_uri, "tls_ca_file": other.ca_file,
                                "bind_password": other.reader_password})
    daemon.once(code=None)
    need("is not used: its suffix differs" in this_start(daemon), "the cookie is not used", this_start(daemon))
    need(disabled(tenant) == [], "nobody is disabled", disabled(tenant))
    need(tenant.user("zoe"), "creates go on", sorted(tenant.users()))
    need(len(tenant.writes()) == 1, "and nothing else", tenant.writes())


def test_out_of_the_base_and_back(t):
    """T27: moved out of the base: gone, with the reason; back again: the same user."""
    server = t.shared(Slapd)
    for feed in ("syncrepl", "poll"):
        ground, other = server.fresh(), server.fresh()
        ground.persons(names(6))
        daemon, tenant = follow(t, server, ground, feed, directory_keys={"full_interval": "1s"} if feed == "poll" else {})
        daemon.start()
        tenant.wait_users(names(6))
        daemon.wait_status("following")
        server.rename(ground.person_dn("u02"), "uid=u02", other.people)
        tenant.wait_user("u02", disabled=True)
        row = wait_for(lambda: daemon.audit(event="outcome", operation="disable"), 10, "its row")[0]
        need("gone from the directory" in row["why"], "why", row)
        if feed == "syncrepl":
            need("moved to" in row["why"], "where to", row)
        server.rename(other.person_dn("u02"), "uid=u02", ground.people)
        tenant.wait_user("u02", disabled=False)
        need(tenant.counters()["creates"] == 6, "the same user", tenant.counters())
        # A container with people in it: no server says a word about them.
        server.add("dn: ou=branch,%s\nobjectClass: organizationalUnit\nou: branch\n" % ground.people)
        ground.person("deep", dn="uid=deep,ou=branch," + ground.people)
        tenant.wait_user("deep")
        server.rename("ou=branch," + ground.people, "ou=branch", other.people)
        tenant.wait_user("deep", disabled=True)
        server.rename("ou=branch," + other.people, "ou=branch", ground.people)
        tenant.wait_user("deep", disabled=False)
        need(disabled(tenant) == [], "nobody else", disabled(tenant))
        daemon.stop()


def test_out_of_scope_and_back(t):
    """T27: an attribute takes somebody out of [scope], and back."""
    server = t.shared(Slapd)
    for feed in ("syncrepl", "poll"):
        ground = server.fresh()
        ground.persons({uid: {"employeeType": "Internal"} for uid in names(4)})
        daemon, tenant = follow(t, server, ground, feed, scope={"when": "(employeeType=Internal)"})
        daemon.start()
        tenant.wait_users(names(4))
        ground.replace("u01", employeeType="External")
        tenant.wait_user("u01", disabled=True)
        ground.replace("u01", employeeType="Internal")
        tenant.wait_user("u01", disabled=False)
        need(disabled(tenant) == [] and tenant.counters()["creates"] == 4, "the same user")
        daemon.stop()


def test_size_limit_in_synchronisation(t):
    """T1: slapd ends a synchronisation at its size limit."""
    server = t.server(Slapd, sizelimit=20)
    ground = server.fresh()
    ground.persons(names(10))
    daemon, tenant = follow(t, server, ground, guard={"max_disable": "unlimited"})
    daemon.once()
    tenant.wait_users(names(10))
    ground.persons(names(20, "v"))
    ground.remove("u03")
    set_cookie(daemon, None)
    daemon.once(code=None)
    need(disabled(tenant) == [], "nobody is disabled", disabled(tenant))
    need("limit exceeded" in this_start(daemon).lower(), "said", this_start(daemon))


# --- the scripted server ---

def scene(t, n=20, **options):
    server = t.server(ScriptedServer)
    people = [server.person(uid) for uid in names(n)]
    daemon, tenant = follow(t, server, None, **options)
    daemon.once()
    tenant.wait_users(names(n))
    return server, people, daemon, tenant


def test_nothing_is_gone_before_the_end(t):
    """T18: in a present phase nobody is gone before refreshDone."""
    server, people, daemon, tenant = scene(t)
    server.delete(people[3])
    server.replace(people[0], sn="Changed")
    server.sync.force("present")
    stall = server.stall("search", after=1, filter=PEOPLE)
    daemon.start()
    need(stall.reached.wait(20), "in the middle of the refresh")
    need(disabled(tenant) == [], "nobody is disabled yet")
    daemon.stop()  # and an end in the middle changes nothing
    need(disabled(tenant) == [], "nor at the end")
    stall.release()
    daemon.start()
    tenant.wait_user("u03", disabled=True)
    tenant.wait_user("u00", lastName="Changed")
    need(disabled(tenant) == ["u03"], "the one", disabled(tenant))


def test_present_phase_without_ids(t):
    """T19: a present phase that names nobody, or only some: nobody is taken for gone who is there."""
    for edit in (lambda ids: [], lambda ids: ids[:3]):
        server, people, daemon, tenant = scene(t)
        server.replace(people[0], sn="Changed")
        server.person("zoe")
        server.sync.force("present")
        server.sync.edit_present = edit
        daemon.once(code=None)
        need(disabled(tenant) == [], "nobody is disabled: who was not named is asked for, and is there", disabled(tenant))
        need(tenant.user("zoe"), "creates go on", sorted(tenant.users()))
        need(tenant.user("u00")["lastName"] == "Changed", "and updates")
        alarms = daemon.audit(event="alarm")
        need([a for a in alarms if "did not show it" in a["sentence"]], "an alarm", alarms)
        server.sync.edit_present = None
        set_cookie(daemon, None)
        daemon.once()
        need(daemon.state_query("SELECT count(*) FROM operation")[0][0] == 0, "a whole read takes it back")
        need(disabled(tenant) == [], "and all are back")


def test_nobody_at_all_in_present_phase(t):
    """T19 T2: the present phase is empty altogether."""
    server, _, daemon, tenant = scene(t, guard={"max_disable": "unlimited"})
    server.csn += 1
    server.sync.force("present")
    server.sync.edit_present = lambda ids: []
    daemon.once(code=None)
    need(disabled(tenant) == [], "nobody is disabled", disabled(tenant))
    need("was not read whole" in this_start(daemon), "said", this_start(daemon))


def test_present_of_strangers(t):
    """T18: the server calls unchanged whom we never saw: its cookie is another's, and all is read again."""
    server, people, daemon, tenant = scene(t)
    database = sqlite3.connect(daemon.state_file, timeout=10)
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute("UPDATE identity SET id = 'x' || hex(id) WHERE n = (SELECT n FROM entries WHERE dn = ?)", (people[5],))
    database.commit()
    database.close()
    server.replace(people[0], sn="Changed")
    server.sync.force("present")
    daemon.once(code=None)
    need(tenant.user("u00")["lastName"] == "Changed", "updates go on")
    requests = server.requests("search", lambda r: r.sync_mode)
    need(not requests[-1].sync_cookie, "read again without a cookie", requests[-2:])


def test_refresh_required_while_following(t):
    """T18: refreshRequired at a reconnect, and the restart of a refresh as often as it is wanted."""
    server, people, daemon, tenant = scene(t)
    daemon.start()
    daemon.wait_status("following")
    server.sync.force("refresh-required")
    server.cut_all()
    server.delete(people[4])
    server.person("zoe")
    tenant.wait_user("zoe")
    tenant.wait_user("u04", disabled=True)
    need(disabled(tenant) == ["u04"], "nobody else", disabled(tenant))


def test_limits_in_refresh(t):
    """T1: time, size and administrative limit, busy and unavailable in the middle of a refresh."""
    for code in (3, 4, 11, 51, 52):
        server, people, daemon, tenant = scene(t, guard={"max_disable": "unlimited"})
        server.delete(people[19])
        server.replace(people[0], sn="Changed")
        set_cookie(daemon, None)
        server.fail_search(code, after=8, matching=lambda r: r.sync_mode is not None, times=None)
        daemon.once(code=None)
        need(code in (51, 52) or tenant.user("u00")["lastName"] == "Changed", "updates go on", code)
        need("LDAP code %d" % code in this_start(daemon), "said", code, this_start(daemon))
        if disabled(tenant):
            # Then by another way of reading, which was whole.
            need(disabled(tenant) == ["u19"] and "by poll" in this_start(daemon), "only by a whole read",
                 this_start(daemon))
        server.clear()
        daemon.once()
        need(disabled(tenant) == ["u19"], "after a whole refresh", disabled(tenant))


def test_cookie_is_never_lost_or_early(t):
    """T22 T21: killed at any moment, no change is lost."""
    server, people, daemon, tenant = scene(t)
    for i in range(5):
        daemon.start()
        daemon.wait_status("following")
        server.replace(people[i], sn="Name%d" % i)
        server.person("zoe%d" % i)
        if i % 2:
            wait_for(lambda i=i: tenant.user("zoe%d" % i), 10, "the create")
        daemon.kill()
    daemon.start()
    for i in range(5):
        tenant.wait_user("zoe%d" % i)
        tenant.wait_user("u%02d" % i, lastName="Name%d" % i)
    need(tenant.counters()["creates"] == 25, "nobody twice", tenant.counters())


def test_messages_without_cookies(t):
    """T18: a server that sends no cookie but at the end of a refresh."""
    server, people, daemon, tenant = scene(t)
    server.sync.cookies = False
    daemon.start()
    daemon.wait_status("following")
    server.replace(people[1], sn="Changed")
    tenant.wait_user("u01", lastName="Changed")
    server.delete(people[2])
    tenant.wait_user("u02", disabled=True)
    daemon.restart()
    daemon.wait_status("following")
    need(disabled(tenant) == ["u02"], "the same after a restart")


# --- polling ---

def test_two_writes_in_one_second(t):
    """T28: time stamps of whole seconds: the second write of a second is noticed without a full read."""
    server = t.server(ScriptedServer)
    server.hidden = {"entrycsn"}
    server.schema = [row for row in server.schema if "entryCSN" not in row]
    people = [server.person(uid) for uid in names(10)]
    daemon, tenant = follow(t, server, None, "poll")
    daemon.start()
    tenant.wait_users(names(10))
    daemon.wait_status("following")

    def delta():
        return server.requests("search", lambda r: "modifyTimestamp>=" in r.filter and r.scope == "sub")
    wait_for(delta, 10, "reads of changes by time stamp", lambda: server.requests("search")[-3:])
    stamp = time.strftime("%Y%m%d%H%M%SZ", time.gmtime())
    for i in range(3):
        server.replace(people[i], sn="First")
        server.raw_set(people[i], modifyTimestamp=stamp)
        tenant.wait_user("u%02d" % i, lastName="First")
        server.raw_set(people[i], sn="Second", modifyTimestamp=stamp)  # in the same second
        tenant.wait_user("u%02d" % i, lastName="Second")
    # A clock that steps back, or a master whose clock is late.
    late = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 20))
    server.raw_set(people[5], sn="Late", modifyTimestamp=late)
    tenant.wait_user("u05", lastName="Late")
    full = [r for r in server.requests("search", lambda r: r.scope == "sub") if "modifyTimestamp>=" not in r.filter]
    need(len(full) == 1, "one full read, at the start", len(full))
    need(disabled(tenant) == [], "nobody is disabled")


def test_delta_reads_of_slapd(t):
    """T28: what changed is read by entryCSN; what was deleted, only by the full compare."""
    server = t.shared(Slapd)
    ground = server.fresh()
    ground.persons(names(8))
    group = ground.group("crowd", names(8))
    daemon, tenant = follow(t, server, ground, "poll", rules={"Agents": {"group": group, "team": "Sales"}})
    daemon.start()
    tenant.wait_users(names(8))
    ground.replace("u01", sn="Changed")
    tenant.wait_user("u01", lastName="Changed")
    ground.person("zoe")
    ground.join(group, "zoe")
    tenant.wait_user("zoe")
    ground.leave(group, "u02")
    tenant.wait_user("u02", disabled=True)
    ground.remove("u03")
    daemon.restart()  # the first read of a connection is whole
    tenant.wait_user("u03", disabled=True)
    need(disabled(tenant) == ["u02", "u03"], "nobody else", disabled(tenant))


def test_full_compare_interval(t):
    """T27: between two full compares a deletion is not seen by polling; the next one sees it."""
    server = t.server(ScriptedServer)
    people = [server.person(uid) for uid in names(8)]
    daemon, tenant = follow(t, server, None, "poll", directory_keys={"full_interval": "2s"})
    daemon.start()
    tenant.wait_users(names(8))
    server.delete(people[3])
    tenant.wait_user("u03", disabled=True, seconds=10)
    need("full read" in daemon.log(), "by a full read")


def test_a_delta_that_fails(t):
    """T28 T1: a read of changes ends at a limit: what it did not show is read later, nobody is lost."""
    server = t.server(ScriptedServer)
    people = [server.person(uid) for uid in names(10)]
    daemon, tenant = follow(t, server, None, "poll")
    daemon.start()
    tenant.wait_users(names(10))
    wait_for(lambda: server.requests("search", lambda r: "entryCSN>=" in r.filter), 10, "delta reads")
    with server.hold():
        server.fail_search(3, after=2, filter="entryCSN>=")
        for i in range(10):
            server.replace(people[i], sn="Changed")
    for uid in names(10):
        tenant.wait_user(uid, lastName="Changed")
    need(disabled(tenant) == [], "nobody is disabled")


def test_server_without_paging(t):
    """T5: a server that offers no paging at all is read in one piece, and that is a proof."""
    server = t.server(ScriptedServer)
    server.controls = set()
    people = [server.person(uid) for uid in names(30)]
    daemon, tenant = follow(t, server, None, "poll", directory_keys={"page_size": "10"})
    daemon.once()
    tenant.wait_users(names(30))
    server.delete(people[4])
    daemon.once()
    need(disabled(tenant) == ["u04"], "who left", disabled(tenant))
    need(all(not r.page_size for r in server.requests("search")), "no page was asked for")
    server.size_limit = 20
    server.delete(people[0])
    daemon.once(code=None)
    need(disabled(tenant) == ["u04"], "a size limit proves nothing", disabled(tenant))
    need("Size limit exceeded" in this_start(daemon), "said", this_start(daemon))


def test_small_pages(t):
    """T5: pages smaller than asked for, and empty ones in between, are whole in the end."""
    server = t.server(ScriptedServer)
    people = [server.person(uid) for uid in names(40)]
    server.page_size_cap = 7
    daemon, tenant = follow(t, server, None, "poll", directory_keys={"page_size": "100"})
    daemon.once()
    tenant.wait_users(names(40))
    server.delete(people[4])
    daemon.once()
    need(disabled(tenant) == ["u04"], "who left", disabled(tenant))
