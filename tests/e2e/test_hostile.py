"""Servers that are hostile or broken: what they say costs a doubt and a sentence, never memory, a crash or a password."""

import socket
import threading

from lib import ScriptedServer, deadline, need, wait_for
from lib.feed import Feed
from test_feed_srv import NameServer, srv, wrap

AGENTS = {"Agents": {"when": "(objectClass=inetOrgPerson)", "team": "Sales"}}


def follow(t, server, **directory):
    tenant = t.simulator()
    keys = {"feed": "poll", "poll_interval": "1s"}
    keys.update(directory)
    return t.rosterd(server, tenant, None, tls=server.tls, rules=AGENTS, directory_keys=keys,
                     lifecycle={"leave_grace": "0"}, notify={"alarm_after": "0"}, user={"work_phone": None}), tenant


def test_message_too_large(t):
    """T3: a message larger than max_message ends the connection with a sentence; nobody is disabled, and it goes on
    when the entry is smaller, or the limit larger."""
    server = t.server(ScriptedServer)
    ada, zoe = server.person("ada"), server.person("zoe")
    daemon, tenant = follow(t, server, max_message="1M")
    daemon.once()
    need(sorted(tenant.users()) == ["ada", "zoe"], "both", sorted(tenant.users()))
    server.replace(ada, description="x" * 3000000, sn="Larger")
    server.replace(zoe, sn="Other")
    daemon.configure(rules={"Agents": {"when": "(|(description=x*)(objectClass=inetOrgPerson))", "team": "Sales"}})
    daemon.once(code=None)
    need("larger than [directory] max_message" in daemon.log(), "it says why", daemon.log())
    need(not any(user["disabled"] for user in tenant.users().values()), "nobody is disabled")
    daemon.configure(directory={"max_message": "8M"})
    daemon.once()
    need(tenant.user("ada")["lastName"] == "Larger", "read with a larger limit", tenant.user("ada"))


class Liar:
    """Says that a message of 2 GB begins, whatever it is asked, and then sends for ever."""

    tls = "no"

    def __init__(self, t):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.uri = "ldap://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.asked = threading.Event()
        t.cleanup(self.socket.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
                peer.recv(4096)
                self.asked.set()
                peer.sendall(b"\x30\x84\x7f\xff\xff\xf0\x02\x01\x01\x61\x84\x7f\xff\xff\x00")
                while peer.send(b"\0" * 65536):
                    pass
            except OSError:
                if self.socket.fileno() < 0:
                    return


@deadline(90)
def test_length_that_is_a_lie(t):
    """A peer that announces 2 GB is left at once: no memory is taken, and the next server serves."""
    liar = Liar(t)
    server = t.server(ScriptedServer)
    server.person("ada")
    daemon, tenant = follow(t, server)
    daemon.configure(directory={"uri": "%s, %s" % (liar.uri, server.uri)})
    daemon.start()
    tenant.wait_user("ada")
    need(liar.asked.is_set(), "the first was asked")
    need(daemon.memory("VmHWM") < 200 << 20, "no memory was taken for it", daemon.memory("VmHWM"))


@deadline(120)
def test_read_without_end(t):
    """T3: many times the entries that were there before are a doubt: those that came first are users, nobody is
    disabled, the sentence says what to do, and the next read takes more."""
    server = t.server(ScriptedServer)
    for uid in ("ada", "zoe"):
        server.person(uid, employeeType="agent")
    daemon, tenant = follow(t, server)
    daemon.configure(rules={"Agents": {"when": "(employeeType=agent)", "team": "Sales"}})
    daemon.once()
    server.delete("uid=zoe,ou=people," + server.suffix)
    server.people(10500)
    daemon.once(code=None)
    need("many times what it held before" in daemon.log(), "a doubt", daemon.log())
    need(not tenant.user("zoe")["disabled"], "nobody leaves by it")
    held = daemon.state_query("SELECT count(*) FROM entry")[0][0]
    need(held <= 10010, "the rest was not taken", held)
    daemon.once()
    need(tenant.user("zoe")["disabled"], "the next read is whole", tenant.user("zoe"))


def test_hostile_schema(t):
    """Definitions that are malformed, cut or no UTF-8 cost themselves alone: the good one beside them counts."""
    server = t.server(ScriptedServer)
    server.schema = list(server.schema) + [
        "( 1.2.3 NAME 'x' SYNTAX 1.1{64", b"( 1.2.4 NAME '\xff\xfe' SYNTAX 1.1 )", "( 1.2.5 NAME 'x SYNTAX 1.1 )",
        b"( 1.2.6 NAME 'nul\0' SYNTAX 1.1 )", "(" * 5000, "( 1.2.7 NAME " + "( " * 2000 + ")", "",
        "( 1.2.8 NAME ( 'badge' 'siteBadge' ) EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"]
    anna = server.person("a0", dn="badge=Anna,ou=people," + server.suffix, badge="Anna")
    rules = {"Leads": {"group": server.group("leads", [anna.replace("badge=Anna", "badge=anna")]), "team": "Support"},
             "Crowd": {"group": server.group("crowd", [anna.replace("badge", "siteBadge")]), "team": "Sales"}}
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, None, tls=server.tls, rules=rules)
    daemon.once()
    need(tenant.user("a0")["team"] == "Sales", "the good definition counts", tenant.users())


