"""A tenant on its bad days: each fault ends in exactly one account, or in a hold that says why."""

import os
import random
import select
import socket
import struct
import threading
import time

from lib import base, deadline, life, need, wait_for
from lib.life import AGENTS, crowd, outcomes, settled, wait_held

USER = "/configapi/v2/user"
TEAMS = "/configapi/v2/team"


def people(n):
    return ["p%03d" % i for i in range(n)]


def creates(tenant):
    return [r["login"] for r in tenant.requests(method="POST", path=USER + "$") if r["status"] == 200]


def test_token_dies_in_mid_run(t):
    """T45: tokens that are revoked or expire in mid-run are fetched once each, nobody is lost or doubled."""
    ground, group, tenant = crowd(t, people(60))
    for skip in (5, 20, 40):
        tenant.fault("revoke", skip=skip, path=USER, method="POST")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(60))
    settled(d)
    need(sorted(creates(tenant)) == people(60), "each once", len(creates(tenant)))
    need(2 <= tenant.counters()["tokens"] <= 4, "refreshed once for each revocation", tenant.counters()["tokens"])
    need(life.ledger_sum(d, "created") == 60, "ledger", life.check_ledger(d))
    tenant.settings(token_lifetime=1)
    tenant.revoke_tokens()
    d.configure(rules={"Agents": dict(AGENTS, group=group, team="Sales")}, guard={"max_team_change": "unlimited"})
    d.reload()
    for uid in people(60):
        tenant.wait_user(uid, team="Sales")
    settled(d)


@deadline(180)
def test_tokens_amid_throttling(t):
    """T45 T47: tokens of five seconds that also die early, while one call in twenty, some for tokens too, is throttled, and some
    are refused as unauthorised without need: all are made and moved once, and no more tokens are asked for than seconds passed."""
    ground, group, tenant = crowd(t, people(15))
    tenant.settings(token_lifetime=5)
    tenant.fault("status", status=429, headers={"Retry-After": "0"}, count=-1, probability=0.05, seed=7)
    tenant.fault("status", status=429, count=6, path="/configapi/v2/oauth", probability=0.5, seed=3)
    tenant.fault("revoke", count=-1, probability=0.05, seed=5, path=USER)
    tenant.fault("status", status=401, count=12, probability=0.1, seed=9, path=USER)
    began = time.monotonic()
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    retry={"min": "100ms", "max": "1s", "hold": "1s"}, guard={"max_team_change": "unlimited"}).start()
    tenant.wait_users(people(15), seconds=180)
    d.configure(rules={"Agents": dict(AGENTS, group=group, team="Sales")})
    d.reload()
    wait_for(lambda: all(u["team"] == "Sales" for u in tenant.users().values()), 300, "all are moved", lambda: life.operations(d))
    asked = [r for r in tenant.requests(method="POST") if "oauth" in r["path"]]
    died = len([r for r in tenant.requests() if r["status"] == 401])
    need(len(asked) <= time.monotonic() - began + died + 10, "tokens", len(asked), died, time.monotonic() - began)
    tenant.clear_faults()
    settled(d, 60)
    need(tenant.counters()["creates"] == 15 and len(tenant.users()) == 15, "each once", tenant.counters())
    need(not [a for a in d.audit(event="alarm") if a["code"] == "tenant-not-authorised"] or d.audit(event="alarm-over"), "well in the end")


def test_no_token_for_a_while(t):
    """T45: no token is to be had while many wait for one, whatever is said: nobody is held for it, the account waits under one cause,
    and everybody goes on when there is one."""
    ground, group, tenant = crowd(t, people(2))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, notify={"alarm_after": "1s"}).start()
    tenant.wait_users(people(2))
    settled(d)
    all_of_them = people(2)
    for n, answer in enumerate((dict(status=429), dict(status=500), dict(status=404, body="no such page"))):
        tenant.fault("status", count=-1, path="/configapi/v2/oauth", **answer)
        tenant.revoke_tokens()
        new = ["n%d%02d" % (n, i) for i in range(12)]
        ground.persons(new)
        ground.join(group, *new)
        wait_for(lambda n=n: len(d.audit(event="alarm", code="tenant-unavailable")) == n + 1, 20, "an alarm", lambda: d.audit()[-5:])
        held = life.operations(d, state=life.HELD)
        need(not held, "nobody is held for it", answer, held[:2])
        need(len(d.audit(event="alarm")) == n + 1, "one alarm", d.audit(event="alarm"))
        tenant.clear_faults()
        all_of_them += new
        tenant.wait_users(all_of_them, seconds=40)
        settled(d)
        wait_for(lambda n=n: len(d.audit(event="alarm-over")) == n + 1, 10, "over")


