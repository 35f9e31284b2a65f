"""Passwords, the API secret and tokens: on the wire, in their files, in memory that nobody else reads, and nowhere else.

A relay between rosterd and the tenant keeps what really passed, so the tests know the tokens and the generated
passwords that they look for.
"""

import base64
import codecs
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.parse

from lib import Missing, Slapd, base, need, wait_for

CLIENT_SECRET = "Api-secret-7f3a9c51e2"
BIND_PASSWORD = "Bind-word-58d1c0b6a4"
NOBODY = 65534


class Relay:
    """Plain TCP to the tenant and back, all bytes kept.  echo(request) -> bytes answers a request itself."""

    def __init__(self, port):
        self.port = port
        self.echo = None
        self.seen = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def keep(self, data):
        with self.lock:
            self.seen.append(data)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    @staticmethod
    def message(stream):
        """One request with its body; b"" at the end."""
        head, length = b"", 0
        for line in iter(stream.readline, b""):
            head += line
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            if line == b"\r\n":
                return head + stream.read(length)
        return b""

    def backwards(self, server, client):
        try:
            for data in iter(lambda: server.recv(65536), b""):
                self.keep(data)
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve(self, client):
        with client, socket.create_connection(("127.0.0.1", self.port)) as server:
            threading.Thread(target=self.backwards, args=(server, client), daemon=True).start()
            try:
                for request in iter(lambda s=client.makefile("rb"): self.message(s), b""):
                    self.keep(request)
                    answer = self.echo(request) if self.echo else None
                    if answer is not None:
                        client.sendall(answer)
                        return
                    server.sendall(request)
            except OSError:
                pass

    def found(self, pattern):
        with self.lock:
            return sorted(set(re.findall(pattern, b"".join(self.seen))))