@deadline(90)
def test_entry_whose_name_is_none(t):
    """An entry whose DN is none (cut by a NUL, unescaped, no UTF-8) is left out and named. The others are read; who was
    known under another name stays, who is really gone leaves."""
    for feed in ("poll", "syncrepl"):
        server = t.server(ScriptedServer)
        server.person("ada")
        gone = server.person("zoe")
        known = server.person("eve")
        daemon, tenant = follow(t, server, feed=feed)
        daemon.start()
        tenant.wait_users(["ada", "eve", "zoe"])
        for n, rdn in enumerate(("uid=ada\0", "uid=o\"x", "uid=\\FFx", "uid=x;y")):
            server.person("odd%d" % n, dn="%s,ou=people,%s" % (rdn, server.suffix))
        server.rename(known, "uid=e\"ve")
        server.person("bob")
        server.delete(gone)
        tenant.wait_user("bob")
        tenant.wait_user("zoe", disabled=True)
        need(sorted(tenant.users()) == ["ada", "bob", "eve", "zoe"], "nobody else", sorted(tenant.users()))
        need(not tenant.user("eve")["disabled"] and not tenant.user("ada")["disabled"], "who is there stays")
        need("is not a distinguished name: uid=o\"x" in daemon.log(), "named", daemon.log())
        daemon.stop()


def test_unreadable_and_revoked(t):
    """Whoever is known and comes under a name that is none, or with an attribute whose name is none, is held, visibly and
    with an alarm; nothing is decided by the rest of the entry but a revocation. Newcomers go on, and so does who is read again."""
    for feed in ("poll", "syncrepl"):
        server = t.server(ScriptedServer)
        dns = {uid: server.person(uid) for uid in ("ada", "eve", "joe", "kim", "zoe")}
        daemon, tenant = follow(t, server, feed=feed)
        daemon.configure(lifecycle={"revoke_when": "(employeeType=Revoked)"}, user={"disabled_when": "(employeeType=Off)"})
        daemon.start()
        tenant.wait_users(list(dns))
        server.raw_set(dns["eve"], employeeType="Revoked", sn="Other")
        server.rename(dns["eve"], "uid=e\"ve")
        server.raw_set(dns["joe"], sn="Other", employeeType="Off")
        joe = server.rename(dns["joe"], "uid=j\"oe")
        server.replace(dns["kim"], **{"sn": "Other", "sn;l\u00e4ng": "odd"})
        server.replace(dns["zoe"], **{"employeeType": "Revoked", "sn;l\u00e4ng": "odd"})
        server.person("bob", **{"sn;l\u00e4ng": "odd"})
        server.person("tom")
        for uid in ("eve", "zoe"):
            tenant.wait_user(uid, disabled=True)
        tenant.wait_user("tom")
        wait_for(lambda: daemon.state_query("SELECT count(*) FROM operation WHERE reason = 'entry-invalid'")[0][0] == 2, 20,
                 "two are held", lambda: daemon.ctl("holds", code=None).out)
        shown = " ".join(daemon.ctl("holds", code=None).out.split())
        need("is not a distinguished name: uid=j\"oe" in shown and "an attribute has a name that is none" in shown, "and why", shown)
        wait_for(lambda: daemon.audit(event="alarm", code="entry-invalid"), 20, "an alarm")
        need(daemon.ctl("explain", "joe", "--json", code=None).json["people"][0]["code"] == "entry-unreadable", "explained")
        need(all(tenant.user(uid)["lastName"] == "Tester" and not tenant.user(uid)["disabled"] for uid in ("joe", "kim")),
             "nothing else is decided", tenant.users())
        need("bob" not in tenant.users(), "nor is a newcomer made of it", sorted(tenant.users()))
        server.rename(joe, "uid=joe")
        server.replace(dns["kim"], **{"sn;l\u00e4ng": None})
        tenant.wait_user("joe", disabled=True)
        tenant.wait_user("kim", lastName="Other")
        wait_for(lambda: not daemon.state_query("SELECT count(*) FROM operation")[0][0], 20, "nobody waits")
        daemon.stop()