def test_secret_replaced_on_disk(t):
    """The API secret is replaced at the tenant and in its file while rosterd runs, the file first or last: no restart and no reload."""
    ground, group, tenant = crowd(t, people(2))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, retry={"min": "100ms", "max": "1s"}).start()
    tenant.wait_users(people(2))
    settled(d)
    mine, theirs = d.path("tenant.client_secret"), os.path.join(tenant.folder, "secret")
    for n, order in enumerate(((mine, theirs), (theirs, mine))):
        for path in order:
            with open(path, "w", encoding="ascii") as file:
                file.write("another-secret-%d\n" % n)
            if path == theirs:
                tenant.stop()
                tenant.secret = "another-secret-%d" % n
                tenant.start()
            else:
                tenant.revoke_tokens() if order[0] == theirs else None
        uid = "later%d" % n
        ground.person(uid)
        ground.join(group, uid)
        tenant.wait_user(uid, seconds=40)
        settled(d, 30)
    need("another-secret" not in d.log(), "nor is it told")


def test_credentials_refused(t):
    """T45: a refreshed token that is refused too stops all writes with one alarm; it goes on when accepted."""
    ground, group, tenant = crowd(t, people(20))
    for path in (USER, TEAMS):  # were the list of teams answered, it would be those users' matter alone
        tenant.fault("status", status=401, count=-1, path=path)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    wait_for(lambda: d.audit(event="alarm", code="tenant-not-authorised"), 20, "an alarm", lambda: d.audit()[-5:])
    n = len(tenant.writes())
    need(n <= 16, "no storm", n)
    need(d.ctl("status", "--json", code=None).json["tenant"]["state"] in ("refused", "refuses the account"),
         "status says so", d.ctl("status", "--json", code=None).json["tenant"])
    need(len(d.audit(event="alarm")) == 1, "one alarm", d.audit(event="alarm"))
    tenant.clear_faults()
    tenant.wait_users(people(20), seconds=40)
    settled(d)
    need(sorted(creates(tenant)) == people(20), "each once")
    wait_for(lambda: d.audit(event="alarm-over"), 10, "over")


def test_privilege_missing(t):
    """T46: 403 is the account's matter, not the person's: all writing stops, and resumes by itself."""
    ground, group, tenant = crowd(t, people(20), lack_privilege=True)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    wait_for(lambda: d.audit(event="alarm", code="tenant-not-authorised"), 20, "an alarm", lambda: d.audit()[-5:])
    need(not life.operations(d, state=life.HELD), "nobody is held for it", life.operations(d)[:2])
    need(len(tenant.writes()) <= 16, "no storm", len(tenant.writes()))
    tenant.settings(lack_privilege=False)
    tenant.wait_users(people(20), seconds=40)
    settled(d)
    wait_for(lambda: d.audit(event="alarm-over"), 10, "over")
    # In the middle of the work.
    tenant.settings(lack_privilege=True)
    ground.replace("p003", givenName="New")
    ground.leave(group, "p004")
    wait_for(lambda: len(d.audit(event="alarm")) == 2, 20, "an alarm again")
    need(tenant.user("p004")["disabled"] is False, "as it was")
    tenant.settings(lack_privilege=False)
    tenant.wait_user("p003", seconds=40, firstName="New")
    tenant.wait_user("p004", disabled=True)
    settled(d)


@deadline(120)
def test_throttled(t):
    """T47: 429 with Retry-After in seconds, as a date, absurd, and without: bounded, nobody lost or doubled."""
    for headers in ({"Retry-After": "1"}, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"},
                    {"Retry-After": "-7 bananas"}, {}):
        ground, group, tenant = crowd(t, people(30))
        tenant.fault("status", status=429, count=6, skip=4, path=USER, method="POST", headers=headers)
        d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
        tenant.wait_users(people(30), seconds=30)
        settled(d)
        need(sorted(creates(tenant)) == people(30), "each once", headers)
        need(life.ledger_sum(d, "created") == 30, "ledger", life.check_ledger(d))
        d.stop()


