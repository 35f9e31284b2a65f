"""Connections to the directory: stalls, losses, failover, TLS and the ways to log in."""

import re
import socket
import ssl
import time

from lib import ScriptedServer, Slapd, deadline, need, wait_for
from lib import base as lab

AT_ONCE = {"leave_grace": "0"}
ALARM = {"alarm_after": "0"}
PEOPLE = "objectClass=inetOrgPerson"
AGENTS = {"Agents": {"when": "(objectClass=inetOrgPerson)", "team": "Sales"}}
IMPATIENT = {"connect_timeout": "500ms", "bind_timeout": "500ms", "search_timeout": "1s"}


def names(n, prefix="u"):
    return ["%s%02d" % (prefix, i) for i in range(n)]


def follow(t, server, ground=None, tls=None, **keys):
    tenant = t.simulator()
    options = {"feed": "poll", "poll_interval": "1s"}
    options.update(keys, **({"tls": tls} if tls else {}))
    tls = tls or (server.tls if isinstance(server, ScriptedServer) else "ldaps")
    daemon = t.rosterd(server, tenant, ground, rules=AGENTS, directory_keys=options, lifecycle=AT_ONCE, notify=ALARM,
                       tls=tls)
    return daemon, tenant


def disabled(tenant):
    return sorted(login for login, user in tenant.users().items() if user["disabled"])


def quick(action, seconds, what):
    """What an operator wants now must not wait for a server that does not answer."""
    begin = time.monotonic()
    result = action()
    took = time.monotonic() - begin
    need(took < seconds, "%s takes less than %g s" % (what, seconds), took)
    return result


# --- stalls ---

@deadline(90)
def test_stalls(t):
    """T30: the server stands still at any stage: bounded, said, and the daemon does everything else meanwhile."""
    server = t.server(ScriptedServer, tls="ldaps")
    people = [server.person(uid) for uid in names(20)]
    daemon, tenant = follow(t, server, **IMPATIENT, page_size="5")
    daemon.once()
    tenant.wait_users(names(20))
    words = {"accept": "no connection within", "tls": "no connection within", "bind": "within|[Tt]imed out",
             "search": "no answer to a search for", "page": "no answer to a search for"}
    for i, (stage, pattern) in enumerate(words.items()):
        which = {"filter": PEOPLE} if stage in ("search", "page") else {}
        stall = server.stall(stage, after=1 if stage in ("search", "page") else 0, **which)
        server.delete(people[19 - i])
        server.replace(people[0], sn="Name%d" % i)
        seen = len(daemon.log())
        daemon.start()
        need(stall.reached.wait(10), "the stall is reached", stage)
        answer = quick(lambda: daemon.ctl("status", "--json", code=None), 2, "status, stalled at " + stage)
        need(answer.out, "it answers", answer)
        quick(daemon.reload, 2, "a reload, stalled at " + stage)
        need(len(disabled(tenant)) == i, "nobody is disabled", stage, disabled(tenant))
        wait_for(lambda: re.search(pattern, daemon.log()[seen:]), 10, "the log to say so: " + pattern,
                 daemon.log_tail)
        stall.release()
        tenant.wait_user("u%02d" % (19 - i), disabled=True)
        tenant.wait_user("u00", lastName="Name%d" % i)
        daemon.stop()
        need(len(disabled(tenant)) == i + 1, "and nobody else", stage, disabled(tenant))


def test_end_while_stalled(t):
    """T55: SIGTERM while the server stands still ends at once, at every stage."""
    server = t.server(ScriptedServer, tls="ldaps")
    server.person("ada")
    daemon, _ = follow(t, server)  # with time-outs of 5 s and more
    for stage in ("accept", "tls", "bind", "search"):
        stall = server.stall(stage, **({"filter": PEOPLE} if stage == "search" else {}))
        daemon.start()
        need(stall.reached.wait(10), "the stall is reached", stage)
        quick(daemon.stop, 2, "the end, stalled at " + stage)
        stall.release()


def test_a_port_that_never_answers(t):
    """T30: a server that takes connections and says nothing does not keep us from the second one."""
    deaf = socket.socket()
    deaf.bind(("127.0.0.1", lab.free_port()))
    deaf.listen(5)
    t.cleanup(deaf.close)
    server = t.server(ScriptedServer)
    for uid in names(3):
        server.person(uid)
    uris = ["ldap://127.0.0.1:%d" % deaf.getsockname()[1], server.uri]
    daemon, tenant = follow(t, server, uri=uris, **IMPATIENT)
    daemon.start()
    tenant.wait_users(names(3), seconds=10)
    need("ldap://127.0.0.1:%d" % deaf.getsockname()[1] in daemon.log(), "the deaf one is named", daemon.log_tail())


