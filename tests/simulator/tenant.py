"""A running tenant simulator and a client of it, for tests that need a tenant. Standard library only."""
import http.client
import json
import os
import re
import ssl
import subprocess
import tempfile
import time
import urllib.parse

API = "/configapi/v2"
SCIM = API + "/scim/users"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
# What a client sees when a connection ends too early.
CUT = (http.client.HTTPException, ConnectionError, ssl.SSLError)
SHEILA = {"loginId": "sheila.thomas", "password": "ChangeMe", "firstName": "Sheila", "lastName": "Thomas",
          "team": "Customer Service", "extension": "1072", "workPhone": "4151234567",
          "mobilePhone": "6501234567", "email": "sheila.thomas@nowhere.net", "disabled": False,
          "changePassword": True, "skills": {"Spanish": 100, "English": 100},
          "roles": ["Agent", "Supervisor"]}
DATA = {"teams": ["Customer Service", "Sales"], "roles": ["Agent", "Supervisor"],
        "skills": ["Spanish", "English", "Second Line"], "accessNumbers": [{"extension": "9000"}]}


def find_binary():
    here = os.path.dirname(os.path.abspath(__file__))
    top = os.environ.get("abs_top_builddir", os.path.join(here, "..", ".."))
    return os.path.join(top, "tests", "simulator", "tenant-simulator")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "%d %r" % (self.status, self.body[:300])


class Tenant:
    """A simulator on a port of its own, from `with` to its end; `work` is a folder for its certificates."""

    binary = find_binary()
    work = None

    def __init__(self, *options, data=DATA, plain=False, port=0):
        tls = os.path.join(self.work, "tls")
        mode = ["--plain"] if plain else ["--self-signed", tls]
        with tempfile.NamedTemporaryFile("w", dir=self.work, suffix=".json", delete=False) as f:
            json.dump(data, f)
        self.process = subprocess.Popen([self.binary, "--listen", "127.0.0.1:%d" % port, "--data", f.name,
                                         *mode, *options], stdout=subprocess.PIPE, text=True)
        self.plain, self.control_port, self.port = plain, None, None
        while self.port is None:
            line = self.process.stdout.readline()
            match = re.match(r"(listening|control) on https?://127\.0\.0\.1:(\d+)$", line.strip())
            if not match:
                raise AssertionError("the simulator did not start: %r" % line)
            if match[1] == "control":
                self.control_port = int(match[2])
            else:
                self.port = int(match[2])
        self.token = None
        self.ca = os.path.join(tls, "ca.pem")
        self.tls = None if plain else ssl.create_default_context(cafile=self.ca)

    def __enter__(self):
        self.token = self.get_token()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        status = self.process.wait(timeout=10)
        self.process.stdout.close()
        if status != 0:
            raise AssertionError("the simulator ended with status %d" % status)

    def connect(self, timeout=10):
        if self.plain:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.tls)

    def call(self, method, path, body=None, token=True, content_type="application/json", timeout=10,
             connection=None, headers=None):
        c = connection or self.connect(timeout)
        try:
            all_headers = dict(headers or {})
            if token:
                all_headers["Authorization"] = "Bearer " + (token if isinstance(token, str) else self.token)
            if body is not None and not isinstance(body, (str, bytes)):
                body = json.dumps(body)
            if body is not None and content_type:
                all_headers["Content-Type"] = content_type
            c.request(method, path, body=body, headers=all_headers)
            r = c.getresponse()
            return Answer(r.status, r.headers, r.read())
        finally:
            if not connection:
                c.close()

    def get_token(self, **changes):
        return self.ask_token(**changes).json["access_token"]

    def ask_token(self, content_type="application/x-www-form-urlencoded", **changes):
        form = {"client_id": "api.user", "client_secret": "secret", "scope": "tenant.example.com",
                "grant_type": "client_credentials", **changes}
        body = urllib.parse.urlencode({k: v for k, v in form.items() if v is not None})
        return self.call("POST", API + "/oauth/token", body, token=None, content_type=content_type)

    def create(self, **changes):
        user = {k: v for k, v in {**SHEILA, **changes}.items() if v is not None}
        return self.call("POST", API + "/user", user)

    def user(self, login="sheila.thomas"):
        return self.call("GET", API + "/user/" + urllib.parse.quote(login, safe=""))

    def put(self, body, login="sheila.thomas"):
        return self.call("PUT", API + "/user/" + urllib.parse.quote(login, safe=""), body)

    def scim_find(self, login="sheila.thomas"):
        query = urllib.parse.urlencode({"filter": 'userName eq "%s"' % login})
        return self.call("GET", SCIM + "?" + query)

    def scim_id(self, login="sheila.thomas"):
        return self.scim_find(login).json["Resources"][0]["id"]

    def patch(self, *operations, login="sheila.thomas", schemas=(PATCH_URN,)):
        return self.call("PATCH", SCIM + "/" + self.scim_id(login),
                         {"schemas": list(schemas), "Operations": list(operations)})

    def control(self, method, path, body=None):
        answer = self.call(method, "/simulator/" + path, body, token=None)
        if answer.status != 200:
            raise AssertionError("%s %s: %r" % (method, path, answer))
        return answer.json

    def fault(self, action, **rule):
        self.control("POST", "faults", {"action": action, **rule})

    def counters(self):
        return self.control("GET", "counters")


def expect(answer, status, text=None):
    if answer.status != status:
        raise AssertionError("status %d expected, not %r" % (status, answer))
    if text is not None and text not in answer.body.decode():
        raise AssertionError("%r expected in %r" % (text, answer))
    return answer


def same(got, wanted):
    if got != wanted:
        raise AssertionError("%r expected, not %r" % (wanted, got))


def raises(kinds, f, *arguments, **named):
    try:
        got = f(*arguments, **named)
    except kinds as e:
        return e
    raise AssertionError("an exception was expected, not %r" % (got,))


def wait_until(condition, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain: " + what)
        time.sleep(0.01)
