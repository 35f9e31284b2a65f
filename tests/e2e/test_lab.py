"""Tests of the lab itself: the servers that all other tests stand on, and their peculiarities."""

import json
import os
import subprocess
import threading
import time

from lib import Ds389, Failure, SambaAD, ScriptedServer, Slapd, base, deadline, need, wait_for
from lib.ldapdata import parse_dn
from lib.ldif import entry_ldif, parse_ldif

# ldapsearch's exit status when the server went away, in different places
LOST = (254, 255)


def ask(server, filter="(objectClass=*)", attributes=(), dn=None, scope="sub", options=(), bind=True,
        code=0, tls=None):
    """ldapsearch against a scripted server: (entries, everything that it printed)."""
    command = ["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-o", "nettimeout=5", "-H", server.uri,
               "-b", server.suffix if dn is None else dn, "-s", scope, *options]
    if bind:
        command += ["-D", server.reader_dn, "-w", server.reader_password]
    environment = dict(os.environ)
    if server.ca_file:
        environment.update(LDAPTLS_CACERT=server.ca_file, LDAPTLS_REQCERT="demand")
    done = base.run(command + [filter, *attributes], seconds=30, check=False, env=environment,
                    stdin=subprocess.DEVNULL)
    wanted = code if isinstance(code, tuple) else (code,)
    need(done.returncode in wanted, "ldapsearch ended with %d, not %s" % (done.returncode, wanted),
         done.stdout[-500:], done.stderr[-500:])
    return parse_ldif(done.stdout), done.stdout + done.stderr


