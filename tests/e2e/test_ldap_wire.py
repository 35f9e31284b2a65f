"""Between rosterd and the directory stands what adds, repeats, withholds and invents messages: nobody is taken for gone by it,
nobody is invented, and afterwards all is as the directory says."""

import base64
import codecs
import socket
import threading

from lib import ScriptedServer, ber, deadline, need, wait_for

AGENTS = {"Agents": {"when": "(objectClass=inetOrgPerson)", "team": "Sales"}}
ENTRY, DONE, EXTENDED, INTERMEDIATE = 0x64, 0x65, 0x78, 0x79
DISCONNECTION, UNKNOWN = b"1.3.6.1.4.1.1466.20036", b"1.3.6.1.4.1.99999.1"


def message(number, operation):
    return ber.sequence(ber.integer(number), operation)


def unsolicited(oid, code=52):
    return message(0, ber.tlv(EXTENDED, ber.enum(code) + ber.octets("") + ber.octets("going down") + ber.tlv(0x8a, oid)))


def person(uid):
    values = {"objectClass": ["top", "person", "organizationalPerson", "inetOrgPerson"], "uid": [uid], "cn": [uid], "sn": ["X"],
              "givenName": ["X"], "mail": [uid + "@example.com"],
              "entryUUID": ["00000000-0000-4000-8000-0000000000%02x" % len(uid)], "modifyTimestamp": ["20260101000000Z"]}
    return ber.tlv(ENTRY, ber.octets("uid=%s,ou=people,dc=example,dc=com" % uid) + ber.sequence(
        *(ber.sequence(ber.octets(name), ber.set_of(*(ber.octets(v) for v in vs))) for name, vs in values.items())))


def parse(data):
    """(whole message, number, tag of the operation, the rest); None: it is not whole yet."""
    if len(data) < 2 or len(data) < 2 + (data[1] & 0x7f if data[1] & 0x80 else 0):
        return None
    start = 2 + (data[1] & 0x7f if data[1] & 0x80 else 0)
    size = int.from_bytes(data[2:start], "big") if data[1] & 0x80 else data[1]
    if len(data) < start + size:
        return None
    length = data[start + 1]
    number = int.from_bytes(data[start + 2:start + 2 + length], "big")
    return data[:start + size], number, data[start + 2 + length], data[start + size:]


# What becomes of the n-th message to the client: bytes, or (bytes, "close" or "stall").
def people_once(fn):
    return lambda n, m, number, tag: fn(m, number) if tag == ENTRY and b"inetOrgPerson" in m and n == 3 else m


