"""rosterd and Samba as Active Directory, by DirSync (woken by change notification) and by polling
(uSNChanged)."""

import json
import sqlite3
import time
import uuid

from lib import SambaAD, ScriptedServer, company, deadline, estate, filters, need
from lib.estate import TEAM, Company

FEEDS = ("dirsync", "poll")
NEVER = "9223372036854775807"


class Domain(SambaAD):
    """Read with an account that may see what was deleted."""

    @property
    def reader_dn(self):
        return self.env["BIND_DN"]

    @property
    def reader_password(self):
        return self.env["BIND_PW"]


def domain(t):
    return t.shared(Domain)


def file_time(unix):
    """Seconds since 1970 as Active Directory counts: 100 ns since 1601."""
    return str((int(unix) + 11644473600) * 10000000)


def test_day(t):
    """First load, a hire, changes, a rename, a leaver, a deletion, a return; DirSync and polling."""
    for feed in FEEDS:
        estate.day(t, domain(t), feed)


def test_ordinary_reader(t):
    """The same with an account that sees no deleted objects (T26)."""
    server = t.shared(Domain)
    c = Company(t, server, feed="dirsync", directory_keys={"bind_dn": SambaAD.reader_dn.fget(server),
                                                          "bind_password": SambaAD.reader_password.fget(server)})
    c.start()
    c.hire("zoe")
    c.wait("zoe", team=TEAM)
    c.remove("eve")
    c.wait("eve", disabled=True)
    c.settled()
    need(c.disabled() == c.logins(["eve"]), "nobody else", c.disabled())


@deadline(300)
def test_revoked(t):
    """T64: revocations behind queued creates; polling asks each second."""
    for feed, seconds in (("dirsync", 2), ("poll", 4)):
        estate.revoked(t, domain(t), feed, seconds)


def test_nested(t):
    """T13: groups in groups."""
    for feed in FEEDS:
        estate.nested(t, domain(t), feed)


def test_while_down(t):
    """T21 T22 T26: what happened while rosterd was down, tombstones included, by cookie or by a whole read."""
    estate.while_down(t, domain(t), "dirsync", lambda log: "full read" not in log)
    estate.while_down(t, domain(t), "poll")


def test_killed_and_back(t):
    """The server dies and comes back."""
    for feed in FEEDS:
        estate.killed_and_back(t, domain(t), feed)


def test_ou_renamed(t):
    """T25 T31: an OU is renamed with everybody in it, of whom DirSync says nothing."""
    for feed in FEEDS:
        estate.ou_renamed(t, domain(t), feed)


def test_out_and_back(t):
    """T27: out of scope, out of the base, and back."""
    for feed in FEEDS:
        estate.out_and_back(t, domain(t), feed)


def test_left_the_filter(t):
    """T27: out of [directory] filter while nobody listened."""
    for feed in FEEDS:
        estate.left_the_filter(t, domain(t), feed, "(&(objectClass=user)(employeeType=agent))")


def test_tls_failures(t):
    """An unknown authority, another name."""
    estate.tls_failures(t, domain(t), "dirsync")


def test_bind_failures(t):
    """T7: the password is wrong, and then right again."""
    estate.bind_failures(t, domain(t), "dirsync")


def test_woken_by_notification(t):
    """T30: with an interval of an hour, changes arrive at once: notification wakes DirSync."""
    c = Company(t, domain(t), feed="dirsync", directory_keys={"poll_interval": "1h"}).start()
    c.hire("zoe")
    c.wait("zoe", seconds=5, team=TEAM)
    c.leave("ada")
    c.wait("ada", seconds=5, disabled=True)
    c.remove("bob")
    c.wait("bob", seconds=5, disabled=True)
    c.settled()


def test_feed_is_chosen(t):
    """feed = auto takes DirSync, and the base may be any subtree."""
    c = Company(t, domain(t), feed="dirsync", directory_keys={"feed": "auto"}).start()
    need("by dirsync" in c.daemon.log(), "DirSync", c.daemon.log_tail())
    need(len(c.mirror("%")) < 12, "nothing but the base is read", c.mirror("%"))


def test_falls_back(t):
    """T25: DirSync is refused to the account: polling by uSNChanged by itself, and the reason is said."""
    server = t.server(ScriptedServer, flavor="ad")
    server.person("ada")
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, tls=server.tls, directory_keys={"feed": "auto", "poll_interval": "1s"})
    daemon.start()
    tenant.wait_user("ada")
    daemon.wait_log("by poll: .*DirSync")
    server.person("zoe")
    tenant.wait_user("zoe")