def start_ask(server, *arguments, options=()):
    """ldapsearch in the background."""
    return subprocess.Popen(["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", server.uri, "-b", server.suffix,
                             "-D", server.reader_dn, "-w", server.reader_password, *options, *arguments],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# --- the real servers ---

def real_server(t, kind):
    """Loads people, changes, renames and deletes them, and finds it all after a restart."""
    server = t.server(kind)
    ground = server.fresh()
    ada, bob, eve = ground.persons(["ada", "bob", "eve"])
    crowd = ground.group("crowd", ["ada", "bob"])
    need(len(server.search(server.person_filter, base=ground.dn)) == 3, "three people")
    ground.replace("ada", sn="Lovelace", telephoneNumber="+44 1")
    ground.replace("bob", mail=None)
    ground.join(crowd, "eve")
    ground.leave(crowd, "bob")
    server.delete(bob)
    renamed = server.person_rdn + "=eva"
    server.rename(eve, renamed)
    before = server.pid
    server.kill()
    need(not server.running(), "it is dead")
    server.start()
    need(server.pid != before, "another process")
    people = {entry.dn.lower(): entry for entry in server.search(server.person_filter, base=ground.dn)}
    need(sorted(people) == sorted([ada.lower(), ("%s,%s" % (renamed, ground.people)).lower()]),
         "ada and eva are left", sorted(people))
    ada_entry = people[ada.lower()]
    need(ada_entry.text("sn") == "Lovelace" and ada_entry.texts("telephoneNumber") == ["+44 1"], "ada's changes",
         ada_entry)
    members = [parse_dn(member) for member in server.read(crowd, "member").texts("member")]
    need(parse_dn(ada) in members and parse_dn(bob) not in members, "ada is in the group and bob is not", members)
    server.restart()
    found = base.run(["ldapsearch", "-x", "-LLL", "-H", server.ldaps_uri, "-D", server.reader_dn, "-w",
                      server.reader_password, "-b", ground.people, "-s", "one", "dn"],
                     env=dict(os.environ, LDAPTLS_CACERT=server.ca_file, LDAPTLS_REQCERT="demand"))
    need(len(parse_ldif(found.stdout)) == 2, "the reader sees them over TLS", found.stdout)
    return server


def test_slapd_keeps_its_data(t):
    """OpenLDAP starts, loads people and restarts with them."""
    real_server(t, Slapd)


@deadline(120)
def test_389ds_keeps_its_data(t):
    """389 Directory Server starts, loads people and restarts with them."""
    real_server(t, Ds389)


@deadline(120)
def test_samba_keeps_its_data(t):
    """Samba AD starts, loads people and restarts with them; a second one can run beside it."""
    server = real_server(t, SambaAD)
    need(base.free_address() != server.env["HOST"], "another address for another server")


def test_slapd_options(t):
    """Size limit for the reader, no memberOf, and a bind by client certificate."""
    server = t.server(Slapd, entries=30, sizelimit=20, memberof=0)
    asked = ["ldapsearch", "-x", "-LLL", "-H", server.uri, "-D", server.reader_dn, "-w", server.reader_password,
             "-b", server.base]
    for paging in ([], ["-E", "pr=5/noprompt"]):
        done = base.run(asked + paging + ["dn"], check=False)
        need(done.returncode == 4 and done.stdout.count("dn:") == 20, "the limit holds", done.stdout)
    ground = server.fresh()
    ada = ground.person("ada")
    ground.group("crowd", ["ada"])
    need("memberof" not in server.read(ada, "memberOf"), "no overlay keeps memberOf")
    who = base.run(["ldapwhoami", "-Y", "EXTERNAL", "-Q", "-H", server.ldaps_uri],
                   env=dict(os.environ, LDAPTLS_CACERT=server.ca_file, LDAPTLS_CERT=server.client_cert,
                            LDAPTLS_KEY=server.client_key))
    need(who.stdout.strip() == "dn:" + server.reader_dn, "the certificate is the reader's", who.stdout)
    with_overlay = t.server(Slapd).fresh()
    eve = with_overlay.person("eve")
    crowd = with_overlay.group("crowd", ["eve"])
    found = with_overlay.server.read(eve, "memberOf").texts("memberOf")
    need(found == [crowd], "memberOf by default", found)


def test_slapd_backup(t):
    """A server restored from a backup has forgotten what came after it."""
    server = t.shared(Slapd)
    ground = server.fresh()
    ground.person("before")
    server.backup("one")
    ground.person("after")
    server.restore("one")
    found = [entry.text("uid") for entry in server.search("(uid=*)", base=ground.dn)]
    need(found == ["before"], "only the first is there", found)


def test_shared_server_comes_back(t):
    """A test that stops a shared server does not spoil it for the next one."""
    server = t.shared(Slapd)
    server.pause()
    server.stop()
    need(t.shared(Slapd) is server and server.running(), "started again")
    ground = server.fresh()
    need(len(server.search(base=ground.dn)) == 3, "and answers")


# --- the scripted server ---

def test_scripted_filters(t):
    """Filters of every kind are decoded and judged."""
    server = t.server(ScriptedServer)
    server.people(12)
    server.person("odd*one", sn="Núñez", cn="Smith\\, J (x)", employeeNumber="77")
    for filter, count in (("(uid=u0000*)", 9), ("(uid=*12)", 1), ("(uid=u*0*1)", 2), ("(uid=odd\\2aone)", 1),
                          ("(sn=NÚÑEZ)", 1), ("(sn=nunez)", 0), ("(&(uid=*)(!(sn=tester)))", 1),
                          ("(|(uid=u00001)(uid=U00002)(x=y))", 2), ("(employeeNumber>=8)", 1),
                          ("(employeeNumber<=8)", 0), ("(cn=smith\\5c, j \\28x\\29)", 1), ("(objectClass=person)", 13),
                          ("(employeeNumber:1.2.840.113556.1.4.803:=5)", 1), ("(!(employeeNumber=*))", 15)):
        entries, _ = ask(server, filter, ["uid"])
        need(len(entries) == count, "%s finds %d" % (filter, count), [e.dn for e in entries])
    entries, _ = ask(server, "(uid=u00001)", ["entryUUID"])
    need(list(entries[0]) == ["entryuuid"], "only what was asked", entries[0])
    entries, _ = ask(server, "(uid=u00001)")
    need("entryuuid" not in entries[0] and "mail" in entries[0], "operational attributes only when named")
    need(len(ask(server, "(objectClass=*)", dn="ou=people," + server.suffix, scope="one")[0]) == 13, "one level")
    ask(server, dn="ou=nowhere," + server.suffix, code=32)
    ask(server, options=["-D", server.reader_dn, "-w", "wrong"], bind=False, code=49)
    asked = server.requests("search")[0]
    need(asked.filter == "(uid=u0000*)" and asked.attributes == ["uid"] and asked.scope == "sub", "the log", asked)


def test_scripted_paging(t):
    """Paging is obeyed, ignored, rejected; without it a size limit stops, silently or not."""
    server = t.server(ScriptedServer)
    server.people(2500)
    pages = ["-E", "pr=1000/noprompt"]
    need(len(ask(server, "(uid=*)", ["dn"], options=pages)[0]) == 2500, "all, in pages")
    need([r.n_sent for r in server.requests("search")] == [1000, 1000, 500], "three pages")
    server.size_limit = 1000
    need(len(ask(server, "(uid=*)", ["dn"], options=pages)[0]) == 2500, "no limit to paged searches")
    need(len(ask(server, "(uid=*)", ["dn"], code=4)[0]) == 1000, "sizeLimitExceeded")
    server.size_limit_silent = True
    need(len(ask(server, "(uid=*)", ["dn"])[0]) == 1000, "silently")
    server.paging = "ignore"
    entries, text = ask(server, "(uid=*)", ["dn"], options=pages)
    need(len(entries) == 1000 and "pagedresults" not in text, "paging ignored")
    server.paging = "reject"
    ask(server, "(uid=*)", options=["-E", "!pr=1000/noprompt"], code=12)
    server.paging, server.page_size_cap = "yes", 100
    server.forget_requests()
    ask(server, "(uid=*)", ["dn"], options=pages)
    need(len(server.requests("search")) == 25, "pages are made smaller")


def test_scripted_ranges(t):
    """1,501 members come in ranges; the size changes and the membership is edited on the way."""
    server = t.server(ScriptedServer, flavor="ad")
    members = server.people(1501)
    group = server.group("big", members)
    server.group("small", members[:1500])
    entries, _ = ask(server, "(cn=big)", ["member"])
    need(len(entries[0]["member;range=0-1499"]) == 1500 and "member" not in entries[0], "the first range",
         list(entries[0]))
    need(len(ask(server, "(cn=small)", ["member"])[0][0]["member"]) == 1500, "1,500 fit")
    entries, _ = ask(server, "(cn=big)", ["member;range=1500-*"])
    need(len(entries[0]["member;range=1500-*"]) == 1, "the last range", list(entries[0]))
    server.value_range = lambda entry, start: 1000 if start == 0 else 7
    entries, _ = ask(server, "(cn=big)", ["member"])
    need("member;range=0-999" in entries[0], "another size", list(entries[0]))
    entries, _ = ask(server, "(cn=big)", ["member;range=1000-*"])
    need(len(entries[0]["member;range=1000-1006"]) == 7, "and another", list(entries[0]))
    server.on_range = lambda entry, name, start: server.raw_set(group, member=members[:3])
    entries, _ = ask(server, "(cn=big)", ["member;range=2-*"])
    need(len(entries[0]["member;range=2-*"]) == 1, "edited in the middle", list(entries[0]))


def test_scripted_faults(t):
    """Result codes after N entries, zero entries with success, referrals."""
    server = t.server(ScriptedServer)
    server.people(100)
    for code in (1, 3, 4, 11, 51, 52, 50, 53):
        server.fail_search(code, after=40)
        need(len(ask(server, "(uid=*)", ["dn"], code=code)[0]) == 40, "40 entries and %d" % code)
    need(len(ask(server, "(uid=*)")[0]) == 100, "each only once")
    server.fail_search(0, filter="uid", times=2)
    need(ask(server, "(uid=*)")[0] == [], "success with nothing")
    need(len(ask(server, "(cn=*)")[0]) == 100, "another filter is not struck")
    server.clear()
    server.fail_search(52, after=25)
    need(len(ask(server, "(uid=*)", ["dn"], options=["-E", "pr=10/noprompt"], code=52)[0]) == 25, "over pages")
    server.fail_search(10, referrals=["ldap://other.example.com/dc=example,dc=com"])
    _, text = ask(server, "(uid=*)", code=10)
    need("other.example.com" in text, "a referral as the result", text)
    server.refer_search(["ldap://child.example.com/dc=child"], after=10)
    entries, text = ask(server, "(uid=*)", ["dn"])
    need(len(entries) == 100 and "child.example.com" in text, "a continuation reference", text[-300:])
    server.fail_search(32, base=server.suffix)
    ask(server, "(uid=*)", code=32)
    server.fail_bind(51)
    ask(server, "(uid=*)", code=51)
    server.hidden = {"mail"}
    entries, _ = ask(server, "(uid=u00001)")
    need("mail" not in entries[0] and "sn" in entries[0], "an attribute that is hidden", entries[0])


def test_scripted_cuts_and_stalls(t):
    """Connections cut between pages and in mid-search; stalls at every stage."""
    server = t.server(ScriptedServer)
    server.people(50)
    server.cut(pages=2)
    ask(server, "(uid=*)", ["dn"], options=["-E", "pr=10/noprompt"], code=LOST)
    need([r.n_sent for r in server.requests("search")] == [10, 10, 0], "two pages")
    server.cut(after=7, reset=True)
    need(len(ask(server, "(uid=*)", ["dn"], code=LOST)[0]) <= 7, "no more than seven")
    for stage in ("accept", "bind", "search"):
        stall = server.stall(stage, after=5)
        client = start_ask(server, "(uid=*)", "dn")
        need(stall.reached.wait(10), "it stands still at " + stage)
        need(client.poll() is None, "and the client waits")
        stall.release()
        need(client.communicate(timeout=10)[0].count("dn:") == 50, "it goes on")
    server.drop("bind")
    ask(server, "(uid=*)", code=LOST)
    server.drop("accept")
    ask(server, "(uid=*)", code=LOST)
    wait_for(lambda: server.connections() == [], 10, "all connections to be forgotten")
    server.stop()
    ask(server, "(uid=*)", code=LOST)
    server.start()
    need(len(ask(server, "(uid=*)")[0]) == 50, "it listens again")


def test_scripted_tls(t):
    """ldaps and StartTLS, handshakes that stall, PDUs cut in halves and joined in one record."""
    for tls, options in (("ldaps", []), ("starttls", ["-ZZ"])):
        server = t.server(ScriptedServer, tls=tls)
        server.people(40)
        need(len(ask(server, "(uid=*)", options=options)[0]) == 40, tls)
        server.split_pdus = 0.01
        need(len(ask(server, "(uid=u0000*)", options=options)[0]) == 9, "halves")
        server.split_pdus, server.join_pdus = None, 100
        need(len(ask(server, "(uid=*)", options=options)[0]) == 40, "joined")
        stall = server.stall("tls" if tls == "ldaps" else "starttls")
        client = start_ask(server, "(uid=*)", "dn", options=["-o", "nettimeout=20", *options])
        need(stall.reached.wait(10), "the handshake stands still")
        client.kill()
        client.communicate()
        stall.release()


def test_scripted_active_directory(t):
    """What is special about AD: rootDSE, USNs, tombstones, notification, DirSync refused."""
    server = t.server(ScriptedServer, flavor="ad")
    root = ask(server, dn="", scope="base", bind=False)[0][0]
    need("1.2.840.113556.1.4.800" in root.texts("supportedCapabilities"), "it is AD")
    first = int(root.text("highestCommittedUSN"))
    ntds = ask(server, dn=root.text("dsServiceName"), scope="base")[0][0]
    need(ntds["invocationid"] == [server.invocation_id.bytes_le], "invocationId")
    ask(server, bind=False, code=1)
    ada = server.person("ada")
    guid = ask(server, "(sAMAccountName=ada)", ["objectGUID"])[0][0]["objectguid"][0]
    found = ask(server, "(&(objectClass=user)(uSNChanged>=%d))" % (first + 1), ["uSNChanged"])[0]
    need([entry.dn for entry in found] == [ada], "polling finds what is new", found)
    by_guid = ask(server, dn="<GUID=%s>" % guid.hex(), scope="base")[0]
    need(by_guid[0].dn == ada, "the GUID as a base")
    server.delete(ada)
    need(ask(server, "(sAMAccountName=ada)")[0] == [], "deleted")
    tomb = ask(server, "(isDeleted=TRUE)", options=["-E", "!1.2.840.113556.1.4.417"])[0][0]
    need(tomb["objectguid"] == [guid] and "objectcategory" not in tomb, "its tombstone", tomb)
    # DirSync: flags 0, no limit, no cookie
    ask(server, options=["-E", "!1.2.840.113556.1.4.841=:MAgCAQACAQAEAA=="], code=50)
    ask(server, "(uid=*)", options=["-E", "!1.2.840.113556.1.4.528"], code=53)
    client = start_ask(server, "(objectClass=*)", "sAMAccountName", options=["-E", "!1.2.840.113556.1.4.528"])
    server.wait_request("search", matching=lambda r: "1.2.840.113556.1.4.528" in r.controls and r.result is None)
    wait_for(lambda: any(c.persistent for c in list(server._open.values())), 10, "the notification search")
    server.person("eve")
    line = client.stdout.readline()
    client.kill()
    client.communicate()
    need("CN=eve" in line, "it is notified", line)
    server.new_invocation(usn=10)
    root = ask(server, dn="", scope="base", bind=False)[0][0]
    need(root.text("highestCommittedUSN") == "10", "another DC")


def test_scripted_notification_limit(t):
    """No more than five notification searches on one connection."""
    from lib import ber
    server = t.server(ScriptedServer, flavor="ad")
    server.notifications = 2
    client = Wire(server)
    client.bind()
    for number in range(3):
        client.search("(objectClass=*)", [client.control("1.2.840.113556.1.4.528")])
    tag, reader = client.read()
    need(tag == 0x65 and reader.integer(ber.ENUM) == 11, "adminLimitExceeded for the third")
    client.close()


class Wire:
    """A client that speaks LDAP itself, for what ldapsearch can't show."""

    def __init__(self, server):
        import socket
        self.server = server
        self.sock = socket.create_connection((server.host, server.port), 10)
        self.buffer, self.number, self.controls = b"", 0, None

    def send(self, operation, controls=()):
        from lib import ber
        self.number += 1
        parts = [ber.integer(self.number), operation]
        if controls:
            parts.append(ber.sequence(*controls, tag=0xA0))
        self.sock.sendall(ber.sequence(*parts))

    @staticmethod
    def control(oid, value=None):
        from lib.ldapproto import control
        return control(oid, value, True)

    def bind(self):
        from lib import ber
        self.send(ber.sequence(ber.integer(3), ber.octets(self.server.reader_dn),
                               ber.octets(self.server.reader_password, 0x80), tag=0x60))
        tag, reader = self.read()
        need(tag == 0x61 and reader.integer(ber.ENUM) == 0, "bound")

    def search(self, filter, controls=(), dn=None):
        """filter: only (NAME=*)."""
        from lib import ber
        self.send(ber.sequence(ber.octets(self.server.suffix if dn is None else dn), ber.enum(2), ber.enum(0),
                               ber.integer(0), ber.integer(0), ber.boolean(False),
                               ber.octets(filter[1:-3], 0x87), ber.sequence(), tag=0x63), controls)

    def sync(self, mode, cookie=None):
        from lib import ber
        parts = [ber.enum(mode)] + ([ber.octets(cookie)] if cookie is not None else [])
        self.search("(objectClass=*)", [self.control("1.3.6.1.4.1.4203.1.9.1.1", ber.sequence(*parts))])

    def read(self):
        """(tag, reader) of the next message; its controls are in .controls."""
        from lib import ber
        while True:
            head = ber.header(self.buffer)
            if head and len(self.buffer) >= head[2]:
                break
            data = self.sock.recv(65536)
            need(data, "the connection is over")
            self.buffer += data
        message = ber.Reader(self.buffer[head[1]:head[2]])
        self.buffer = self.buffer[head[2]:]
        message.integer()
        tag, content = message.next()
        self.controls = {}
        if message.more():
            rows = message.enter(0xA0)
            while rows.more():
                row = rows.enter()
                oid = row.text()
                if row.peek() == ber.BOOLEAN:
                    row.boolean()
                self.controls[oid] = row.octets()
        return tag, ber.Reader(content)

    def refresh(self):
        """Reads until a refresh ends: {"entries": {dn: state}, "present": [...], "deleted": [...],
        "end": "present", "delete" or "done", "code", "cookie"}."""
        from lib import ber
        from lib.ldapproto import SYNC_DONE, SYNC_STATE
        out = {"entries": {}, "present": [], "deleted": [], "cookie": None, "code": None}
        while True:
            tag, reader = self.read()
            if tag == 0x64:
                state = ber.Reader(self.controls[SYNC_STATE]).enter().enum()
                out["entries"][reader.text()] = state
            elif tag == 0x79:
                reader.octets(0x80)
                kind, content = ber.Reader(reader.octets(0x81)).next()
                inner = ber.Reader(content)
                if kind in (0xA1, 0xA2):
                    return dict(out, end="delete" if kind == 0xA1 else "present", cookie=inner.octets())
                deleted = inner.boolean() if inner.peek() == ber.BOOLEAN else False
                rows = inner.enter(ber.SET)
                while rows.more():
                    out["deleted" if deleted else "present"].append(rows.octets())
            elif tag == 0x65:
                out.update(end="done", code=reader.enum())
                if SYNC_DONE in self.controls:
                    done = ber.Reader(self.controls[SYNC_DONE]).enter()
                    out["cookie"] = done.octets()
                    out["refresh_deletes"] = done.boolean() if done.more() else False
                return out

    def close(self):
        self.sock.close()


def test_scripted_sync(t):
    """Refresh without and with a cookie, session log, present phase whole and truncated, 4096."""
    server = t.server(ScriptedServer)
    dns = server.people(5)
    client = Wire(server)
    client.bind()
    client.sync(1)
    first = client.refresh()
    need(first["end"] == "done" and first["code"] == 0 and len(first["entries"]) == 8 and first["cookie"],
         "the whole content", first)
    gone = server.entry(dns[0]).uuid.bytes
    server.delete(dns[0])
    server.replace(dns[1], title="x")
    client.sync(1, first["cookie"])
    second = client.refresh()
    need(second["entries"] == {dns[1]: 1} and second["deleted"] == [gone] and second["refresh_deletes"],
         "the difference", second)
    server.sync.forget_log()
    server.replace(dns[2], title="y")
    client.sync(1, first["cookie"])
    third = client.refresh()
    need(len(third["present"]) + len(third["entries"]) == 7 and gone not in third["present"]
         and dns[2] in third["entries"] and not third["refresh_deletes"], "a present phase", third)
    server.sync.edit_present = lambda ids: ids[:2]
    client.sync(1, first["cookie"])
    need(len(client.refresh()["present"]) == 2, "a truncated one")
    server.sync.edit_present = None
    server.sync.stale = "refresh-required"
    client.sync(1, first["cookie"])
    need(client.refresh()["code"] == 4096, "e-syncRefreshRequired")
    client.sync(1, b"rid=000,csn=20260101000000.999999Z#000000#000#000000")
    need(client.refresh()["code"] == 53, "a cookie from the future")
    client.sync(1, b"garbage")
    need(len(client.refresh()["entries"]) == 7, "garbage gets everything")
    server.sync.force("nothing")
    client.sync(1, first["cookie"])
    need(client.refresh()["entries"] == {}, "what a test forces")
    server.fail_search(4, after=3)
    client.sync(1)
    fourth = client.refresh()
    need(fourth["code"] == 4 and len(fourth["entries"]) == 3 and fourth["cookie"] is None, "a limit in mid-refresh",
         fourth)
    client.close()


def test_scripted_sync_persist(t):
    """Changes are told to a search that persists: new, changed, moved out, back, deleted; many in one write."""
    server = t.server(ScriptedServer)
    dns = server.people(2)
    client = Wire(server)
    client.bind()
    client.sync(3)
    first = client.refresh()
    need(first["end"] == "delete" and len(first["entries"]) == 5 and first["cookie"], "the refresh", first)

    def told():
        tag, reader = client.read()
        need(tag == 0x64, "an entry", tag)
        from lib import ber
        from lib.ldapproto import SYNC_STATE
        values = ber.Reader(client.controls[SYNC_STATE]).enter()
        return values.enum(), reader.text()
    server.replace(dns[0], title="x")
    need(told() == (2, dns[0]), "modified")
    server.delete(dns[1])
    need(told() == (3, dns[1]), "deleted")
    with server.hold():
        added = server.people(3, prefix="n")
    need([told() for _ in range(3)] == [(1, dn) for dn in added], "added")
    client.close()


def test_scripted_speaks_to_ldapsearch_sync(t):
    """libldap decodes the refresh."""
    server = t.server(ScriptedServer)
    server.people(3)
    _, text = ask(server, options=["-E", "sync=ro"])
    need(text.count("dn:") == 6, "ldapsearch -E sync=ro", text)


def test_standalone_scripted_server(t):
    """tests/lab/scripted-ldap serves LDIF from the command line."""
    path = t.write("one.ldif", entry_ldif("cn=one,dc=example,dc=com", {"objectClass": "device", "cn": "one"}))
    process = subprocess.Popen([os.path.join(base.LAB, "scripted-ldap"), "--people", "20", "--fail", "4:15", path],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    base.register(process.pid)
    t.cleanup(process.kill)
    uri = process.stdout.readline().split("=", 1)[1].strip()
    done = base.run(["ldapsearch", "-x", "-LLL", "-H", uri, "-b", "dc=example,dc=com", "dn"], check=False)
    need(done.returncode == 4 and done.stdout.count("dn:") == 15, "fifteen, and the limit", done.stdout)
    done = base.run(["ldapsearch", "-x", "-LLL", "-H", uri, "-b", "cn=one,dc=example,dc=com", "-s", "base"])
    need("cn: one" in done.stdout, "the LDIF's entry", done.stdout)
    process.terminate()
    need(process.wait(10) == 0, "it ends well")


# --- the harness ---

def test_wait_for_tells_what_it_saw(t):
    """A condition that does not come is a failure that shows the last state."""
    begun = time.monotonic()
    try:
        wait_for(lambda: False, 0.2, "the moon", lambda: "clouds")
    except Failure as problem:
        need("the moon" in str(problem) and "clouds" in str(problem), "the message", str(problem))
        need(time.monotonic() - begun < 5, "in time")
        return
    raise Failure("no failure")


def test_runner_reports_failures(t):
    """A failing test, one over its deadline and a dying process are failures, and nothing stays behind."""
    path = t.write("test_bad.py", """
import os, subprocess, sys
from lib import deadline, need, base
def test_good(t): pass
def test_bad(t): need(False, "as it should", 42)
@deadline(1)
def test_slow(t):
    import time
    while True:
        try: time.sleep(60)
        except Exception: pass
def test_leaves(t):
    child = subprocess.Popen(["sleep", "600"])
    base.register(child.pid)
    print("child", child.pid)
    open(%r, "w").write(str(child.pid))
    os._exit(3)
def test_after(t): pass
""" % t.path("pid"))
    result = t.path("result.json")
    runner = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")
    inner = dict(os.environ, TMPDIR=t.folder)
    done = base.run([runner, "--json", result, path], check=False, seconds=50, env=inner)
    lines = done.stdout.strip().splitlines()
    need(done.returncode == 1 and lines[-1] == "2 passed, 3 failed", "the totals", done.stdout, done.stderr)
    need("as it should" in done.stdout and "saw: 42" in done.stdout, "the message", done.stdout)
    import json
    with open(result, encoding="utf-8") as text:
        rows = json.load(text)
    need(rows["passed"] == 2 and rows["failed"] == 3, "the result file", rows)
    with open(t.path("pid"), encoding="ascii") as text:
        need(base.start_time(int(text.read())) is None, "the child was ended")
    done = base.run([runner, "-k", "no such test", path], check=False, env=inner)
    need(done.returncode == 1 and done.stdout == "0 passed, 0 failed\n", "nothing ran", done.stdout)


FAKE = """#!/usr/bin/env python3
import os, signal, socket, sys
if "--once" in sys.argv:
    sys.stderr.write("one run\\n")
    sys.exit(4)
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect(os.environ["NOTIFY_SOCKET"])
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1})
sock.send(b"STATUS=reading")
sock.send(b"READY=1\\nSTATUS=following")
sys.stderr.write("fake " + " ".join(sys.argv[1:]) + "\\n")
sys.stderr.flush()
while True:
    got = signal.sigwait({signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1})
    if got == signal.SIGHUP:
        sock.send(b"RELOADING=1\\nMONOTONIC_USEC=1")
        sock.send(b"READY=1")
    else:
        sys.exit(0 if got == signal.SIGTERM else 1)
"""


def fake_build(t):
    """A build folder whose rosterd only talks to the service manager."""
    os.mkdir(t.path("build"))
    t.write("build/Makefile", "")
    t.write("build/rosterd", FAKE, 0o755)
    t.write("build/rosterctl", "#!/bin/sh\necho \"{\\\"arguments\\\": \\\"$*\\\"}\"\n", 0o755)
    before = os.environ.get("ROSTERD_BUILD")
    os.environ["ROSTERD_BUILD"] = t.path("build")
    t.cleanup(lambda: os.environ.pop("ROSTERD_BUILD") if before is None
              else os.environ.__setitem__("ROSTERD_BUILD", before))


def test_rosterd_is_driven(t):
    """The configuration, secrets, readiness, reload, end and death of a daemon."""
    fake_build(t)
    server = t.server(ScriptedServer)
    daemon = t.rosterd(server, directory_keys={"feed": "poll", "filter": None}, lifecycle={"leave_grace": "0"},
                       tenant_keys={"url": "https://127.0.0.1:1", "client_secret": "very secret"},
                       rules={"Comma, sir": {"group": "cn=x", "roles": ["One", "Two, three"]}})
    with open(daemon.config_file, encoding="utf-8") as text:
        lines = text.read().splitlines()
    for line in ('[rule "Comma, sir"]', 'roles = One, "Two, three"', "feed = poll", "leave_grace = 0",
                 "uri = " + server.uri, "client_secret_file = " + daemon.path("tenant.client_secret")):
        need(line in lines, "the configuration has " + line, lines)
    need("very secret" not in "\n".join(lines) and not [line for line in lines if line.startswith("filter")],
         "no secret in it, and no key that was taken out", lines)
    secret = os.stat(daemon.path("tenant.client_secret"))
    need(secret.st_mode & 0o777 == 0o600, "the secret's rights", oct(secret.st_mode))
    daemon.start("--verbose")
    daemon.wait_status("follow")
    daemon.wait_log("fake -c %s --verbose" % daemon.config_file)
    need(daemon.memory() > 1000000, "its memory")
    daemon.reload()
    daemon.restart()
    need(json.loads(daemon.ctl("status").out)["arguments"] == "--socket %s status" % daemon.socket, "rosterctl")
    need(daemon.once(code=4).err == "one run\n", "a run")
    daemon.kill()
    daemon.start()
    daemon.stop()
    base.write_file(daemon.audit_file, '{"event": "a", "n": 1}\n{"event": "b"}\n{"eve')
    need(daemon.audit(event="a") == [{"event": "a", "n": 1}], "audit rows")
    import sqlite3
    with sqlite3.connect(daemon.state_file) as database:
        database.execute("CREATE TABLE link (login TEXT)")
        database.execute("INSERT INTO link VALUES ('ada')")
    need(daemon.state_query("SELECT login FROM link WHERE login = ?", "ada") == [("ada",)], "state")


def test_rosterd_that_dies_is_noticed(t):
    """A daemon that ended during a test is a failure of that test."""
    fake_build(t)
    daemon = t.rosterd()
    daemon.start()
    os.kill(daemon.pid, 10)
    daemon.process.wait(10)
    try:
        daemon.close()
    except Failure as problem:
        need("died" in str(problem), "the message", str(problem))
        daemon.expected_end = True
        return
    raise Failure("no failure")


def test_simulator_is_driven(t):
    """The tenant starts, is filled, edited, broken and taken down."""
    tenant = t.simulator(token_lifetime=60)
    tenant.seed({"loginId": "ada", "firstName": "Ada"}, {"loginId": "bob"})
    need(sorted(tenant.users()) == ["ada", "bob"], "two users", tenant.users())
    tenant.edit("ada", team="Sales")
    tenant.wait_user("ada", team="Sales", firstName="Ada")
    tenant.delete_user("bob")
    tenant.wait_users(["ada"])
    tenant.add("teams", "Night")
    tenant.remove("skills", "Billing")
    tenant.fault("status", status=503, count=1)
    need(len(tenant.faults()) == 1, "a fault", tenant.faults())
    tenant.clear_faults()
    need(tenant.requests() == [] and tenant.writes() == [] and tenant.counters()["requests"] == 0, "no requests yet")
    tenant.down()
    tenant.down(False)
    tenant.revoke_tokens()
    tenant.stop()
    tenant.start()
    need(tenant.users() == {}, "it forgot")


def test_missing_server(t):
    """A server that is not installed is a failure in CI, a skip at a desk; never a success."""
    path = t.write("test_missing.py", """
from lib import Slapd
class Nowhere(Slapd):
    program = "no-such-server"
def test_it(t): t.server(Nowhere)
def test_shared(t): t.shared(Nowhere)
""")
    runner = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")
    for ci, last in (("1", "0 passed, 2 failed"), ("", "0 passed, 0 failed")):
        done = base.run([runner, path], check=False, env=dict(os.environ, CI=ci, TMPDIR=t.folder))
        need(done.returncode == 1 and done.stdout.splitlines()[-1] == last, "CI=%r" % ci, done.stdout)


def test_ports_are_not_given_twice(t):
    """Two test files at the same time never get the same port."""
    mine = {base.free_port() for _ in range(5)}
    need(len(mine) == 5, "five of them", mine)
    code = "import sys; sys.path.insert(0, %r); from lib import base; print([base.free_port() for _ in range(20)])" \
        % os.path.dirname(os.path.abspath(__file__))
    done = base.run(["python3", "-c", code])
    need(not mine & set(eval(done.stdout)), "none of them to another process", mine, done.stdout)


def test_concurrent_clients(t):
    """A client that stands still holds up no other."""
    server = t.server(ScriptedServer)
    server.people(10)
    stall = server.stall("search", after=3)
    client = start_ask(server, "(uid=*)", "dn")
    need(stall.reached.wait(10), "one stands still")
    results = []
    threads = [threading.Thread(target=lambda: results.append(len(ask(server, "(uid=*)")[0]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    need(results == [10] * 4, "the others are served", results)
    stall.release()
    need(client.communicate(timeout=10)[0].count("dn:") == 10, "and then the first")
