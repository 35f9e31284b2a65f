"""Between rosterd and the tenant stands what answers otherwise: no odd answer confirms a write, makes a user twice or
somebody else's values known."""

import json
import socket
import threading
import time

from lib import deadline, life, need, wait_for
from lib.life import AGENTS, crowd, settled

USER = b" /configapi/v2/user"


def head(status, *lines, body=b""):
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", body])


def sized(body, *lines, status=b"200 OK"):
    return head(status, b"Content-Length: %d" % len(body), *lines, body=body)


# What stands in the place of the tenant's answer: bytes in parts, with a pause between them.
ODD = {
    "empty": [sized(b"")],
    "no length": [head(b"200 OK")],
    "html": [sized(b"<html><body>Please sign in</body></html>", b"Content-Type: text/html")],
    "html called json": [sized(b"<html>", b"Content-Type: application/json")],
    "too long": [head(b"200 OK", b"Content-Length: 500", body=b"OK")],
    "too short": [head(b"200 OK", b"Content-Length: 1", body=b"OK and more")],
    "two lengths": [head(b"200 OK", b"Content-Length: 2", b"Content-Length: 7", body=b"OK")],
    "negative": [head(b"200 OK", b"Content-Length: -2", body=b"OK")],
    "cut gzip": [sized(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xf3", b"Content-Encoding: gzip")],
    "gzip that is none": [sized(b"OK", b"Content-Encoding: gzip, br")],
    "broken chunks": [head(b"200 OK", b"Transfer-Encoding: chunked", body=b"zz\r\nOK\r\n")],
    "chunks cut": [head(b"200 OK", b"Transfer-Encoding: chunked", body=b"2\r\nOK\r\n")],
    "huge headers": [head(b"200 OK", *(b"X-%d: %s" % (n, b"y" * 4000) for n in range(600)), b"Content-Length: 1", body=b"x")],
    "endless head": [b"HTTP/1.1 200 OK\r\n"] + [b"X-A: b\r\n"] * 100,
    "slow": [b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"] + [b"O"] * 60,
    "no http": [b"\0\xff\xfe garbage\r\n\r\n"],
    "http 0.9": [b"OK\r\n"],
    "redirect": [head(b"307 Temporary Redirect", b"Location: /configapi/v2/user/else", b"Content-Length: 0")],
    "redirect there": [head(b"308 Permanent Redirect", b"Location: http://127.0.0.1:1/", b"Content-Length: 0")],
    "accepted": [sized(b"OK", status=b"202 Accepted")],
    "partial": [sized(b"OK", status=b"206 Partial Content")],
    "odd status": [sized(b"OK", status=b"299 Almost")],
    "switching": [head(b"101 Switching Protocols", b"Upgrade: h2c", b"Connection: Upgrade")],
    "early, then none": [head(b"103 Early Hints", b"Link: </x>"), head(b"100 Continue")],
    "somebody else": [sized(json.dumps({"loginId": "mallory", "firstName": "M", "lastName": "Allory", "team": "Sales",
                                        "roles": ["Supervisor"], "disabled": False}).encode())],
    "in quotes": [sized(json.dumps("OK").encode())],
    "nul": [sized(b"OK\0OK")],
}


CONFIRM = {"gzip that is none", "in quotes"}  # the tenant's own word, so it is believed: then it was carried out


class Between:
    """A relay that has its own answer for some requests, after they were carried out or instead."""

    def __init__(self, t, port):
        self.port = port
        self.choose = lambda request: None  # (parts, carried out) or None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        t.cleanup(self.listener.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    @staticmethod
    def message(stream):
        data, length = b"", 0
        for line in iter(stream.readline, b""):
            data += line
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            if line == b"\r\n":
                return data + stream.read(length)
        return b""

    def ask(self, request):
        with socket.create_connection(("127.0.0.1", self.port)) as server:
            server.sendall(request)
            return self.message(server.makefile("rb"))

    def serve(self, peer):
        with peer:
            try:
                for request in iter(lambda s=peer.makefile("rb"): self.message(s), b""):
                    chosen = self.choose(request)
                    if not chosen:
                        peer.sendall(self.ask(request))
                        continue
                    parts, carried_out = chosen
                    if carried_out:
                        self.ask(request)
                    for part in parts:
                        peer.sendall(part)
                        if len(parts) > 2:
                            time.sleep(0.05)
                    return
            except OSError:
                pass


def login_of(request):
    path = request.split(b" ")[1]
    if path.count(b"/") > 3:
        return path.rsplit(b"/", 1)[1].decode()
    return json.loads(request.split(b"\r\n\r\n", 1)[1]).get("loginId", "") if request.startswith(b"POST") else ""


@deadline(240)
def test_odd_answers(t):
    """T42 T47 T48 T51: each odd answer to a create, to its read-back and to a disable, after it was carried out and instead: all
    are users exactly once, as the rules say, and disabled in the end, and nobody has another's values."""
    names = ["%s%02d" % (kind, n) for kind in ("d", "n", "r") for n in range(len(ODD))]
    ground, group, tenant = crowd(t, names, arguments=["--plain"])
    between = Between(t, int(tenant.url.rsplit(":", 1)[1]))
    kinds, struck, lock = list(ODD), {}, threading.Lock()

    def choose(request):
        if USER not in request.split(b"\r\n", 1)[0]:
            return None
        method, login = request.split(b" ", 1)[0], login_of(request)
        if login not in names or method != {"d": b"POST", "n": b"POST", "r": b"GET"}.get(login[0]) and method != b"PUT":
            return None
        with lock:
            times = struck[method, login] = struck.get((method, login), 0) + 1
        # Whoever was asked for before the create is not there yet: that look is the truth.
        if times != (2 if method == b"GET" else 1):
            return None
        kind = kinds[int(login[1:])]
        return ODD[kind], login[0] == "d" or (kind in CONFIRM and method != b"GET")

    between.choose = choose
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"url": between.url, "tls": "no", "tls_ca_file": None, "request_timeout": "2s",
                                 "max_concurrent": "32"},
                    retry={"min": "100ms", "max": "500ms", "hold": "2s"}, lifecycle={"leave_grace": "0"},
                    guard={"max_disable": "unlimited"}, notify={"alarm_after": "0"})
    d.start()
    wait_for(lambda: set(names) <= set(tenant.users()), 90, "all are users",
             lambda: (sorted(set(names) - set(tenant.users())), life.operations(d)))
    settled(d, 60)
    users = tenant.users()
    need(tenant.counters()["creates"] == len(names) == len(users), "each once", tenant.counters())
    wrong = {login: user for login, user in users.items()
             if user["team"] != "Customer Service" or user["roles"] != ["Agent"] or user["disabled"]}
    need(not wrong, "as the rules say", wrong)
    known = [row[0] for row in d.state_query("SELECT known FROM link")]
    need(len(known) == len(names) and not [k for k in known if "Allory" in k or "Supervisor" in k], "nobody else's values", known)
    ground.leave(group, *names)
    wait_for(lambda: all(user["disabled"] for user in tenant.users().values()), 90, "all are disabled",
             lambda: ([u for u, v in tenant.users().items() if not v["disabled"]], life.operations(d)))
    settled(d, 60)
    need({status for status, in d.state_query("SELECT DISTINCT status FROM link")} == {2}, "known as disabled")
    need({m for m, _ in struck} == {b"POST", b"PUT", b"GET"}, "all kinds were struck", len(struck))
    answer = d.ctl("audit", "verify", d.audit_file, code=None)
    need(answer.code == 0, "the chain is whole", answer)
