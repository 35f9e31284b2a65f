"""Feeds against a scripted server: reads that look whole and are not, cuts, stalls, ranges."""

import itertools

from lib import ScriptedServer, need
from lib.feed import Feed


def sub(request):
    """The searches that are meant: not those of the root entry and the like."""
    return request.scope == "sub"


def prepared(t, people=30, **settings):
    server = t.server(ScriptedServer, **settings)
    server.people(people)
    return server


def followed_by(feed):
    following = [e for e in feed.events if e["event"] == "status" and e["state"] == "following"]
    return following[-1]["feed"] if following else None


def once(t, server, result=0, **options):
    options.setdefault("feed", "poll")
    options.setdefault("page_size", 10)
    feed = Feed(t, server, keep="mirror", once=True, tls=server.tls, **options)
    done = feed.finish()
    need(done["result"] == result if isinstance(result, int) else done["result"] < 0, "its result", done)
    return feed


def unproven(t, server, reason, **options):
    """A second read after a whole one: nobody leaves, and the reason is said."""
    need(once(t, server).commits()[-1]["absence"] == "unseen", "the first read is proven")
    server_fault = options.pop("fault")
    server_fault()
    feed = once(t, server, **options)
    commit = feed.commits()[-1]
    need(commit["absence"] == "unproven" and reason in commit["reason"], "why it is not proven", commit)
    need(feed.count("vanished") == 0 and len(feed.dns("person")) == 30, "nobody left", len(feed.dns("person")))
    return feed


def test_limits(t):
    """T1: size, time and administrative limits after some entries: zero removals."""
    for code in (3, 4, 11):
        server = prepared(t)
        unproven(t, server, "LDAP code %d" % code, fault=lambda: server.fail_search(code, after=15, matching=sub))


def test_busy(t):
    """T1: busy (51) and unavailable (52) in mid-read."""
    for code in (51, 52):
        server = prepared(t)
        unproven(t, server, "LDAP code %d" % code, fault=lambda: server.fail_search(code, after=15, matching=sub))


def test_no_entries(t):
    """T2: success with zero entries."""
    server = prepared(t)
    unproven(t, server, "no entry at all", no_paging=True,
             fault=lambda: server.fail_search(0, matching=sub))


def test_cut_between_pages(t):
    """T4: the connection drops between two pages: the batch is aborted, the read begins anew."""
    server = prepared(t)
    once(t, server)
    server.cut(pages=2, matching=sub)
    feed = Feed(t, server, keep="mirror", feed="poll", page_size=10, tls="no")
    feed.wait_event("abort")
    feed.wait_event("commit", absence="unseen")
    need(feed.count("vanished") == 0, "nobody left")
    foreign = [r for r in server.requests("search") if r.page_cookie and r.result not in (None, 0)]
    need(not foreign, "no page cookie was shown to another connection", foreign)


def test_paging_ignored(t):
    """T5: the paging control is ignored: the end of the answer proves nothing."""
    server = prepared(t)

    def fault():
        server.paging, server.size_limit, server.size_limit_silent = "ignore", 20, True
    unproven(t, server, "paging", fault=fault)


def test_paging_rejected(t):
    """T5: the paging control is rejected: read without, but not taken for all; `paging = no` says it is."""
    server = prepared(t)

    def fault():
        server.paging = "reject"
    unproven(t, server, "refuses the paging control", fault=fault)
    feed = once(t, server, no_paging=True)
    need(feed.compared()["absence"] == "unseen", "as the administrator says", feed.commits())


def test_references(t):
    """T6: continuation references: not all of it, unless told to ignore them."""
    server = prepared(t)

    def fault():
        server.refer_search(["ldap://child.example.com/dc=child,dc=example,dc=com"], times=None, matching=sub)
    unproven(t, server, "ldap://child.example.com", fault=fault)
    feed = once(t, server, referrals="ignore")
    need(feed.compared()["absence"] == "unseen", "ignored", feed.commits())