def test_endless_odds(t):
    """Many times the entries of before are bounded also where they have no id, or a name that is none."""
    server = t.server(ScriptedServer)
    server.person("ada")
    daemon, tenant = follow(t, server)
    daemon.once()
    for n in range(5250):
        server.raw_set(server.person("n%d" % n), entryUUID=None)
        server.person("n%d" % n, dn="uid=o\"%d,ou=people,%s" % (n, server.suffix))
    daemon.once(code=None)
    need("many times what it held before" in daemon.log(), "a doubt", daemon.log()[-2000:])
    need(not tenant.user("ada")["disabled"], "nobody leaves by it")


def test_members_cut_by_a_nul(t):
    """A member's name that goes on behind a NUL is nobody's, whichever way members are read; whole ranges stay whole."""
    server = t.server(ScriptedServer, flavor="ad")
    names = ["u%d" % n for n in range(9)]
    dns = [server.person(name) for name in names]
    server.value_range = 4
    group = server.group("crew", [dn.encode() + (b"\0" + b"x" * 5000 if n in (2, 6) else b"") for n, dn in enumerate(dns)])
    daemon, tenant = follow(t, server)
    daemon.configure(rules={"Agents": {"group": group, "team": "Sales"}})
    daemon.once(code=None)
    need(sorted(tenant.users()) == [name for name in names if name not in ("u2", "u6")], "the others", sorted(tenant.users()))


def test_referral_to_a_thief(t):
    """T6: whoever writes a referral into the directory gets no password: only hosts on the list are asked."""
    server = t.server(ScriptedServer)
    server.person("ada")
    thief = t.server(ScriptedServer, tls="ldaps")
    thief.add("ou=abroad," + thief.suffix, {"objectClass": ["top", "organizationalUnit"], "ou": "abroad"})
    thief.person("mallory", dn="uid=mallory,ou=abroad," + thief.suffix)
    url = "%s/ou=abroad,%s??sub" % (thief.uri, thief.suffix)
    server.refer_search(url, filter="inetOrgPerson|person", times=None)
    daemon, tenant = follow(t, server, referrals="follow", tls_ca_file=thief.ca_file)
    need("referral_hosts" in daemon.check().err + daemon.check().out, "--check warns", daemon.check().err)
    daemon.once(code=None)
    need(not thief.requests(), "nothing was sent to it", thief.requests())
    need(sorted(tenant.users()) == ["ada"], "nor believed", sorted(tenant.users()))
    need("referral_hosts" in daemon.log(), "it says where to list it", daemon.log())
    for hosts in ("other.example.com, 127.0.0.2", "127.0.0.1:1"):
        daemon.configure(directory={"referral_hosts": hosts})
        daemon.once(code=None)
        need(not thief.requests(), "another host is listed", hosts)
    daemon.configure(directory={"referral_hosts": "other.example.com, 127.0.0.1:%d" % thief.port})
    daemon.once()
    need(sorted(tenant.users()) == ["ada", "mallory"], "listed, it is asked", sorted(tenant.users()))