def test_lists_throttled(t):
    """A tenant that puts off its lists for an hour: users are made and disabled at once, and no outage is told."""
    ground, group, tenant = crowd(t, people(10))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(10), seconds=30)
    settled(d)
    d.stop()
    for path in ("/configapi/v2/team", "/configapi/v2/phone/user"):
        tenant.fault("status", status=429, count=-1, path=path, headers={"Retry-After": "3600"})
    d.start()
    ground.person("late")
    ground.join(group, "late")
    ground.leave(group, people(10)[0])
    wait_for(lambda: tenant.user("late") and tenant.user(people(10)[0])["disabled"], 15, "both", d.log_tail)
    settled(d)
    need(tenant.counters()["by_status"].get("429", 0) >= 1, "the list was asked for", tenant.counters())
    need(d.ctl("status", "--json").json["tenant"]["state"] == "ok" and not d.audit(event="alarm"), "no outage", d.audit(event="alarm"))
    d.stop()


def test_rate_of_the_tenant(t):
    """T47: a tenant that allows 50 requests a second gets everybody, without a flood of refused calls."""
    ground, group, tenant = crowd(t, people(100), rate=50)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(100), seconds=40)
    settled(d)
    refused = tenant.counters()["by_status"].get("429", 0)
    need(sorted(creates(tenant)) == people(100), "each once")
    need(refused < 100, "the pace adapts", refused)


@deadline(120)
def test_faults_around_a_create(t):
    """T47 T48 T51: 500, 502, 503, reset, cut, lost answer, bodies without end, HTML, redirects: one account each."""
    faults = [("status", {"status": 500}), ("status", {"status": 502}), ("status", {"status": 503}),
              ("cut", {}), ("cut", {"reset": True}), ("lost-answer", {}), ("lost-answer", {"reset": True}),
              ("short-body", {}), ("big-body", {}), ("endless-body", {}), ("html", {}), ("redirect", {}),
              ("status", {"status": 500, "commit": True}), ("stall", {})]
    logins = ["f%02d" % i for i in range(len(faults))]
    ground, group, tenant = crowd(t, logins + ["well"])
    for login, (action, more) in zip(logins, faults):
        tenant.fault(action, login=login, method="POST", **more)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"request_timeout": "2s"}).start()
    tenant.wait_users(logins + ["well"], seconds=60)
    wait_for(lambda: not life.operations(d), 40, "everybody is settled", lambda: life.operations(d))
    settled(d)
    need(tenant.counters()["creates"] == len(logins) + 1, "exactly one account each", tenant.counters())
    need(d.state_query("SELECT count(*) FROM link WHERE status = LINK_ACTIVE")[0][0] == len(logins) + 1, "all are linked")
    for login in logins:
        need(outcomes(d, "create", login), "audit", login)
    with open("/proc/%d/maps" % d.pid, encoding="utf-8") as maps:
        sanitized = "asan" in maps.read()  # which keeps what was freed
    need(sanitized or d.memory("VmHWM") < 100 << 20, "memory is bounded", d.memory("VmHWM"))


@deadline(120)
def test_lost_answer_across_restart(t):
    """T43 T48: the tenant made the user, nobody heard, rosterd was killed: exactly one account, and it is ours."""
    ground, group, tenant = crowd(t, people(10))
    tenant.fault("stall", commit=True, count=-1, path=USER, method="POST")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    wait_for(lambda: len(tenant.users()) >= 1, 20, "a create is under way", lambda: tenant.requests())
    d.kill()
    tenant.clear_faults()
    d.start()
    tenant.wait_users(people(10))
    settled(d)
    need(tenant.counters()["creates"] == 10, "exactly one account each", tenant.counters())
    asked = sorted(row["login"] for row in tenant.requests(method="POST", path=USER))
    # One that was still kept waiting when its client died may have left no trace.
    need(len(asked) == len(set(asked)) and set(asked) <= set(people(10)),
         "and none was asked for twice: where logins are not unique there would be two", asked)
    need(not life.operations(d), "nobody is held", life.operations(d))


def test_conflict_is_somebody_else(t):
    """T43: a 409 for a login that a stranger has: held, the stranger is not touched; the same person is adopted."""
    ground, group, tenant = crowd(t, ["ada", "bob", "eve"])
    tenant.seed({"loginId": "zoe"})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(["ada", "bob", "eve", "zoe"])
    settled(d)
    tenant.seed({"loginId": "max", "firstName": "Somebody", "lastName": "Else", "email": "x@y.example",
                 "roles": ["Administrator"]},
                {"loginId": "kim", "firstName": "Kim", "lastName": "Tester", "email": "kim@example.com"})
    before = tenant.user("max")
    ground.persons(["max", "kim"])
    ground.join(group, "max", "kim")
    wait_held(d, "login-taken")
    tenant.wait_user("kim", team="Customer Service", skills={"English": 80})
    settled(d)
    need(tenant.user("max") == before, "untouched", tenant.user("max"))


