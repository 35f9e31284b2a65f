"""The examples of [notify] command, mail and web hook, as they are in docs/monitoring, under the sandbox of the unit."""

import http.server
import json
import os
import socketserver
import threading

from lib import base, life, need, wait_for
from lib.life import crowd

EXAMPLES = os.path.join(base.ROOT, "docs", "monitoring")
SANDBOX = os.path.join(base.ROOT, "tests", "lab", "unit-sandbox")


class Smtp(socketserver.StreamRequestHandler):
    """As much of a mail server as takes a mail."""

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.say("220 mail.test")
        mail = {"to": [], "text": ""}
        for line in iter(self.rfile.readline, b""):
            verb = line.decode().strip()
            if verb.upper().startswith("MAIL FROM:"):
                mail["from"] = verb[10:].split()[0]
            elif verb.upper().startswith("RCPT TO:"):
                mail["to"].append(verb[8:])
            elif verb.upper() == "DATA":
                self.say("354 go on")
                for text in iter(self.rfile.readline, b".\r\n"):
                    mail["text"] += text.decode()
                self.server.got.append(mail)
            elif verb.upper() == "QUIT":
                self.say("221 bye")
                return
            self.say("250 ok")


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def serve(t, kind, handler):
    server = kind(("127.0.0.1", 0), handler)
    server.got = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    t.cleanup(server.shutdown)
    return server


def example(t, name, placeholder, address):
    with open(os.path.join(EXAMPLES, name), encoding="utf-8") as text:
        script = text.read()
    need(script.count(placeholder) == 1, "the example has its placeholder", name)
    return t.write(name, script.replace(placeholder, address), 0o755)


def test_mail_and_web_hook(t):
    """An alarm and its end reach both, though nothing may get privileges, write elsewhere or make other sockets."""
    smtp, hook = serve(t, socketserver.ThreadingTCPServer, Smtp), serve(t, http.server.ThreadingHTTPServer, Hook)
    mail = example(t, "alarm-mail", "smtp://localhost", "smtp://127.0.0.1:%d" % smtp.server_address[1])
    web = example(t, "alarm-webhook", "https://hooks.example.com", "http://127.0.0.1:%d" % hook.server_address[1])
    probe = t.path("probe")
    both = t.write("both", "#!/bin/sh\ndocument=$(cat)\n"
                   "printf '%%s' \"$document\" | '%s' 2>> '%s'\nprintf '%%s' \"$document\" | '%s' 2>> '%s'\n"
                   "grep -E '^(NoNewPrivs|Seccomp|CapBnd):' /proc/self/status > '%s'\n"
                   "touch /usr/lib/x 2>> '%s' || echo read-only >> '%s'\n"
                   % (mail, probe + ".err", web, probe + ".err", probe, os.devnull, probe), 0o755)
    ground, group, tenant = crowd(t, ["ada", "bob"])
    d = life.daemon(t, ground, tenant, {"Agents": {"group": group, "team": "Sales", "roles": "Supervisor"}},
                    guard={"privileged_roles": "Supervisor", "max_privileged": "0"}, notify={"command": both})
    d.wrap = [SANDBOX, t.folder]
    d.start()
    wait_for(lambda: smtp.got and hook.got, 20, "both were told", lambda: (smtp.got, hook.got, d.log_tail()))
    wait_for(lambda: os.path.exists(probe) and "read-only" in open(probe, encoding="utf-8").read(), 10, "the probe")
    with open(probe, encoding="utf-8") as text:
        need(text.read().split() == ["CapBnd:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2", "read-only"], "it is the sandbox")
    path, kind, document = hook.got[0]
    need((path, kind) == ("/rosterd", "application/json") and document["event"] == "alarm"
         and document["cause"] == "budget:privileged", "the web hook has the document", hook.got)
    got = smtp.got[0]
    need(got["from"] == "<rosterd@example.com>" and got["to"] == ["<operators@example.com>"], "from and to", got)
    need("Subject: alarm: budget:privileged (%s)\r\n" % os.uname().nodename in got["text"], "a subject that says it", got)
    need(json.loads(got["text"].split("\r\n\r\n", 1)[1]) == document, "and the same document", got)
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    wait_for(lambda: len(hook.got) >= 2 and len(smtp.got) >= 2, 30, "the end of it", lambda: (hook.got, d.log_tail()))
    need(hook.got[1][2]["event"] == "alarm-over" and "Subject: alarm-over: " in smtp.got[1]["text"], "is told too", hook.got)
    need(open(probe + ".err", encoding="utf-8").read() == "", "without a complaint", probe + ".err")