def test_dns_names_a_foreign_host(t):
    """DNS that names a host outside of the domain, or one with more than a host in its name, is not believed; a list
    narrows it to some hosts below the domain, or allows one elsewhere."""
    server = t.server(ScriptedServer)
    server.people(3)
    one = [bytes([127, 0, 0, 1])]
    records = {("dc2.lab.test", 1): one, ("evil.test", 1): one, ("notlab.test", 1): one}
    for target in ("evil.test", "notlab.test", "lab.test.evil.test"):
        records[("_ldap._tcp.lab.test", 33)] = [srv(10, server.port, target)]
        feed = Feed(t, server, tls="no", uri="srv:lab.test", once=True, wrap=wrap(t, NameServer(t, dict(records))))
        done = feed.finish()
        need(done["result"] < 0 and "srv_hosts" in done["error"] and target in done["error"], "refused, with a way out", done)
    need(not server.requests("bind"), "no password was sent", server.requests("bind"))
    records[("_ldap._tcp.lab.test", 33)] = [srv(10, server.port, "evil.test"), srv(20, server.port, "dc2.lab.test")]
    feed = Feed(t, server, tls="no", uri="srv:lab.test", wrap=wrap(t, NameServer(t, dict(records))))
    need(feed.wait_following()["uri"] == "ldap://dc2.lab.test:%d" % server.port, "the one below it")
    feed.stop()


def test_values_without_end(t):
    """An entry with more options of one attribute, or more skills, than anybody has: held, and said so; the others are users, and so is who
    has more logins and mails than that."""
    server = t.server(ScriptedServer)
    server.people(3)
    crowded, able = server.person("crowded"), server.person("able")
    server.raw_set(crowded, **{"mail;x-%06d" % i: "u@example.com" for i in range(1200)})
    server.raw_set(able, employeeType=["S%06d:5" % i for i in range(2100)])
    server.raw_set(server.person("named"), uid=["named"] + ["x%06d" % i for i in range(2100)])
    server.raw_set(server.person("mailed"), mail=["u%06d@example.com" % i for i in range(2100)])
    daemon, tenant = follow(t, server)
    daemon.configure(rules={"Agents": {"when": "(objectClass=inetOrgPerson)", "team": "Sales", "skills_from": "employeeType"}})
    daemon.start()
    tenant.wait_users(["mailed", "named", "u00001", "u00002", "u00003"])
    for dn, why in ((crowded, "too many attributes"), (able, "more than 2000 skills")):
        said = daemon.ctl("explain", dn, code=None).out
        need(why in " ".join(said.split()), "it says why", said)
    need(sorted(tenant.users()) == ["mailed", "named", "u00001", "u00002", "u00003"], "and nobody else", sorted(tenant.users()))


def test_bind_that_repeats_the_password(t):
    """A server whose refusal of the bind repeats the password, plain or encoded, does not get it into the log or the status."""
    import base64
    for write in (str, lambda word: base64.b64encode(word.encode()).decode(), lambda word: word[::-1]):
        server = t.server(ScriptedServer)
        server.person("ada")
        server.passwords = {server.reader_dn: "Zq7wK-e9Tt4xVbU"}
        server.reader_password = "Zq7wK-e9Tt4xVbU"
        server.fail_bind(49, times=None, repeats=lambda word, write=write: "no: simple bind with %s" % write(word))
        daemon, tenant = follow(t, server)
        daemon.start()
        daemon.wait_status("directory refused")
        said = daemon.log() + daemon.ctl("status", "--json", code=None).out + daemon.check().err
        need("repeats the password" in said and write("Zq7wK-e9Tt4xVbU")[:10] not in said, "it is left out", said)
        daemon.stop()