ODD = {
    "disconnection told": people_once(lambda m, number: unsolicited(DISCONNECTION)),
    "disconnection told and done": people_once(lambda m, number: (unsolicited(DISCONNECTION), "close")),
    "unknown notice": people_once(lambda m, number: unsolicited(UNKNOWN, 0) + m),
    "many unknown notices": people_once(lambda m, number: unsolicited(UNKNOWN, 0) * 500 + m),
    "notice with a body": people_once(lambda m, number: message(0, person("mallory")) + m),
    "never asked": people_once(lambda m, number: message(7777, person("mallory")) + m),
    "asked long ago": people_once(lambda m, number: message(1, person("mallory")) + m),
    "never asked, done": people_once(lambda m, number: message(7777, ber.tlv(DONE, ber.enum(0) + ber.octets("") + ber.octets(""))) + m),
    "not asked yet": people_once(lambda m, number: message(number + 1, person("mallory")) + m),
    "each twice": lambda n, m, number, tag: m + m if tag == ENTRY else m,
    "done twice": lambda n, m, number, tag: m + m if tag == DONE else m,
    "stall in an entry": people_once(lambda m, number: (m[:len(m) // 2], "stall")),
    "stall in a length": people_once(lambda m, number: (m[:1], "stall")),
    "cut in an entry": people_once(lambda m, number: (m[:-3], "close")),
    "done too early": people_once(lambda m, number: (message(number, ber.tlv(DONE, ber.enum(0) + ber.octets("") + ber.octets(""))), "drop")),
    "done with a failure": people_once(lambda m, number: (message(number, ber.tlv(DONE, ber.enum(80) + ber.octets("") + ber.octets("x"))), "drop")),
    "entry without attributes": people_once(lambda m, number: message(number, ber.tlv(ENTRY, ber.octets("uid=p05,ou=people,dc=example,dc=com")
                                                                                     + ber.sequence())) + m),
    "attribute without values": people_once(lambda m, number: message(number, ber.tlv(ENTRY, ber.octets(
        "uid=odd,ou=people,dc=example,dc=com") + ber.sequence(ber.sequence(ber.octets("mail"), ber.set_of())))) + m),
    "intermediate": people_once(lambda m, number: message(number, ber.tlv(INTERMEDIATE, ber.tlv(0x80, UNKNOWN) + ber.tlv(0x81, b"\xff" * 50))) + m),
    "negative number": people_once(lambda m, number: b"\x30\x06\x02\x01\xff\x65\x01\x00" + m),
    "indefinite length": people_once(lambda m, number: (b"\x30\x80" + m[2:], "close")),
    "garbage": people_once(lambda m, number: (b"\x00\x01garbage\xff" * 9, "close")),
}


class Between:
    def __init__(self, t, port):
        self.port, self.odd, self.n, self.struck, self.ends = port, None, 0, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = "ldap://127.0.0.1:%d" % self.listener.getsockname()[1]
        t.cleanup(self.listener.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            self.ends += [client, server]
            threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self.backward, args=(server, client), daemon=True).start()

    @staticmethod
    def forward(client, server):
        try:
            for data in iter(lambda: client.recv(65536), b""):
                server.sendall(data)
        except OSError:
            pass
        server.close()

    def backward(self, server, client):
        rest, dropping = b"", None
        try:
            for data in iter(lambda: server.recv(65536), b""):
                rest += data
                while parse(rest):
                    whole, number, tag, rest = parse(rest)
                    self.n += tag == ENTRY and b"inetOrgPerson" in whole
                    if number == dropping:
                        continue
                    sent, then = self.odd(self.n, whole, number, tag) if self.odd else whole, None
                    sent, then = sent if isinstance(sent, tuple) else (sent, then)
                    self.struck += sent != whole
                    client.sendall(sent)
                    if then == "stall":
                        threading.Event().wait(3600)
                    if then == "close":
                        return
                    dropping = number if then == "drop" else dropping
        except OSError:
            pass
        finally:
            client.close()

    def cut(self):
        ends, self.ends = self.ends, []
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@deadline(400)
def test_odd_messages(t):
    """T1 T2 T4: each odd message in the middle of a read, with polling and syncrepl: see above."""
    names = ["p%02d" % n for n in range(12)]
    for feed in ("poll", "syncrepl"):
        server = t.server(ScriptedServer)
        dns = {uid: server.person(uid) for uid in names}
        between = Between(t, server.port)
        tenant = t.simulator()
        d = t.rosterd(server, tenant, None, tls="no", rules=AGENTS, user={"work_phone": None},
                      directory_keys={"uri": between.uri, "feed": feed, "poll_interval": "1s", "search_timeout": "1s"},
                      retry={"min": "100ms", "max": "300ms"}, lifecycle={"leave_grace": "0"}, guard={"max_disable": "unlimited", "max_update": "unlimited"})
        d.start()
        tenant.wait_users(names)
        for n, (name, odd) in enumerate(ODD.items()):
            between.struck, between.n, between.odd = 0, 0, odd
            d.ctl("sync", code=None)
            wait_for(lambda: between.struck, 30, "it was struck by " + name, d.log_tail)
            uid = "new%02d" % n
            server.person(uid)
            server.replace(dns[names[n % 12]], sn="After" + str(n))
            between.odd = None
            between.cut()
            tenant.wait_user(uid, seconds=30)
            tenant.wait_user(names[n % 12], lastName="After" + str(n), seconds=30)
            users = tenant.users()
            gone = [login for login, user in users.items() if user["disabled"]]
            need(not gone and len(users) == 13 + n, "nobody is gone or invented by " + name, feed, gone, sorted(users))
        need(d.running(), "it lives")
        d.stop()
        tenant.stop()


PASSWORD = "Zq7wK-e9Tt4xVbU"
WRITTEN = {
    "rot13": lambda word: codecs.encode(word, "rot13"), "plain": lambda word: word, "backwards": lambda word: word[::-1], "base64": lambda word: base64.b64encode(word.encode()).decode(),
    "decimal": lambda word: ", ".join(str(byte) for byte in word.encode()),
    "hex of hex": lambda word: word.encode().hex().encode().hex(), "url": lambda word: "".join("%%%02x" % byte for byte in word.encode()),
}


def result(code, said, *more):
    return ber.tlv(DONE, ber.enum(code) + ber.octets("") + ber.octets(said) + b"".join(more))


def referral(url):
    return ber.tlv(0xa3, ber.octets(url))


# In which part of which answer the words may stand; None: there is none of the kind that is answered.
SAYS = {
    "search refused": lambda number, said: message(number, result(80, said)),
    "search limited": lambda number, said: message(number, result(4, said)),
    "referred": lambda number, said: message(number, result(10, said, referral("ldaps://dc1.example.com/ou=" + said.replace(" ", "")))),
    "referred to a host": lambda number, said: message(number, result(10, "", referral("ldaps://%s/" % said.replace(" ", "")))),
    "refresh required": lambda number, said: message(number, result(4096, said)),
    "disconnection": lambda number, said: (message(0, ber.tlv(EXTENDED, ber.enum(52) + ber.octets("") + ber.octets(said)
                                                              + ber.tlv(0x8a, DISCONNECTION))), "close"),
    "reference": lambda number, said: message(number, ber.tlv(0x73, ber.octets("ldaps://%s/dc=x" % said.replace(" ", "")))) + message(number, result(0, "")),
}


@deadline(120)
def test_words_of_the_server(t):
    """No word of any answer gives the password away, however it is written, or reaches the terminal as a command."""
    ways = list(WRITTEN.values())
    for feed in ("poll", "syncrepl"):
        server = t.server(ScriptedServer)
        server.passwords, server.reader_password = {server.reader_dn: PASSWORD}, PASSWORD
        server.person("ada")
        between = Between(t, server.port)
        tenant = t.simulator()
        d = t.rosterd(server, tenant, None, tls="no", rules=AGENTS, user={"work_phone": None},
                      directory_keys={"uri": between.uri, "feed": feed, "poll_interval": "1s", "search_timeout": "1s"},
                      retry={"min": "100ms", "max": "200ms"}, notify={"alarm_after": "0"}, log={"level": "debug"})
        d.start()
        tenant.wait_user("ada")
        shown = ""
        for n, kind in enumerate(SAYS if feed == "poll" else ("search refused",)):
            said = "markedaaa \x1b]0;title\x07\x1b[31m the account with %s may not" % ways[(n + (0 if feed == "poll" else 3)) % len(ways)](PASSWORD)
            struck, before = [], []

            def odd(_, whole, number, tag, kind=kind, said=said, struck=struck, before=before):
                people = before and before[-1] == ENTRY
                before.append(tag)
                if not people or tag not in (DONE, INTERMEDIATE):
                    return whole
                struck.append(number)
                return SAYS[kind](number, said)

            between.odd = odd
            if feed == "syncrepl":
                between.cut()
            d.ctl("sync", code=None)
            wait_for(lambda: struck, 30, "it was said: " + kind, d.log_tail)
            shown += d.ctl("status", "--json", code=None).out + d.ctl("status", code=None).out
        between.odd = None
        between.cut()
        wait_for(lambda: d.ctl("status", "--json", code=None).json["directory"]["state"] not in ("away", "refused"), 30, "it is back", d.log_tail)
        shown += d.log() + "".join(str(line) for line in d.audit()) + d.check().err
        need(feed != "poll" or "markedaaa" in shown and "may not" in shown, "its words are shown", shown[-3000:])
        for way, write in WRITTEN.items():
            text = write(PASSWORD)
            need(text[:12] not in shown, "the password is not, " + way, feed, [line for line in shown.splitlines() if text[:12] in line][:3])
        need("\x1b" not in shown and "\x07" not in shown, "and no terminal is told anything", [line for line in shown.splitlines() if "\x1b" in line][:3])
        d.stop()
        tenant.stop()