def test_refresh_that_never_ends(t):
    """T30 T18: entries come, the end of the refresh does not: bounded, nobody is gone."""
    server = t.server(ScriptedServer)
    people = [server.person(uid) for uid in names(10)]
    daemon, tenant = follow(t, server, feed="syncrepl", **IMPATIENT)
    daemon.once()
    tenant.wait_users(names(10))
    server.delete(people[3])
    server.sync.force("present")
    server.sync.without_end = True
    daemon.start()
    daemon.wait_log("no answer to a search for", 15)
    need(disabled(tenant) == [], "nobody is disabled")
    server.sync.without_end = False
    tenant.wait_user("u03", disabled=True)


# --- losses ---

def test_server_killed_and_back(t):
    """T30: slapd is killed and comes back: one alarm, one end of it, no change of anybody."""
    for feed in ("syncrepl", "poll"):
        ground = t.shared(Slapd).fresh()
        ground.persons(names(5))
        daemon, tenant = follow(t, ground.server, ground, feed=feed)
        daemon.start()
        tenant.wait_users(names(5))
        daemon.wait_status("following")
        tenant.forget_requests()
        ground.server.kill()
        daemon.wait_status("away")
        wait_for(lambda: daemon.audit(event="alarm"), 10, "an alarm")
        quick(lambda: daemon.ctl("status", code=None), 2, "status without a directory")
        need(tenant.writes() == [], "no change", tenant.writes())
        ground.server.start()
        ground.person("zoe")
        tenant.wait_user("zoe")
        wait_for(lambda: daemon.audit(event="alarm-over"), 10, "its end")
        need(len(daemon.audit(event="alarm")) == 1, "one alarm", daemon.audit(event="alarm"))
        need(len(tenant.writes()) == 1, "one create", tenant.writes())
        daemon.stop()


def test_dead_peer(t):
    """T30: a server that is frozen, not gone, is noticed by the keep-alive search, and followed again after."""
    for feed in ("syncrepl", "poll"):
        ground = t.shared(Slapd).fresh()
        ground.persons(names(5))
        daemon, tenant = follow(t, ground.server, ground, feed=feed, keepalive="1s", **IMPATIENT)
        daemon.start()
        tenant.wait_users(names(5))
        daemon.wait_status("following")
        ground.server.pause()
        daemon.wait_status("away|connecting", 15)
        daemon.wait_log("no answer to a search for")
        quick(lambda: daemon.ctl("status", code=None), 2, "status with a frozen directory")
        quick(daemon.reload, 2, "a reload with a frozen directory")
        ground.server.resume()
        ground.person("zoe")
        tenant.wait_user("zoe")
        need(disabled(tenant) == [], "nobody is disabled")
        daemon.stop()


def test_idle_connection_lives(t):
    """T30: an idle connection is kept by the keep-alive, and not made anew all the time."""
    server = t.server(ScriptedServer)
    server.person("ada")
    daemon, tenant = follow(t, server, feed="syncrepl", keepalive="1s", **IMPATIENT)
    daemon.start()
    tenant.wait_users(["ada"])
    server.wait_request("search", matching=lambda r: r.dn == "" and r.attributes == ["1.1"], count=2)
    need(len(server.requests("bind")) == 1, "one connection", server.requests("bind"))


def twins(t):
    """Two servers of one content."""
    one, two = t.server(ScriptedServer), t.server(ScriptedServer)
    for dn in list(two.entries):
        del two.entries[dn]
    for entry in one.entries.values():
        two.add(entry.dn, dict(entry.attributes), id=entry.uuid)
    for uid in names(20):
        dn = one.person(uid)
        two.person(uid, id=one.entry(dn).uuid)
    return one, two


def test_failover_in_mid_read(t):
    """T4 T30: the first server goes away in the middle of a read, the second is read from the beginning; later we
    return to the first."""
    one, two = twins(t)
    daemon, tenant = follow(t, one, uri=[one.uri, two.uri], page_size="5", return_interval="1s")
    daemon.once()
    tenant.wait_users(names(20))
    for server in (one, two):
        server.replace("uid=u00,ou=people," + server.suffix, sn="Changed")
        server.delete("uid=u07,ou=people," + server.suffix)
    tenant.forget_requests()
    one.forget_requests()
    one.cut(pages=2, filter=PEOPLE)
    one.on_page = lambda page, request: page == 2 and one.stop_listening()
    daemon.start()
    tenant.wait_user("u00", lastName="Changed")
    tenant.wait_user("u07", disabled=True)
    need(len(one.requests("search", lambda r: r.page_size and r.result == 0)) == 2, "two pages of the first one")
    need(not two.requests("search", lambda r: r.page_size)[0].page_cookie, "the second from the beginning")
    need(disabled(tenant) == ["u07"], "nobody else", disabled(tenant))
    # And back.
    one.on_page = None
    one.start()
    daemon.wait_log("Returning from %s to the preferred %s" % (two.uri, one.uri), 20)
    dn = one.person("zoe")
    two.person("zoe", id=one.entry(dn).uuid)
    tenant.wait_user("zoe")
    wait_for(lambda: not two.connections(), 10, "the second is left alone", two.connections)
    need(disabled(tenant) == ["u07"], "nobody else", disabled(tenant))
    need(len(tenant.writes()) == 3, "an update, a disable, a create", tenant.writes())