class Spy:
    """Another host: takes what comes and keeps it."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(8)
        self.heard = []
        threading.Thread(target=self.run, daemon=True).start()

    @property
    def port(self):
        return self.socket.getsockname()[1]

    def run(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            peer.settimeout(1)
            try:
                self.heard.append(peer.recv(4096))
            except OSError:
                self.heard.append(b"(connected)")
            peer.close()


def test_redirect_carries_no_token(t):
    """T51: a redirect to another host is not followed, and no bearer token goes there."""
    spy = Spy()
    t.cleanup(spy.socket.close)
    ground, group, tenant = crowd(t, ["ada"])
    tenant.fault("redirect", location="http://127.0.0.1:%d/steal" % spy.port, path=USER, count=3)
    tenant.fault("redirect", location="https://127.0.0.1:%d/steal" % spy.port, path="/configapi/v2/team", count=1,
                 status=307)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_user("ada")
    settled(d)
    need(spy.heard == [], "nothing went there", spy.heard)


@deadline(180)
def test_down_with_300_joiners(t):
    """T49: the tenant is away while 300 join: nobody is dropped, they come oldest first at the configured pace."""
    ground, group, tenant = crowd(t, ["first"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"max_rate": "100", "max_concurrent": "4"}).start()
    tenant.wait_user("first")
    settled(d)
    tenant.down()
    logins = people(300)
    for start in range(0, 300, 50):
        ground.persons(logins[start:start + 50])
        ground.join(group, *logins[start:start + 50])
        wait_for(lambda: len(life.operations(d)) >= start + 50, 20, "they are queued", lambda: len(life.operations(d)))
    n = len(tenant.requests())
    need(d.ctl("status", "--json", code=None).json["tenant"]["state"] == "away", "status says so",
         d.ctl("status", "--json", code=None).json["tenant"])
    need(n < 60, "no hammering", n)
    queued = [o["login"] for o in life.operations(d)]
    tenant.forget_requests()
    tenant.down(False)
    tenant.wait_users(logins + ["first"], seconds=60)
    settled(d)
    posts = tenant.requests(method="POST", path=USER + "$")
    need(sorted(p["login"] for p in posts) == logins, "each once", len(posts))
    places = [queued.index(p["login"]) for p in posts]
    need(all(abs(place - at) <= 8 for at, place in enumerate(places)), "oldest first", places[:40])
    need(max(p["inFlight"] for p in posts) <= 4, "no thundering", max(p["inFlight"] for p in posts))
    need(life.check_ledger(d)["created"] == 300, "ledger", life.check_ledger(d))


@deadline(120)
def test_lost_answers_of_every_kind(t):
    """T47 T48: PUT, PATCH and DELETE whose answer is lost, or that fail once: done once in effect, and known so."""
    for action, more in (("lost-answer", {}), ("cut", {"reset": True}), ("status", {"status": 500}),
                         ("status", {"status": 429}), ("html", {}), ("status", {"status": 502, "commit": True})):
        logins = ["update", "profile", "rename", "leave", "return", "delete"]
        ground, group, tenant = crowd(t, logins)
        sales = life.group(ground, "sales")
        rules = {"Sales": {"group": sales, "team": "Sales"}, "Agents": dict(AGENTS, group=group)}
        d = life.daemon(t, ground, tenant, rules, lifecycle={"on_rename": "rename"}, user={"login_id": "${cn}"},
                        tenant_keys={"request_timeout": "2s"})
        for uid in logins:
            ground.replace(uid, cn=uid)
        d.start()
        tenant.wait_users(logins)
        ground.leave(group, "return", "delete")
        tenant.wait_user("return", disabled=True)
        tenant.wait_user("delete", disabled=True)
        settled(d)
        for login in logins:
            for method in ("PUT", "PATCH", "DELETE"):
                tenant.fault(action, login=login, method=method, **more)
        d.configure(lifecycle={"delete_after": "1s"})
        ground.join(sales, "update")
        ground.replace("profile", givenName="New")
        ground.replace("rename", cn="renamed")
        ground.leave(group, "leave")
        ground.join(group, "return")
        tenant.wait_user("update", team="Sales")
        tenant.wait_user("profile", firstName="New")
        tenant.wait_user("renamed")
        tenant.wait_user("leave", disabled=True)
        tenant.wait_user("return", disabled=False)
        wait_for(lambda: not life.operations(d), 30, "all is settled", lambda: (action, more, life.operations(d)))
        settled(d)
        d.reload()  # delete_after: those who are disabled go
        wait_for(lambda: not {"leave", "delete"} & set(tenant.users()), 30, "deleted", lambda: tenant.users())
        wait_for(lambda: not life.operations(d), 30, "all is settled", lambda: (action, more, life.operations(d)))
        settled(d)
        need(sorted(tenant.users()) == ["profile", "renamed", "return", "update"], "who is left", action, more)
        need(tenant.counters()["creates"] == 6, "nobody was made anew", tenant.counters())
        d.stop()


class Proxy:
    """Tunnels for whoever asks by CONNECT; keeps the heads of the requests."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.heads = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                threading.Thread(target=self.tunnel, args=(self.listener.accept()[0],), daemon=True).start()
        except OSError:
            return  # closed

    def tunnel(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            more = client.recv(4096)
            if not more:
                return
            head += more
        self.heads.append(head.decode())
        server = socket.create_connection(("127.0.0.1", int(head.split()[1].rpartition(b":")[2])))
        client.sendall(b"HTTP/1.1 200 Tunnel\r\n\r\n")
        threading.Thread(target=pass_on, args=(server, client), daemon=True).start()
        pass_on(client, server)


def pass_on(source, target):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_through_a_proxy(t):
    """A proxy that the service's environment names carries the connections to a tenant that is not this machine by name, and sees
    none of what they say."""
    ground, group, tenant = crowd(t, people(20))
    proxy = Proxy()
    t.cleanup(proxy.listener.close)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"url": tenant.url.replace("127.0.0.1", "LOCALHOST")})
    d.start(env={"https_proxy": proxy.url})
    tenant.wait_users(people(20))
    settled(d)
    need(proxy.heads and all(head.startswith("CONNECT ") and "Bearer" not in head for head in proxy.heads), "by it alone", proxy.heads)