def test_wrong_password(t):
    """T7: invalidCredentials: no change, a slow retry, the reason in the status."""
    server = prepared(t)
    once(t, server)
    server.bind_result = 49
    feed = Feed(t, server, keep="mirror", feed="poll", tls="no")
    status = feed.wait_event("status", state="refused")
    need("refuses the bind" in status["error"] and "49" in status["error"], "the reason", status)
    need(len([r for r in server.requests("bind")][-3:]) <= 3, "no storm of binds")
    feed.stop()
    need(feed.count("begin") == 0, "nothing was read")


def test_ranges(t):
    """T10: 4000 members come in ranges of changing size, and all are there."""
    server = t.server(ScriptedServer, flavor="ad")
    dns = server.people(40)
    members = ["CN=m%d,OU=elsewhere,DC=example,DC=org" % n for n in range(4000)] + list(dns)
    sizes = itertools.cycle([1500, 700, 1, 1000, 2, 5000])
    server.value_range = lambda entry, start: next(sizes)
    crowd = server.group("crowd", members)
    feed = once(t, server, feed="poll")
    need(len(feed.members(crowd)) == 4040, "all members", len(feed.members(crowd) or []))
    need(feed.compared()["absence"] == "unseen", "and it is proven", feed.commits())


def test_ranges_edited(t):
    """T10: the group is edited between two ranges: it is read again from the start."""
    server = t.server(ScriptedServer, flavor="ad")
    members = ["CN=m%04d,OU=elsewhere,DC=example,DC=org" % n for n in range(3000)]
    server.value_range = 1000
    crowd = server.group("crowd", members)
    edits = []

    def edit(entry, name, start):
        if start > 0 and not edits:
            edits.append(start)
            server.raw_set(crowd, member=members[1:])
    server.on_range = edit
    feed = once(t, server, feed="poll")
    need(edits, "it was edited in the middle")
    need(len(feed.members(crowd)) == 2999, "exactly those", len(feed.members(crowd) or []))


def test_ranges_never_end(t):
    """T10: a group that changes at each range is not taken, and the read proves nothing."""
    server = t.server(ScriptedServer, flavor="ad")
    dns = server.people(5)
    server.value_range = 1000
    crowd = server.group("crowd", ["CN=m%04d,OU=elsewhere,DC=example,DC=org" % n for n in range(3000)])
    counter = []

    def edit(entry, name, start):
        counter.append(start)
        server.replace(crowd, description=str(len(counter)))
    server.on_range = edit
    feed = once(t, server, feed="poll")
    commit = feed.commits()[-1]
    need(commit["absence"] == "unproven" and "cannot be read to the end" in commit["reason"], "why", commit)
    need(feed.by_dn(crowd) is None, "no part of the group was taken")
    need(len(feed.dns("person")) == len(dns), "the people were")


def test_present_phase_cut_short(t):
    """T19: a present phase without any id is no reason to remove everybody."""
    server = prepared(t)
    once(t, server, feed="syncrepl")
    server.sync.force("present")
    server.sync.edit_present = lambda ids: []
    feed = once(t, server, feed="syncrepl")
    commit = feed.commits()[-1]
    need(commit["absence"] == "unproven", "no proof", commit)
    need(feed.count("vanished") == 0 and len(feed.dns("person")) == 30, "nobody left")


def test_unknown_present(t):
    """A present phase that names somebody unknown: the cookie belongs to something else."""
    import uuid
    server = prepared(t)
    once(t, server, feed="syncrepl")
    server.sync.force("present")
    server.sync.edit_present = lambda ids: ids[:3] + [uuid.uuid4()] + ids[3:]
    feed = once(t, server, feed="syncrepl")
    need(feed.count("abort") == 1 and feed.compared()["absence"] == "unseen", "started over", feed.commits())
    need(feed.count("vanished") == 0, "nobody left")


def test_sync_listed_but_refused(t):
    """The sync control is listed and does not work (12): polling, and it says why."""
    server = prepared(t)
    server.listed_only = set(server.listed_only) | {"1.3.6.1.4.1.4203.1.9.1.1"}
    feed = once(t, server, feed="auto")
    status = [e for e in feed.events if e["event"] == "status" and e["state"] == "reading"][-1]
    need(status["feed"] == "poll" and "refused it" in status["why"], "why", status)
    need(feed.compared()["absence"] == "unseen", "and read", feed.commits())


