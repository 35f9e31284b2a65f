"""The Prometheus textfile: true, as Prometheus's own tool wants it, and what rules and dashboard speak of."""

import datetime
import json
import os
import re
import shutil
import stat
import subprocess
import urllib.parse

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


def everything(t, **sections):
    ground = t.shared(Slapd).fresh()
    ground.persons(["ada", "bob"])
    crowd = ground.group("crowd", ["ada", "bob"])
    tenant = t.simulator()
    path = t.path("rosterd.prom")
    d = t.rosterd(ground.server, tenant, ground, metrics={"file": path, "interval": "1s"},
                  rules={"Agents": {"group": crowd, "team": "Customer Service", "roles": "Agent"}}, **sections).start()
    tenant.wait_users(["ada", "bob"])
    return d, path, ground, tenant


def running(t, **sections):
    return everything(t, **sections)[:2]


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


def expiry(url):
    """As openssl sees it in the peer's own certificate."""
    where = urllib.parse.urlsplit(url)
    shown = subprocess.run(["openssl", "s_client", "-connect", "%s:%d" % (where.hostname, where.port)], capture_output=True,
                           text=True, stdin=subprocess.DEVNULL, check=False).stdout
    text = subprocess.run(["openssl", "x509", "-noout", "-enddate"], input=shown, capture_output=True, text=True, check=True).stdout
    end = datetime.datetime.strptime(text.strip().split("=")[1], "%b %d %H:%M:%S %Y %Z")
    return end.replace(tzinfo=datetime.timezone.utc).timestamp()


def test_what_was_measured(t):
    """Lag, answers by class, certificates of both peers, lanes, holds and the audit's line, each by another witness."""
    d, path, ground, tenant = everything(t)
    wait_for(lambda: samples(read(path)).get("rosterd_request_lag_seconds_count", 0) >= 2, 20, "requests in the metrics")
    wait_for(lambda: d.ctl("status", "--json", code=None).json["run"]["current"] is None, 20, "it is over")

    def still():
        before, status, after = samples(read(path)), d.ctl("status", "--json", code=None).json, samples(read(path))
        return (before, status) if before == after and before["rosterd_audit_line"] == status["audit"]["last_seq"] else None

    seen, status = wait_for(still, 20, "a quiet moment")
    rows = [row for row in d.audit(event="intent") if row.get("lag_ms")]
    need(seen["rosterd_request_lag_seconds_count"] == len(rows), "each request that has a lag", seen, rows)
    need(abs(seen["rosterd_request_lag_seconds_sum"] - sum(row["lag_ms"] for row in rows) / 1e3) <= len(rows) * 1e-3,
         "their sum, in seconds", seen, rows)
    for bound in ("0.005", "0.1", "1", "60", "+Inf"):
        limit = float(bound.replace("+Inf", "inf"))
        sure = sum(row["lag_ms"] / 1e3 <= limit for row in rows)
        near = sum((row["lag_ms"] - 1) / 1e3 <= limit for row in rows)
        got = seen['rosterd_request_lag_seconds_bucket{le="%s"}' % bound]
        need(sure <= got <= near, "those within %s s" % bound, got, rows)
    asked = len([r for r in tenant.requests() if "/oauth/" not in r["path"]])
    told = sum(value for name, value in seen.items() if name.startswith("rosterd_tenant_answers_total{"))
    need(told == asked and seen['rosterd_tenant_answers_total{class="done"}'] > 0, "answers by class", told, asked, seen)
    need(seen["rosterd_tenant_certificate_expiry_timestamp_seconds"] == expiry(tenant.url), "the tenant's certificate")
    need(seen["rosterd_directory_certificate_expiry_timestamp_seconds"] == expiry(status["directory"]["uri"]),
         "the directory's certificate")
    need(seen["rosterd_audit_line"] == max(row["seq"] for row in d.audit()), "the audit's line")
    need({'rosterd_queue_lane_operations{lane="%s"}' % lane for lane in ("revocations", "due", "newcomers")} <= set(seen), "lanes")
    read_at = datetime.datetime.fromisoformat(status["directory"]["last_full_read"].replace("Z", "+00:00")).timestamp()
    need(abs(seen["rosterd_directory_last_complete_read_timestamp_seconds"] - read_at) < 0.001, "the last complete read", seen)
    crowd = ground.group("nowhere", ["ada"])
    d.configure(rules={"Agents": {"group": crowd, "team": "Nowhere", "roles": "Agent"}})
    d.ctl("reload")
    wait_for(lambda: samples(read(path)).get('rosterd_held_people{reason="team-missing"}') == 1, 20, "who is held", lambda: read(path))


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
    need(len(dashboard["panels"]) == 12, "panels")
    named = set(re.findall(r"\brosterd_\w+", read(rules) + json.dumps(dashboard)))
    known |= {name + end for name in known for end in ("_bucket", "_sum", "_count") if name.endswith("lag_seconds")}
    need(named <= known, "only what exists", sorted(named - known))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    need(len(expressions) > 15, "expressions")
    written = t.write("dashboard.yml", json.dumps({"groups": [{"name": "dashboard", "rules": [
        {"record": "panel:%d" % i, "expr": text} for i, text in enumerate(expressions)]}]}), 0o644)
    checked = promtool("check", "rules", written)
    need(checked.returncode == 0, "each panel asks what Prometheus understands", checked)
    shutil.copy(rules, t.path("rosterd.rules.yml"))
    shutil.copy(os.path.join(base.ROOT, "tests", "data", "monitoring", "rules_test.yml"), t.path("rules_test.yml"))
    checked = promtool("test", "rules", t.path("rules_test.yml"))
    need(checked.returncode == 0, "the rules fire when they should", checked)
