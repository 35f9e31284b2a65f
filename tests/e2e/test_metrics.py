"""The Prometheus textfile: true, as Prometheus's own tool wants it, and what rules and dashboard speak of."""

import json
import os
import re
import shutil
import stat
import subprocess

from lib import Slapd, base, need, wait_for
from lib.base import Missing

MONITORING = os.path.join(base.ROOT, "docs", "monitoring")


def promtool(*arguments, text=None):
    if not shutil.which("promtool"):
        raise Missing("promtool is not installed")
    return subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, check=False)


def samples(text):
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            found[name] = float(value)
    return found


def running(t, **sections):
    ground = t.shared(Slapd).fresh()
    ground.persons(["ada", "bob"])
    crowd = ground.group("crowd", ["ada", "bob"])
    tenant = t.simulator()
    path = t.path("rosterd.prom")
    d = t.rosterd(ground.server, tenant, ground, metrics={"file": path, "interval": "1s"},
                  rules={"Agents": {"group": crowd, "team": "Customer Service", "roles": "Agent"}}, **sections).start()
    tenant.wait_users(["ada", "bob"])
    return d, path


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def test_metrics(t):
    """The file says what rosterctl says, promtool finds nothing to say about it, and it goes when rosterd ends."""
    d, path = running(t)

    def there():
        text = read(path) if os.path.exists(path) else ""
        return text if samples(text).get("rosterd_tenant_users_linked", 0) >= 2 else None

    text = wait_for(there, 20, "the users in the metrics")
    checked = promtool("check", "metrics", text=text)
    need(checked.returncode == 0 and not checked.stderr, "promtool accepts it", checked)
    status = d.ctl("status", "--json", code=None).json
    seen = samples(text)
    need(seen["rosterd_directory_people"] == status["directory"]["people"], "people", seen, status["directory"])
    need(seen["rosterd_directory_groups"] == status["directory"]["groups"], "groups")
    need(seen["rosterd_paused"] == 0 and seen["rosterd_tenant_up"] == 1 and seen["rosterd_directory_up"] == 1, "up", seen)
    need(seen['rosterd_budget_limit{kind="disable"}'] == 5, "a budget", seen)
    need(stat.S_IMODE(os.stat(path).st_mode) == 0o644, "others may read it")
    d.ctl("pause")
    wait_for(lambda: samples(read(path)).get("rosterd_paused") == 1, 10, "paused in the metrics")
    for secret in ("ada", "bob", "example.com"):
        need(secret not in read(path), "nothing personal is in it", secret)
    d.stop()
    need(not os.path.exists(path), "it goes with rosterd")


def test_metrics_cannot_be_written(t):
    """A folder that cannot be written is said once, and work goes on."""
    folder = t.path("missing")
    ground = t.shared(Slapd).fresh()
    ground.person("ada")
    tenant = t.simulator()
    d = t.rosterd(ground.server, tenant, ground, metrics={"file": folder + "/rosterd.prom", "interval": "1s"},
                  rules={"all": {"team": "Customer Service", "roles": "Agent"}}).start()
    tenant.wait_user("ada")
    d.wait_log("The metrics file .* cannot be written")
    os.mkdir(folder)
    d.wait_log("is written again")
    need(d.log().count("cannot be written") == 1, "said once", d.log())


def test_rules_and_dashboard(t):
    """promtool accepts the alert rules; rules and dashboard name only metrics that exist."""
    rules = os.path.join(MONITORING, "rosterd.rules.yml")
    checked = promtool("check", "rules", rules)
    need(checked.returncode == 0, "the rules are accepted", checked)
    d, path = running(t)
    text = wait_for(lambda: os.path.exists(path) and read(path), 20, "the metrics")
    known = set(re.findall(r"^# TYPE (\w+)", text, re.M))
    dashboard = json.loads(read(os.path.join(MONITORING, "grafana.json")))
    need(len(dashboard["panels"]) == 8, "panels")
    named = set(re.findall(r"\brosterd_\w+", read(rules) + json.dumps(dashboard)))
    need(named <= known, "only what exists", sorted(named - known))