def test_sync_refused_for_a_while(t):
    """The sync control is refused for a while (12): polling, until the next read of everything is due."""
    server = prepared(t)
    listed = set(server.listed_only)
    server.listed_only = listed | {"1.3.6.1.4.1.4203.1.9.1.1"}
    feed = Feed(t, server, keep="mirror", feed="auto", tls="no", full="1s", poll="100ms")
    feed.wait(lambda f: followed_by(f) == "poll", "polling")
    server.listed_only = listed
    feed.wait(lambda f: followed_by(f) == "syncrepl", "content synchronisation")
    server.person("later")
    feed.wait(lambda f: len(f.dns("person")) == 31, "the new one")
    need(feed.count("vanished") == 0, "nobody left", feed.commits())


def test_sync_cut(t):
    """The connection drops in mid-refresh: abort, no cookie, once more."""
    server = prepared(t, people=200)
    server.cut(after=50, matching=sub)
    feed = Feed(t, server, keep="mirror", feed="syncrepl", tls="no")
    feed.wait_event("abort")
    feed.wait_following()
    need([c["absence"] for c in feed.commits()] == ["unseen"], "one commit, of the whole", feed.commits())
    need(len(feed.dns("person")) == 200, "everybody", len(feed.dns("person")))


def test_records_joined_and_split(t):
    """Many PDUs in one TLS record, and PDUs in two halves: nothing gets stuck or lost."""
    for settings in ({"join_pdus": 40}, {"split_pdus": 0.005}):
        server = prepared(t, people=150, tls="ldaps")
        for name, value in settings.items():
            setattr(server, name, value)
        feed = Feed(t, server, feed="syncrepl", tls="ldaps")
        feed.wait_following()
        need(len(feed.dns("person")) == 150, "everybody", len(feed.dns("person")))
        with server.hold():
            for n in range(20):
                server.person("new%d" % n)
        feed.wait(lambda f: len(f.dns("person")) == 170, "the new ones")


def test_stalls(t):
    """A server that falls silent at any stage is given up in time, and tried again."""
    for stage, tls in (("accept", "no"), ("tls", "ldaps"), ("starttls", "starttls"), ("bind", "no"), ("search", "no"),
                       ("page", "no")):
        server = prepared(t, tls=tls)
        server.stall(stage, matching=sub) if stage in ("search", "page") else server.stall(stage)
        feed = Feed(t, server, feed="poll", page_size=10, tls=tls, timeout="1s")
        feed.wait(lambda f: any(e.get("error") for e in f.events), "the silence is noticed at " + stage)
        feed.wait_following()
        need(feed.compared()["absence"] == "unseen", "then all is read", feed.commits())
        feed.stop()


def test_schema(t):
    """The server's schema reaches the sink."""
    server = prepared(t)
    feed = once(t, server)
    need([e for e in feed.events if e["event"] == "schema"][0]["names"] > 20, "names of attributes")


def test_hidden_identity(t):
    """An account that may not see entryUUID: nothing is proven, the reason names it."""
    server = prepared(t)
    server.hidden = {"entryuuid"}
    feed = once(t, server)
    commit = feed.commits()[-1]
    need(commit["absence"] == "unproven" and "entryUUID" in commit["reason"], "why", commit)


def test_failover_and_return(t):
    """The first server is away: the second serves; when the first is back, it is taken again."""
    first, second = prepared(t, people=3), prepared(t, people=3)
    first.drop("bind")
    feed = Feed(t, first, uri=[first.uri, second.uri], feed="poll", tls="no", **{"return": "1s"})
    status = feed.wait_following()
    need(status["uri"] == second.uri, "the second", status)
    status = feed.wait_event("status", state="following", uri=first.uri)
    need(status["uri"] == first.uri, "the first again", status)