def test_accounts(t):
    """Disabled accounts by a bit of userAccountControl; expired ones by accountExpires."""
    c = Company(t, domain(t), {"ada": {}, "bob": {"accountExpires": NEVER}, "eve": {"accountExpires": "0"},
                               "old": {"accountExpires": file_time(time.time() - 86400)}}, feed="dirsync",
                user={"expires_at": "accountExpires"})
    c.daemon.start()
    for uid in ("ada", "bob", "eve"):
        c.wait(uid, disabled=False)
    c.following()
    c.settled()
    need(c.login("old") not in c.tenant.users() or c.tenant.user(c.login("old"))["disabled"], "who is expired has no "
         "working account", c.tenant.users().get(c.login("old")))
    c.replace("ada", userAccountControl="546")
    c.wait("ada", disabled=True)
    c.replace("ada", userAccountControl="544")
    c.wait("ada", disabled=False)
    # Expires while nothing happens in the directory, and is prolonged.
    c.replace("bob", accountExpires=file_time(time.time() + 3))
    c.wait("bob", disabled=True)
    c.replace("bob", accountExpires=NEVER)
    c.wait("bob", disabled=False)
    c.settled()


def test_primary_group(t):
    """T15: members by primaryGroupID, whom `member` does not name; it changes."""
    server = domain(t)
    users = "CN=Domain Users,CN=Users," + server.base
    c = Company(t, server, feed="dirsync", directory_keys={"group_base": "CN=Users," + server.base})
    c.daemon.configure(rules={"Users": {"group": users, "team": TEAM}})
    c.start()
    other = server.search("(sAMAccountName=Domain Guests)", ["dn"])[0].dn
    token = server.search("(sAMAccountName=Domain Guests)", ["objectSid"])[0]["objectsid"][0]
    rid = int.from_bytes(token[-4:], "little")
    c.ground.join(other, c.dn("ada"))
    c.replace("ada", primaryGroupID=str(rid))
    # Active Directory makes her an ordinary member of the former primary group.
    c.ground.leave(users, c.dn("ada"))
    c.wait("ada", disabled=True)
    c.settled()
    need(c.disabled() == c.logins(["ada"]), "nobody else", c.disabled())
    c.ground.join(users, c.dn("ada"))
    c.replace("ada", primaryGroupID="513")
    c.wait("ada", disabled=False)


def test_random_filters(t):
    """Random filters find here whom they find there; the list of exceptions is WANTED_AD."""
    for seed in (21, 22):
        played = filters.Round(domain(t), domain(t).fresh("f%d" % seed), seed, own_schema=False)
        compared, differences = played.compare_found(300, filters.WANTED_AD)
        need(compared > 4000, "verdicts were compared", compared)
        need(not differences, "no difference that is not in the list", *differences[:10])


def test_filters_that_everybody_writes(t):
    """The short name of an objectCategory, a GUID and a SID as text: as the server takes them."""
    server = domain(t)
    c = Company(t, server, feed="poll")
    ada = server.search("(sAMAccountName=%s)" % c.logins(["ada"])[0], ["objectGUID", "objectSid"])[0]
    guid = str(uuid.UUID(bytes_le=ada["objectguid"][0]))
    sid = ada["objectsid"][0]
    words = [str(int.from_bytes(sid[8 + 4 * i:12 + 4 * i], "little")) for i in range(sid[1])]
    c.daemon.configure(rules={"x": {"team": TEAM, "when": "(&(objectCategory=person)(objectClass=user)"
                                    "(|(objectGUID=%s)(sAMAccountName=none)))" % guid}})
    c.daemon.start()
    c.tenant.wait_users(c.logins(["ada"]))
    c.daemon.configure(rules={"x": {"team": TEAM, "when": "(&(objectCategory=user)(|(objectSid=S-1-5-%s)(sAMAccountName=%s)))"
                                    % ("-".join(words), c.logins(["bob"])[0])}})
    c.daemon.reload()
    c.tenant.wait_users(c.logins(["ada", "bob"]))
    need(c.disabled() == [], "and nobody has left", c.disabled())


def test_values_chosen_and_members_by_login(t):
    """T71: the address of proxyAddresses that begins with SMTP:, and none where none does; memberUid."""
    server = domain(t)
    c = Company(t, server, feed="poll")
    c.daemon.configure(user={"email": "${proxyAddresses#SMTP:}"})
    c.replace("ada", proxyAddresses=["SIP:ada@sip.example.com", "smtp:a.alias@example.com", "SMTP:ada.main@example.com"])
    c.replace("bob", proxyAddresses=["SIP:bob@sip.example.com"])
    c.daemon.start()
    c.tenant.wait_user(c.logins(["ada"])[0], email="ada.main@example.com")
    c.tenant.wait_user(c.logins(["bob"])[0])
    need(not c.tenant.user(c.logins(["bob"])[0]).get("email"), "no other address is taken", c.tenant.users())
    unix = c.ground.group("unix" + c.ground.tag, [], objectClass=["group", "posixGroup"], gidNumber="700",
                          memberUid=c.logins(["ada"]))
    c.daemon.configure(rules={"Unix": {"group": unix, "team": TEAM}})
    c.daemon.reload()
    c.tenant.wait_user(c.logins(["bob"])[0], disabled=True)
    need(not c.tenant.user(c.logins(["ada"])[0])["disabled"], "ada is named by her login", c.tenant.users())