def refusal(status, request):
    """An answer that repeats all that it was told."""
    body = b"Refused: " + request
    return (b"HTTP/1.1 %d Refused\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            % (status, len(body))) + body


def forms(secret):
    """A secret as it might be written: plain, quoted, base64 (at each offset), hexadecimal, two bytes each, byte by byte in the ways of
    URLs, JSON, HTML, C and mail, backwards, base32."""
    plain = secret if isinstance(secret, bytes) else secret.encode()
    found = {plain, urllib.parse.quote(plain, safe="").encode(), plain.hex().encode(), plain.hex().upper().encode(),
             plain.decode("utf-8", "replace").encode("utf-16-le"), json.dumps(plain.decode())[1:-1].encode()}
    for way in ("%%%02X", "%%%02x", "\\u%04x", "\\u%04X", "\\x%02x", "&#%d;", "&#x%x;", "\\%03o", "=%02X", "%d,", "%d, ", "%02x ", "%02X:"):
        found.add("".join(way % byte for byte in plain).encode())
    found |= {plain[::-1], plain.decode("utf-8", "replace").encode("utf-16-be"), base64.b32encode(plain).rstrip(b"=")[:-1],
              plain.swapcase(), base64.b64encode(plain[::-1])[:-4], codecs.encode(plain.decode("latin-1"), "rot13").encode("latin-1")}
    for shift in range(3):
        # What surrounds it decides about the first and the last characters: leave them out.
        found.add(base64.b64encode(b"\0" * shift + plain)[4 if shift else 0:-4])
    return found


def readable(path):
    try:
        with open(path, "rb") as data:
            return data.read()
    except OSError:
        return b""


def everything(daemon, own):
    """(name, bytes) of all that rosterd wrote or shows: files but those of the secrets, open files without a name,
    its process."""
    for top, _, files in os.walk(daemon.folder):
        for name in files:
            path = os.path.join(top, name)
            if path not in own:
                yield path, readable(path)
    if not daemon.running():
        return
    process = "/proc/%d" % daemon.pid
    for name in ("cmdline", "environ", "comm", "status", "maps"):
        yield "%s/%s" % (process, name), readable(os.path.join(process, name))
    for number in os.listdir(process + "/fd"):
        path = "%s/fd/%s" % (process, number)
        try:
            target = os.readlink(path)
        except OSError:
            continue
        if target.startswith("/") and target not in own and not target.startswith("/dev/"):
            yield "%s (%s)" % (path, target), readable(path)


def need_nowhere(secrets, places):
    looked = 0
    for name, data in places:
        looked += 1
        for what, secret in secrets:
            for form in forms(secret):
                at = data.find(form)
                need(at < 0, "no %s in %s" % (what, name), data[max(0, at - 80):at + 80])
    return looked


def secrets_of(relay):
    """What passed, by kind."""
    tokens = relay.found(rb'"access_token" ?: ?"([^"]+)"')
    passwords = relay.found(rb'"password":"([^"]+)"')
    return ([("client secret", CLIENT_SECRET), ("bind password", BIND_PASSWORD)]
            + [("token", token) for token in tokens] + [("user's password", word) for word in passwords]), tokens, passwords


def lab(t, **sections):
    """A directory with a bind password of its own, a tenant behind a relay, a daemon with the log at debug."""
    ground = t.server(Slapd).fresh()
    server = ground.server
    server.replace(server.reader_dn, userPassword=BIND_PASSWORD)
    tenant = t.simulator(secret=CLIENT_SECRET, arguments=["--plain"])
    relay = Relay(int(tenant.url.rsplit(":", 1)[1]))
    t.cleanup(relay.close)
    daemon = t.rosterd(server, tenant, ground, directory_keys={"bind_password": BIND_PASSWORD, "poll_interval": "1s"},
                       tenant_keys={"url": relay.url, "tls": "no", "tls_ca_file": None, "initial_password": "generate",
                                    "change_password": "no", **sections.pop("tenant_keys", {})},
                       log={"level": "debug"}, **sections)
    own = {daemon.path("directory.bind_password"), daemon.path("tenant.client_secret")}
    return ground, tenant, relay, daemon, own


def test_nowhere_but_on_the_wire(t):
    """Hires, changes, a reload and a look by every verb: no secret in any file, log, process list or answer."""
    handed = t.path("handed")
    os.mkdir(handed)
    command = t.write("deliver", "#!/bin/sh\ncat >> %s/input\ntr '\\0' '\\n' < /proc/self/environ > %s/environ\n"
                                 "tr '\\0' '\\n' < /proc/$$/cmdline > %s/cmdline\n" % (handed, handed, handed), 0o755)
    ground, tenant, relay, daemon, own = lab(t, tenant_keys={"password_command": command},
                                             lifecycle={"leave_grace": "0"})
    ground.persons({"ada": {}, "bob": {}, "cem": {}})
    daemon.start()
    tenant.wait_users(["ada", "bob", "cem"])
    ground.replace("bob", givenName="Robert")
    tenant.wait_user("bob", firstName="Robert")
    tenant.revoke_tokens()
    ground.replace("cem", givenName="Cemal")
    tenant.wait_user("cem", firstName="Cemal")
    ground.remove("ada")
    tenant.wait_user("ada", disabled=True)
    daemon.reload()
    secrets, tokens, passwords = secrets_of(relay)
    need(len(tokens) >= 2 and len(passwords) == 3, "the relay saw what it must", len(tokens), len(passwords))
    wait_for(lambda: readable(handed + "/input").count(b'"password"') == 3, 10, "the passwords were handed on")
    need(all(word in readable(handed + "/input") for word in passwords), "those of the wire")
    answers = []
    for words in (["status"], ["config", "show"], ["holds"], ["plan"], ["explain", "bob"],
                  ["audit", "show", daemon.audit_file], ["history", "bob"]):
        for flags in ([], ["--json"]):
            answer = daemon.ctl("-c", daemon.config_file, *words, *flags, code=None)
            need(answer.code in (0, 2) and answer.out, "an answer to %s" % words, answer)
            answers.append(("rosterctl " + " ".join(words), (answer.out + answer.err).encode()))
    looked = need_nowhere(secrets, everything(daemon, own))
    need(looked >= 12, "all was looked at", looked)
    need_nowhere(secrets, answers)
    need_nowhere(secrets, [(name, readable(os.path.join(handed, name))) for name in ("environ", "cmdline")])
    daemon.stop()
    need_nowhere(secrets, everything(daemon, own))
    # The same words are found where they are: the search can find.
    try:
        need_nowhere(secrets, everything(daemon, set()))
    except AssertionError:
        return
    need(False, "the files of the secrets were looked at")


def test_answers_that_repeat_secrets(t):
    """A tenant (or a proxy) whose refusals repeat the request: token, API secret and password stay out of log and audit."""
    ground, tenant, relay, daemon, own = lab(t, retry={"min": "100ms", "max": "500ms", "hold": "1s"})
    ground.person("ada")
    relay.echo = lambda request: refusal(400, request) if b"POST /configapi/v2/oauth/token" in request else None
    daemon.start()
    daemon.wait_log("no access token")
    secrets, _, _ = secrets_of(relay)
    need_nowhere(secrets, everything(daemon, own))
    relay.echo = lambda request: refusal(400, request) if request.startswith(b"POST /configapi/v2/user ") else None
    wait_for(lambda: relay.found(rb'"password":"([^"]+)"'), 30, "a create", daemon.log_tail)
    wait_for(lambda: daemon.audit(event="outcome", status=400), 20, "the refusal is in the audit", daemon.log_tail)
    secrets, tokens, passwords = secrets_of(relay)
    need(tokens and passwords, "both were sent", tokens, passwords)
    need_nowhere(secrets, everything(daemon, own))
    relay.echo = None
    # Wrong credentials are named by their file.
    daemon.stop()
    daemon.configure(tenant={"client_secret": CLIENT_SECRET[::-1]}, directory={"bind_password": BIND_PASSWORD[::-1]})
    answer = daemon.once(code=1)
    need_nowhere([*secrets, ("client secret", CLIENT_SECRET[::-1]), ("bind password", BIND_PASSWORD[::-1])],
                 everything(daemon, own))
    need(daemon.path("directory.bind_password") in answer.err, "the file is named", answer)


def chains(rng, n):
    """Ways of writing, one in the other: functions from bytes to bytes, with a name."""
    simple = {
        "json": lambda b: b.replace(b"/", b"\\/"), "u": lambda b: "".join("\\u%04x" % c for c in b).encode(),
        "url": lambda b: urllib.parse.quote(b, safe="").encode(), "percent": lambda b: b"".join(b"%%%02x" % c for c in b),
        "html": lambda b: "".join("&#%d;" % c for c in b).encode(), "base64": base64.b64encode,
        "urlsafe": base64.urlsafe_b64encode, "basic": lambda b: base64.b64encode(b"api.user:" + b),
        "base32": base64.b32encode, "hex": lambda b: b.hex().encode(), "plain": lambda b: b,
        "lines": lambda b: b"\n".join(b[i:i + 20] for i in range(0, len(b), 20))}
    yield from (([name], function) for name, function in simple.items())
    for _ in range(n):
        names = [rng.choice(sorted(simple)) for _ in range(2)]
        yield names, lambda b, names=names: simple[names[1]](simple[names[0]](b))


def pieces(shown):
    """All that a patient reader can make of a text: every way of reading it, again and again."""
    seen, todo = set(), [shown]
    while todo and len(seen) < 4000:
        text = todo.pop()
        if text in seen:
            continue
        seen.add(text)
        todo.append(re.sub(rb"\s|\\x0[ad]", b"", text))
        todo.append(re.sub(rb"\\u00(..)", lambda m: bytes([int(m[1], 16)]), text) if rb"\u00" in text else text)
        todo.append(text.replace(b"\\/", b"/"))
        todo.append(urllib.parse.unquote_to_bytes(text))
        todo.append(re.sub(rb"&#(\d+);", lambda m: bytes([int(m[1]) & 255]), text))
        for run in re.findall(rb"[A-Za-z0-9+/_-]{16,}", text):
            for shift in range(4):
                word = run[shift:].replace(b"-", b"+").replace(b"_", b"/")
                todo.append(base64.b64decode(word[:len(word) // 4 * 4]))
            if re.fullmatch(rb"[0-9a-f]{16,}", run):
                todo.append(bytes.fromhex(run[:len(run) // 2 * 2].decode()))
            if re.fullmatch(rb"[A-Z2-7]{16,}", run):
                todo.append(base64.b32decode(run[:len(run) // 8 * 8]))
    return seen


def test_answers_that_write_secrets_otherwise(t):
    """A refusal that repeats the Authorization header, or the API secret that the tenant knows as well, escaped and
    encoded in every way, in its body or as a redirect's address: nobody can read either out of log, audit or state."""
    import random
    rng = random.Random(20)
    ground, tenant, relay, daemon, own = lab(t, retry={"min": "50ms", "max": "100ms", "hold": "1s"})
    ways = list(chains(rng, 25))
    ground.persons({"p%02d" % i: {} for i in range(len(ways))})
    done = []

    def echo(request):
        if not request.startswith(b"POST /configapi/v2/user ") or len(done) >= len(ways):
            return None
        token = re.search(rb"Authorization: Bearer (\S+)", request)[1]
        names, write = ways[len(done)]
        done.append(names)
        written = write(CLIENT_SECRET.encode() if len(done) % 3 == 0 else token)
        if len(done) % 4 == 0 and b"\n" not in written:
            head, body = b"302 Found\r\nLocation: https://sso.example.com/in/" + urllib.parse.quote(written).encode(), b""
        else:
            text = written.decode("latin-1")
            plain = b"Refused: Authorization: Bearer " + written
            body = json.dumps({"error": "refused", "error_description": "Bearer " + text}).encode() if len(done) % 2 else plain
            head = b"400 Bad Request\r\nContent-Type: application/json"
        return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (head, len(body), body)

    relay.echo = echo
    daemon.start()
    wait_for(lambda: len(done) >= len(ways), 40, "all ways were tried", lambda: (done, daemon.log_tail()))
    wait_for(lambda: len(daemon.audit(event="outcome")) >= len(ways), 20, "all is on record")
    tokens = relay.found(rb'"access_token" ?: ?"([^"]+)"')
    need(tokens, "a token was given")
    shown = set()
    for path in (daemon.log_file, daemon.audit_file):
        for line in readable(path).splitlines():
            shown.update(re.findall(rb"(?:Refused|Bearer|refused|redirect)[^\n]*", line))
    need(shown or b"repeats a secret" in readable(daemon.audit_file), "there is something to read")
    for text in shown:
        for piece in pieces(text):
            for token in [*tokens, CLIENT_SECRET.encode()]:
                for i in range(0, len(token) - 12, 4):
                    need(token[i:i + 12] not in piece, "a part of the token can be read", text, piece)
    need_nowhere([("token", token) for token in tokens], everything(daemon, own))


def test_environment_that_writes_keys(t):
    """SSLKEYLOGFILE and its like: no file is written, and commands do not inherit them."""
    ground, tenant, relay, daemon, own = lab(t)
    logs = {name: t.path(name) for name in ("SSLKEYLOGFILE", "KRB5_TRACE", "MALLOC_TRACE")}
    handed = t.path("handed.environ")
    command = t.write("look", "#!/bin/sh\ncat > /dev/null\ntr '\\0' '\\n' < /proc/$$/environ > '%s'\n" % handed, 0o755)
    daemon.configure(tenant={"password_command": command, "url": tenant.url})
    ground.person("ada")
    daemon.start(env=logs)
    tenant.wait_user("ada")
    wait_for(lambda: b"PATH=" in readable(handed), 10, "the command ran")
    for name, path in logs.items():
        need(not os.path.exists(path), "no file for %s" % name)
        need(name.encode() not in readable(handed), "not handed on: %s" % name, readable(handed))


def test_secret_files_that_people_write(t):
    """A mark and blanks of an editor are no part of a secret; what is odd otherwise is named, and the secret never."""
    ground, tenant, relay, daemon, own = lab(t)
    ground.person("ada")
    path = daemon.path("tenant.client_secret")

    def write(data, mode=0o600):
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)

    word = CLIENT_SECRET.encode()
    for mode in (0o640, 0o440, 0o600):
        write(b"\xef\xbb\xbf" + word + b"  \r\n\n", mode)
        tenant.clear_users()
        need(daemon.check().code == 0, "fine", oct(mode))
    daemon.once()
    tenant.wait_user("ada")
    for data, says in ((b'"' + word + b'"\n', "quotes"), (b"client_secret=" + word, "a name"), (word + b"\nanother\n", "one line"),
                       (b" " + word, "a blank"), (word[:4] + b"\xc2\xa0" + word[4:], "cannot be seen")):
        write(data)
        answer = daemon.check()
        need(says in answer.err and path in answer.err and CLIENT_SECRET not in answer.err, "named", says, answer)
        answer = daemon.ctl("-c", daemon.config_file, "check", code=None)
        need(says in answer.out + answer.err and CLIENT_SECRET not in answer.out, "beside the 401", says, answer)
    write(word, 0o644)
    need(daemon.check(code=None).code != 0, "others may read it")


def test_no_core_no_reading_along(t):
    """As an ordinary user: core files are off though the limit was none, and others of the same user cannot look in."""
    ground, tenant, relay, daemon, own = lab(t)
    ground.person("ada")
    # A program and a folder that the other user can reach.
    daemon.configure(directory={"tls_ca_file": shutil.copy(daemon.sections["directory"]["tls_ca_file"],
                                                           daemon.path("ca.pem"))})
    front = ["sh", "-c", 'ulimit -S -c $(ulimit -H -c); exec "$@"', "sh"]
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        raise Missing("a limit of core files above 0")
    user = []
    if os.getuid() == 0:
        if not shutil.which("setpriv"):
            raise Missing("setpriv is not installed")
        user = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
        program = shutil.copy(base.built("rosterd"), daemon.path("rosterd.program"))
        os.chmod(t.folder, 0o755)
        for top, folders, files in os.walk(daemon.folder):
            for path in [top, *(os.path.join(top, name) for name in folders + files)]:
                os.chown(path, NOBODY, NOBODY)
    else:
        program = base.built("rosterd")
    daemon.command = lambda *arguments: [*front, *user, program, "-c", daemon.config_file, *arguments]
    daemon.start(wait=False)
    tenant.wait_user("ada")
    pid = daemon.pid
    limits = readable("/proc/%d/limits" % pid).decode()
    need(re.search(r"^Max core file size +0 +0 ", limits, re.M), "no core files", limits)
    need(os.stat("/proc/%d/environ" % pid).st_uid == 0, "its process belongs to root alone")

    def look(other, name):
        script = "import sys; open(sys.argv[1], 'rb').read(1)"
        done = subprocess.run([*user, sys.executable, "-c", script, "/proc/%d/%s" % (other, name)], capture_output=True,
                              text=True, check=False)
        return "may" if done.returncode == 0 else re.findall(r"\w+Error", done.stderr)[-1]

    # Of a process that does not protect itself the same user may see it; else this would show nothing.
    plain = subprocess.Popen([*user, "sleep", "300"])
    t.cleanup(plain.wait)
    t.cleanup(plain.kill)
    wait_for(lambda: readable("/proc/%d/comm" % plain.pid) == b"sleep\n", 10, "sleep")
    need(look(plain.pid, "environ") == "may", "of another's process")
    for name in ("environ", "mem", "maps"):
        need(look(pid, name) == "PermissionError", "not %s of rosterd's" % name, look(pid, name))
    # What it made is for itself.
    for name in ("state.db", "audit.jsonl"):
        mode = os.stat(daemon.path(name)).st_mode & 0o777
        need(mode & 0o037 == 0, "nobody else may read %s" % name, oct(mode))
    daemon.process.send_signal(signal.SIGABRT)
    daemon.wait_end(10, code=-signal.SIGABRT)
    need(not [name for name in os.listdir(daemon.folder) if name.startswith("core")], "no core")
