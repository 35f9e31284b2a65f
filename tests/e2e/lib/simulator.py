"""The tenant under test: tests/simulator/tenant-simulator, and its control interface."""

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from . import base

PROGRAM = "tests/simulator/tenant-simulator"
TEAMS = ["Customer Service", "Sales", "Support"]
ROLES = ["Agent", "Supervisor", "Administrator"]
SKILLS = ["English", "Spanish", "Billing"]


class Simulator:
    """A tenant, whose users are in memory: a restart forgets them.  settings are the simulator's own by name, - or _ alike: token_lifetime=5,
    require_email=True; teams, roles and skills are lists, arguments go to its command line."""

    def __init__(self, folder, teams=TEAMS, roles=ROLES, skills=SKILLS, domain="example.com",
                 client_id="api.user", secret="s3cret-of-the-lab", listen="127.0.0.1:0", arguments=(),
                 **settings):
        self.folder = folder
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self.log_file = os.path.join(folder, "simulator.log")
        self.client_id, self.secret, self.domain = client_id, secret, domain
        self.listen = listen
        self.lists = {"teams": teams, "roles": roles, "skills": skills}
        self.arguments = list(arguments)
        self.initial = settings
        self.process = None
        self.url = self.control_url = None

    # --- life ---

    def start(self, seconds=20):
        secret_file = base.write_file(os.path.join(self.folder, "secret"), self.secret + "\n", 0o600)
        tls = os.path.join(self.folder, "tls")
        os.makedirs(tls, exist_ok=True)
        out = os.path.join(self.folder, "out")
        command = [base.built(PROGRAM), "--listen", self.listen, "--control", "127.0.0.1:0",
                   "--self-signed", tls, "--client", self.client_id, "--secret-file", secret_file,
                   "--domain", self.domain]
        for name, values in self.lists.items():
            command += ["--" + name, ",".join(values)]
        command += self.arguments
        with open(self.log_file, "ab") as log, open(out, "wb") as stdout:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=log,
                                            cwd=self.folder)
        base.register(self.process.pid)

        def up():
            if self.process.poll() is not None:
                raise base.Hopeless("the simulator ended with %d\n%s"
                                    % (self.process.returncode, base.tail(self.log_file)))
            with open(out, encoding="utf-8") as text:
                return re.search(r"control on (\S+)\nlistening on (\S+)\n", text.read())
        found = base.wait_for(up, seconds, "the simulator's address", lambda: base.tail(self.log_file))
        # Control has a port of its own, which stays when the tenant is taken down.
        self.control_url, self.url = found.groups()
        # the same port after a restart, as of a tenant that comes back
        self.listen = self.url.split("//")[1]
        if self.initial:
            self.settings(**self.initial)
        return self

    @property
    def ca_file(self):
        return os.path.join(self.folder, "tls", "ca.pem")

    def stop(self, seconds=10):
        """SIGTERM; it must end well."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise base.Failure("the simulator did not end within %g s" % seconds) from None

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def client(self):
        """What [tenant] of rosterd.conf needs; client_secret is a value."""
        return {"url": self.url, "client_id": self.client_id, "client_secret": self.secret,
                "scope": self.domain, "tls_ca_file": self.ca_file, "max_rate": 1000, "max_concurrent": 8}

    # --- its control interface ---

    def call(self, method, path, body=None):
        """A call below /simulator/; the decoded answer."""
        data = None if body is None else json.dumps(body).encode("utf-8")
        request = urllib.request.Request("%s/simulator/%s" % (self.control_url, path), data, method=method,
                                         headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=15) as answer:
                text = answer.read().decode("utf-8")
        except urllib.error.HTTPError as problem:
            raise base.Failure("%s %s: %d %s" % (method, path, problem.code,
                                                 problem.read().decode("utf-8", "replace"))) from None
        return json.loads(text) if text.strip() else None

    def users(self):
        """All users by login."""
        return {user["loginId"]: user for user in self.call("GET", "users")}

    def user(self, login):
        """One user, None if there is none."""
        return self.users().get(login)

    def seed(self, *users):
        """Makes users by hand (dicts as of the Configuration API), or edits those that exist."""
        rows = [dict({"firstName": "Seeded", "lastName": "User", "team": self.lists["teams"][0]}, **user)
                for user in users]
        return self.call("POST", "users", rows)

    def edit(self, login, **properties):
        """What a supervisor does by hand."""
        return self.call("POST", "users", dict(properties, loginId=login))

    def delete_user(self, login):
        return self.call("DELETE", "users/" + urllib.parse.quote(login, safe=""))

    def clear_users(self):
        return self.call("DELETE", "users")

    def requests(self, method=None, path=None, login=None, since=0):
        """What it was asked (control calls and what was forgotten left out); path is a regular
        expression."""
        rows = self.call("GET", "requests?since=%d" % since)
        return [row for row in rows
                if (method is None or row.get("method") == method)
                and (path is None or re.search(path, row["path"]))
                and (login is None or row.get("login") == login)]

    def writes(self, since=0):
        """Requests that change something at the tenant (tokens are none)."""
        return [row for row in self.requests(since=since)
                if row.get("method") in ("POST", "PUT", "PATCH", "DELETE")
                and not (row["path"]).endswith("oauth/token")]

    def forget_requests(self):
        return self.call("DELETE", "requests")

    def counters(self):
        return self.call("GET", "counters")

    def fault(self, action, **rule):
        """Programs a fault; see tests/simulator/README.md.  fault("status", status=503, count=2)"""
        return self.call("POST", "faults", dict(rule, action=action))["ids"][0]

    def faults(self):
        return self.call("GET", "faults")

    def clear_faults(self):
        return self.call("DELETE", "faults")

    def settings(self, **values):
        return self.call("POST", "settings", {name.replace("_", "-"): value for name, value in values.items()})

    def add(self, kind, *names):
        """kind: teams, roles or skills."""
        return self.call("POST", kind, {"add": list(names)})

    def remove(self, kind, *names):
        return self.call("POST", kind, {"remove": list(names)})

    def revoke_tokens(self):
        return self.call("POST", "revoke-tokens", {})

    def down(self, down=True, how="cut", seconds=None):
        """Takes it away (how: cut, 502, accept) or back."""
        body = {"down": down, "how": how}
        if seconds is not None:
            body["seconds"] = seconds
        return self.call("POST", "down", body)

    # --- waiting ---

    def wait_user(self, login, seconds=30, **properties):
        """Until a user exists, with these properties."""
        def there():
            user = self.user(login)
            return user if user and all(user.get(k) == v for k, v in properties.items()) else None
        return base.wait_for(there, seconds, "user %s %s" % (login, properties or ""),
                             lambda: self.users().get(login, "no such user; there are: %s" % sorted(self.users())))

    def wait_users(self, logins, seconds=30):
        """Until these and no others are users."""
        wanted = sorted(logins)
        return base.wait_for(lambda: sorted(self.users()) == wanted, seconds, "users %s" % wanted,
                             lambda: sorted(self.users()))
