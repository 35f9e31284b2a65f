"""Between rosterd and the directory stands what adds, repeats, withholds and invents messages: nobody is taken for gone by it,
nobody is invented, and afterwards all is as the directory says."""

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