def test_failover_of_synchronisation(t):
    """T18 T23: a second provider of the same content goes on from the cookie of the first."""
    one, two = twins(t)
    daemon, tenant = follow(t, one, uri=[one.uri, two.uri], feed="syncrepl", return_interval="1h")
    daemon.start()
    tenant.wait_users(names(20))
    daemon.wait_status("following")
    one.stop()
    two.person("zoe")
    tenant.wait_user("zoe")
    two.delete("uid=u03,ou=people," + two.suffix)
    tenant.wait_user("u03", disabled=True)
    need(disabled(tenant) == ["u03"], "nobody else", disabled(tenant))


def test_all_servers_away(t):
    """T30: no server at all: --once fails with a clear sentence, and soon."""
    port = lab.free_port()
    server = t.server(ScriptedServer)
    daemon, _ = follow(t, server, uri=["ldap://127.0.0.1:%d" % port, "ldap://localhost:%d" % port])
    answer = quick(lambda: daemon.once(code=None), 10, "--once without a server")
    need(answer.code == 1 and "127.0.0.1:%d" % port in answer.err, "said", answer)
    need("refused" in answer.err.lower() or "contact" in answer.err.lower(), "in words", answer)


# --- TLS ---

def certificate(t, server, name, subject, san, days="30"):
    """A certificate of the server's CA, for it to show."""
    folder = server.folder
    ext = t.write(name + ".ext", "subjectAltName=%s\nbasicConstraints=CA:FALSE\n" % san)
    key, csr, pem = (t.path("%s.%s" % (name, end)) for end in ("key", "csr", "pem"))
    lab.run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + subject, "-keyout", key, "-out", csr])
    lab.run(["openssl", "x509", "-req", "-days", days, "-in", csr, "-CA", folder + "/ca.pem", "-CAkey",
             folder + "/ca.key", "-CAcreateserial", "-extfile", ext, "-out", pem])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return context


def test_tls_failures_in_words(t):
    """T30: wrong CA, expired certificate, wrong name, no TLS where it is wanted: a clear sentence, and no password."""
    server = t.server(ScriptedServer, tls="ldaps")
    stranger = t.server(ScriptedServer, tls="ldaps")
    plain = t.server(ScriptedServer)
    server.person("ada")
    good = server.tls_context()
    expired = certificate(t, server, "expired", "localhost", "DNS:localhost,IP:127.0.0.1", "-1")
    wrong = certificate(t, server, "wrong", "other.example.com", "DNS:other.example.com")
    cases = [("the CA", good, {"tls_ca_file": stranger.ca_file}, ("CA", "issuer", "not trusted", "unknown")),
             ("an expired certificate", expired, {}, ("is not valid now", "expired")),
             ("another name", wrong, {}, ("other.example.com",)),
             ("no TLS there", good, {"uri": plain.uri.replace("ldap://", "ldaps://")}, ("TLS", "LDAPS", "ldaps")),
             ("no CA file", good, {"tls_ca_file": t.path("nothing.pem")}, ("nothing.pem",))]
    for what, context, keys, words in cases:
        server._tls_context = context
        daemon, tenant = follow(t, server, **keys)
        for each in (server, plain):
            each.forget_requests()
        answer = daemon.once(code=None)
        need(answer.code != 0, "it fails", what, answer)
        lines = [line for line in answer.err.splitlines() if ": err: " in line or ": error: " in line]
        need(lines and any(word in lines[-1] for word in words), "in words", what, lines, answer.err)
        need(server.requests("bind") == [] and plain.requests("bind") == [], "no password was sent", what)
        need(tenant.writes() == [], "no writes")
    server._tls_context = good
    daemon, tenant = follow(t, server)
    daemon.once()
    tenant.wait_users(["ada"])