class Resets:
    """Before the tenant: each twelfth connection is reset when it is made, and the others end after a while."""

    def __init__(self, t, tenant):
        host, _, port = tenant.url.rpartition("/")[2].partition(":")
        self.behind, self.draw = (host, int(port)), random.Random(7)
        self.n_made = self.n_reset = 0
        self.resets = True
        self.listener = socket.create_server(("127.0.0.1", base.free_port("127.0.0.1")), backlog=64)
        t.cleanup(self.listener.close)
        self.url = "https://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.n_made += 1
            if self.resets and self.n_made % 12 == 0:
                self.n_reset += 1
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
            else:
                threading.Thread(target=self.relay, args=(client,), daemon=True).start()

    def relay(self, client):
        left = self.draw.randint(6000, 15000)
        with socket.create_connection(self.behind) as tenant, client:
            while left > 0:
                for end in select.select([client, tenant], [], [], 30)[0]:
                    try:
                        data = end.recv(65536)
                        (tenant if end is client else client).sendall(data)
                    except OSError:
                        return
                    left = left - len(data) if data else 0


@deadline(180)
def test_broken_connections_withdraw_nothing(t):
    """T47: one connection in twelve is reset before anything was sent, which is the matter of the call that it was for: what waits in
    line for others is not taken back, nobody hears that the tenant is away, and each user is made once."""
    everybody = people(400)
    ground, group, tenant = crowd(t, everybody)
    front = Resets(t, tenant)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, tenant_keys={"url": front.url, "max_concurrent": "8"},
                    retry={"min": "100ms", "max": "1s", "hold": "1s"}).start()
    tenant.wait_users(everybody, seconds=100)
    front.resets = False
    settled(d, 60)
    need(front.n_reset > 3, "some were reset", front.n_reset)
    need(tenant.counters()["creates"] == 400, "each once", tenant.counters())
    withdrawn = d.audit(event="outcome", code="withdrawn")
    need(not withdrawn, "nothing was withdrawn", len(withdrawn), withdrawn[:2])
    need("The tenant is away" not in d.log(), "it was never away")