def test_logins(t):
    """Logins from userPrincipalName, whole or up to the @."""
    server = domain(t)
    for template, expected in (("${userPrincipalName}", "%s@ad.lab.test"), ("${userPrincipalName%%@*}", "%s")):
        c = Company(t, server, feed="dirsync", user={"login_id": template})
        for uid in c.people:
            c.replace(uid, userPrincipalName="p.%s@ad.lab.test" % c.login(uid))
        c.daemon.start()
        c.tenant.wait_users(sorted(expected % ("p." + c.login(uid)) for uid in c.people))
        c.daemon.stop()


def test_gssapi(t):
    """A Kerberos bind with the keytab: sealed without TLS, and inside TLS."""
    server = domain(t)
    c = Company(t, server, feed="dirsync")
    kerberos = {"KRB5_CONFIG": server.env["KRB5_CONFIG"]}
    keys = {"bind_dn": None, "bind_password": None, "bind": "gssapi", "keytab": server.env["KEYTAB"],
            "principal": server.env["READER_PRINCIPAL"]}
    for number, (uri, tls) in enumerate(((server.uri, "no"), (server.uri, "starttls"), (server.ldaps_uri, "ldaps"))):
        c.daemon.configure(directory=dict(keys, uri=uri, tls=tls))
        c.daemon.start(env=kerberos)
        if number == 0:
            c.tenant.wait_users(c.logins(c.people))
        c.hire("new%d" % number)
        c.wait("new%d" % number, team=TEAM)
        c.settled()
        c.daemon.stop()
    c.daemon.configure(directory={"keytab": c.t.write("empty.keytab", "", 0o600)})
    done = c.daemon.once(code=None, env=kerberos)
    need(done.code != 0 and "keytab" in done.err, "an empty keytab, and it says so", done)
    c.nobody_left()


def test_restored_controller(t):
    """T24: the controller was restored from a copy of its folder: what it tells since is not taken for the
    difference; everything is read."""
    server = domain(t)
    c = Company(t, server, feed="dirsync").start()
    with t.off_the_clock():
        server.backup("one")
    c.following()
    c.hire("zoe")
    c.wait("zoe", team=TEAM)
    # Samba counts on by itself while it starts again: enough must have happened that it is behind all the same.
    for i in range(60):
        c.replace("ada", description=f"note {i}")
    c.replace("ada", sn="Lovelace")
    c.wait("ada", lastName="Lovelace")
    c.settled()
    c.daemon.stop()
    with t.off_the_clock():
        server.restore("one")
    c.daemon.start()
    c.daemon.wait_log("gone back in time")
    c.wait("ada", lastName="Tester")
    c.wait("zoe", disabled=True)
    c.settled()
    need(c.disabled() == c.logins(["zoe"]), "nobody else", c.disabled())
    c.hire("ivy")
    c.wait("ivy", team=TEAM)


def test_restored_while_followed(t):
    """T24: the same while rosterd follows: it reconnects, and notices."""
    server = domain(t)
    c = Company(t, server, feed="dirsync").start()
    with t.off_the_clock():
        server.backup("two")
    c.following()
    for uid in ("zoe", "ivy"):
        c.hire(uid)
        c.wait(uid, team=TEAM)
    c.settled()
    with t.off_the_clock():
        server.restore("two")
    c.daemon.wait_log("gone back in time")
    c.wait("zoe", disabled=True)
    c.wait("ivy", disabled=True)
    c.settled()
    need(c.disabled() == c.logins(["ivy", "zoe"]), "nobody else", c.disabled())


def test_another_controller(t):
    """T23: the cookie is another controller's (invocationId): everything is read, nothing is lost."""
    c = Company(t, domain(t), feed="dirsync").start()
    c.daemon.stop()
    with sqlite3.connect(c.daemon.state_file) as database:
        for search, text in database.execute("SELECT search, identity FROM cookie").fetchall():
            identity = json.loads(text)
            need(identity["invocation"], "the controller is known", identity)
            identity["invocation"] = "00000000-0000-0000-0000-000000000001"
            database.execute("UPDATE cookie SET identity = ? WHERE search = ?", (json.dumps(identity), search))
    c.remove("bob")
    c.hire("zoe")
    c.daemon.start()
    c.wait("bob", disabled=True)
    c.wait("zoe", team=TEAM)
    c.settled()
    need("invocation differs" in c.last_log(), "it says so", c.last_log())
    need(c.disabled() == c.logins(["bob"]), "nobody else", c.disabled())


@deadline(300)
def test_random_companies(t):
    """T57: random companies and days, followed, down and killed; the tenant as a plain reading of the directory says."""
    for seed, layout in ((800, "below"), (801, "beside"), (802, "two")):
        company.play(t, domain(t), seed, layout, feed="dirsync", days=2)
    company.play(t, domain(t), 803, "overlap", feed="poll", days=2)