def test_starttls(t):
    """T30: StartTLS: used, insisted on, and its absence told from a bad certificate."""
    ground = t.shared(Slapd).fresh()
    ground.persons(names(2))
    daemon, tenant = follow(t, ground.server, ground, tls="starttls")
    daemon.start()
    tenant.wait_users(names(2))
    daemon.stop()
    # A plain port that does not offer it: no bind in the clear.
    plain = t.server(ScriptedServer)
    plain.person("ada")
    daemon, tenant = follow(t, plain, tls="auto", tls_ca_file=ground.server.ca_file)
    answer = daemon.once(code=None)
    need(answer.code == 1 and "StartTLS" in answer.err, "said", answer)
    need(plain.requests("bind") == [], "no password was sent")
    # Offered, with another CA.
    offering = t.server(ScriptedServer, tls="starttls")
    daemon, tenant = follow(t, offering, tls="starttls", tls_ca_file=ground.server.ca_file)
    answer = daemon.once(code=None)
    need(answer.code == 1 and any(w in answer.err for w in ("issuer", "not trusted", "CA")), "said", answer)
    need(offering.requests("bind") == [], "no password was sent")
    daemon, tenant = follow(t, offering, tls="starttls")
    stall = offering.stall("starttls")
    daemon.configure(directory=IMPATIENT)
    daemon.start()
    need(stall.reached.wait(10), "a stall in the handshake")
    daemon.wait_log("within|imed out", 10)
    quick(lambda: daemon.ctl("status", code=None), 2, "status")
    stall.release()
    offering.person("zoe")
    tenant.wait_user("zoe")


# --- ways to log in ---

def test_client_certificate(t):
    """T30: SASL EXTERNAL with a client certificate."""
    ground = t.shared(Slapd).fresh()
    server = ground.server
    ground.persons(names(3))
    daemon, tenant = follow(t, server, ground, bind_dn=None, bind_password=None, bind="external",
                            tls_certificate_file=server.client_cert, tls_key_file=server.client_key, feed="syncrepl")
    daemon.start()
    tenant.wait_users(names(3))
    ground.person("zoe")
    tenant.wait_user("zoe")
    daemon.stop()
    # Without the certificate nobody is let in, and it is said.
    daemon, tenant = follow(t, server, ground, bind_dn=None, bind_password=None, bind="external")
    answer = daemon.once(code=None)
    need(answer.code != 0 and "EXTERNAL" in answer.err.upper(), "said", answer)
    need(tenant.users() == {}, "nothing was read")


def test_ldapi(t):
    """T30: SASL EXTERNAL over a local socket."""
    ground = t.shared(Slapd).fresh()
    server = ground.server
    ground.persons(names(3))
    daemon, tenant = follow(t, server, ground, bind_dn=None, bind_password=None, uri=server.ldapi_uri, tls=None,
                            tls_ca_file=None, feed="syncrepl")
    daemon.configure(directory={"tls": None})
    daemon.start()
    tenant.wait_users(names(3))
    server.kill()
    daemon.wait_status("away")
    server.start()
    ground.person("zoe")
    tenant.wait_user("zoe")


def test_password_in_no_log(t):
    """T7 T52: the password is in no log, no argument, no state and no audit, also when it is refused."""
    server = t.server(ScriptedServer)
    server.person("ada")
    secret = "S3cret-with-%-and-ü"
    server.passwords = {server.reader_dn: secret}
    daemon, tenant = follow(t, server, bind_password=secret)
    daemon.configure(log={"level": "debug"})
    daemon.start()
    tenant.wait_users(["ada"])
    with open("/proc/%d/cmdline" % daemon.pid, "rb") as text:
        need(secret.encode() not in text.read(), "not in the arguments")
    server.bind_result = 49
    server.cut_all()
    daemon.wait_status("refused")
    daemon.stop()
    for path in (daemon.log_file, daemon.audit_file, daemon.state_file):
        with open(path, "rb") as data:
            need(secret.encode() not in data.read(), "not in", path)


def test_password_file_is_read_again(t):
    """T7: a rotated password is read at the next connection, without a restart."""
    server = t.server(ScriptedServer)
    server.person("ada")
    daemon, tenant = follow(t, server)
    daemon.start()
    tenant.wait_users(["ada"])
    server.passwords = {server.reader_dn: "another"}
    lab.write_file(daemon.path("directory.bind_password"), "another\n", 0o600)
    server.cut_all()
    server.person("zoe")
    tenant.wait_user("zoe")
    need("Invalid credentials" not in daemon.log(), "no attempt with the old one", daemon.log_tail())


def test_anonymous(t):
    """T30: no bind at all, where the server allows it, and the refusal where it does not."""
    server = t.server(ScriptedServer)
    server.person("ada")
    daemon, tenant = follow(t, server, bind_dn=None, bind_password=None)
    daemon.once()
    tenant.wait_users(["ada"])
    server.anonymous = False
    daemon.once(code=None)
    need(disabled(tenant) == [], "nobody is disabled")
    need("cannot be seen by this account" in daemon.log(), "said", daemon.log_tail())
