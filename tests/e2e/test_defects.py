"""What the first people who ran rosterd found wrong, D1 to D15, each tried again as they met it. D7 is among the mistakes of
test_mistakes, D9 and the unit's credentials of D8 are in tests/package/run."""

import gzip
import json
import os
import re
import subprocess

from lib import Slapd, base, life, need, wait_for
from lib.life import AGENTS, crowd, settled


def company(t, people=("ada", "bob", "cyd"), **sections):
    ground, group, tenant = crowd(t, list(people))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, **sections)
    return ground, group, tenant, d


def status_of(d):
    return d.ctl("status", "--json", code=None).json


def test_taken_is_not_given(t):
    """D1: history and audit show tell a skill that was taken from one that was given, without colour."""
    ground, group, tenant = crowd(t, ["ada"])
    billing = life.group(ground, "billing", ["ada"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group), "Billing": {"group": billing, "skills": "Billing:50"}})
    d.start()
    tenant.wait_user("ada", skills={"English": 80, "Billing": 50})
    settled(d)
    ground.leave(billing, "ada")
    tenant.wait_user("ada", skills={"English": 80})
    settled(d)
    for words in (["history", "ada"], ["audit", "show", d.audit_file]):
        rows = re.findall(r"^ *([-+~]) skill:Billing +50\b", d.ctl(*words).out, re.M)
        need(rows[0] == "+" and rows[-1] == "-" and set(rows) == {"+", "-"}, "given, then taken", words, rows)


def test_history_of_compressed_files(t):
    """D2: what a compressed file says of a person is part of the history; a file that cannot be read is named."""
    ground, group, tenant, d = company(t)
    d.start()
    tenant.wait_users(["ada", "bob", "cyd"])
    settled(d)
    before = d.ctl("history", "ada").out
    need(len(before.splitlines()) > 3, "a history", before)
    first, second = d.audit_file + ".2.gz", d.audit_file + ".1"
    with open(d.audit_file, "rb") as data:
        lines = data.read().splitlines(True)
    os.rename(d.audit_file, second)  # as logrotate does; then it compresses
    with gzip.open(first, "wb") as out:
        out.writelines(lines)
    os.unlink(second)
    need(d.ctl("history", "ada").out == before, "the same history", before)
    with open(first, "r+b") as out:
        out.truncate(os.path.getsize(first) // 2)
    answer = d.ctl("history", "ada", code=2)
    need("The audit has nothing" not in answer.out and "not whole: %s\n" % os.path.basename(first) in answer.out, "the file is named", answer)
    answer = d.ctl("audit", "show", first, code=2)
    need("not to be relied on" in answer.err, "show says so as well", answer)
    os.unlink(first)


def test_alarms_end_with_their_cause(t):
    """D3: an alarm whose cause ended while rosterd was down is over once the tenant answers, and its end is told; so is one of
    an outage."""
    ground, group, tenant, d = company(t, notify={"alarm_after": "100ms"})
    secret = d.path("tenant.client_secret")
    with open(secret, encoding="utf-8") as file:
        text = file.read()
    os.unlink(secret)
    d.start()
    wait_for(lambda: status_of(d)["alarms"], 20, "an alarm")
    d.stop()
    t.write(os.path.relpath(secret, t.folder), text, 0o600)
    d.start()
    tenant.wait_users(["ada", "bob", "cyd"])
    wait_for(lambda: status_of(d)["health"] == "ok" and not status_of(d)["alarms"], 20, "all is well", lambda: status_of(d)["alarms"])
    d.ctl("status", code=0)
    settled(d)
    tenant.down()
    ground.replace("ada", sn="Newname")
    wait_for(lambda: len(d.audit(event="alarm")) >= 2, 20, "an alarm of the outage")
    d.stop()
    tenant.down(False)
    d.start()
    wait_for(lambda: status_of(d)["health"] == "ok" and not status_of(d)["alarms"], 20, "all is well again", lambda: status_of(d)["alarms"])
    settled(d)
    began, over = (len(d.audit(event=event)) for event in ("alarm", "alarm-over"))
    need(began >= 2 and began == over, "each that began is over", began, over)


def test_verify_vouches_for_no_altered_line(t):
    """D4: the altered line is named, it is not among those before it, and of two neighbours both are found."""
    _, _, tenant, d = company(t, ["p%02d" % i for i in range(20)])
    d.once()
    with open(d.audit_file, "rb") as data:
        good = data.read().splitlines(True)
    copy = t.path("copy.jsonl")
    for altered in ([1], [2], [len(good) // 2], [len(good) // 2, len(good) // 2 + 1], [len(good) - 3]):
        lines = list(good)
        for n in altered:
            lines[n - 1] = re.sub(rb'"t":"20', b'"t":"19', lines[n - 1], count=1)
            need(lines[n - 1] != good[n - 1], "it is another line", n, good[n - 1])
        with open(copy, "wb") as out:
            out.writelines(lines)
        answer = d.ctl("audit", "verify", copy, code=2)
        text = re.sub(r"\s+", " ", answer.out)
        for n in altered:
            need(re.search(r"(line |:)%d\b" % n, text), "line %d is named" % n, answer.out)
        for vouched in re.findall(r"(\d+) lines? before (?:it|them) (?:is|are) whole", text):
            need(int(vouched) < altered[0], "no altered line is among the whole ones", altered, answer.out)
        found = d.ctl("audit", "verify", copy, "--json", code=2).json
        need(found["lines"] == len(good), "all were looked at", found)


def test_a_candidate_has_no_hash(t):
    """D5: nothing that plan --config or a dry run prints can be mistaken for something to approve."""
    _, _, tenant, d = company(t, guard={"max_create": "0"})
    d.start()
    wait_for(lambda: len(life.operations(d, state=life.PARKED)) == 3, 20, "they wait")
    with open(d.config_file, encoding="utf-8") as file:
        candidate = t.write("new.conf", file.read().replace("Customer Service", "Sales"), 0o600)
    plan = d.ctl("plan", "--json", code=2).json["hash"]
    text = d.ctl("plan", "--config", candidate, code=2).out
    for text in (text, d.dry_run(code=2).out):
        need(not re.search(r"approve [0-9a-f]{4}|^Plan ", text, re.M) and plan[:8] not in text, "no hash", text)
        need("Would wait for you: 3 changes\n" in text and not re.search("Will be done|Waits for", text), "what would be", text)


def test_budgets_are_of_now(t):
    """D6: after a first load nothing pends and what was made is spent, at once and after a restart."""
    _, _, tenant, d = company(t, guard={"max_create": "100"})
    d.start()
    tenant.wait_users(["ada", "bob", "cyd"])
    settled(d)
    for _ in range(2):
        create = next(b for b in status_of(d)["budgets"] if b["kind"] == "create")
        need((create["spent"], create["pending"], create["limit"]) == (3, 0, 100), "of now", create)
        need(re.search(r"^create +100 +3 +0$", d.ctl("status", code=None).out, re.M), "as text", d.ctl("status", code=None).out)
        d.restart()
        wait_for(lambda: status_of(d)["tenant"]["state"] == "ok", 20, "the tenant")


def test_reload_is_the_unit_s_reload(t):
    """D10: what systemctl reload runs waits for the answer and fails with a broken file."""
    _, _, tenant, d = company(t)
    for name in ("rosterd.service.in", "rosterd@.service.in"):
        with open(os.path.join(base.ROOT, "systemd", name), encoding="utf-8") as unit:
            found = re.findall(r"^ExecReload=(.*)$", unit.read(), re.M)
        need(len(found) == 1 and re.match(r"@bindir@/rosterctl --config @sysconfdir@/rosterd/(rosterd|%i)\.conf reload$", found[0]), "the unit", name, found)
    d.start()
    d.write_raw_config("[nonsense\n")
    d.ctl("reload", code=1)
    d.configure(rules=d.rules)
    d.ctl("reload", code=0)


def test_a_leaver_s_hour_is_told(t):
    """D11: plan and explain say when somebody who left will be disabled."""
    ground, group, tenant, d = company(t, lifecycle={"leave_grace": "2h"})
    d.start()
    tenant.wait_users(["ada", "bob", "cyd"])
    settled(d)
    ground.leave(group, "ada")
    due = wait_for(lambda: [o for o in d.ctl("plan", "--json", code=None).json["operations"] if o["kind"] == "disable"], 20, "planned")
    day, hour = due[0]["not_before"].rstrip("Z").split("T")
    for words in (["plan"], ["explain", "ada"]):
        text = d.ctl(*words, code=None).out
        need(re.search(r"due %s %s UTC \(in 1h \d+min" % (day, hour[:8]), text), "when", words, text)


def test_an_adoption_shows_what_follows(t):
    """D12: what an approved adoption does afterwards was in the plan, field by field, and nothing else is done."""
    ground, group, tenant = crowd(t, ["ada"])
    tenant.add("skills", "German")
    tenant.seed({"loginId": "ada", "firstName": "Old", "lastName": "Name", "team": "Sales", "roles": ["Agent"], "skills": {"German": 5}})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    wait_for(lambda: life.operations(d, state=life.PARKED), 20, "it waits")
    plan = d.ctl("plan", "--json", code=2).json
    planned = {c["field"]: (c["from"], c["to"]) for o in plan["operations"] for c in o["changes"]}
    need(planned["team"] == ("Sales", "Customer Service") and "skill:German" not in planned, "it is in the plan; a skill that rosterd did not give stays", planned)
    d.ctl("approve", plan["hash"][:8])
    tenant.wait_user("ada", team="Customer Service", skills={"English": 80, "German": 5})
    settled(d)
    done = {}
    for row in d.audit(event="intent"):
        if row["operation"] != "adopt":
            done.update(life.changes_of(row))
    need(done == {field: planned[field] for field in done} and set(done) == set(planned), "that was done", done, planned)


def test_whose_fault_a_secret_is(t):
    """D13: a secret that is not there is no refusal of the tenant's, in the log, in status, holds and alarms."""
    _, _, tenant, d = company(t)
    os.unlink(d.path("tenant.client_secret"))
    d.start()
    wait_for(lambda: status_of(d)["alarms"], 20, "an alarm")
    said = d.log() + d.ctl("status", code=None).out + d.ctl("holds", code=None).out
    need("refuse" not in said.lower() and "privileges" not in said and d.path("tenant.client_secret") in said, "our own file", said)


def test_an_unknown_cause(t):
    """D14: a cause under which nothing waits is refused, and where the causes stand is said."""
    _, _, tenant, d = company(t)
    d.configure(rules={"Agents": dict(d.rules["Agents"], team="Nightwatch")})
    d.start()
    wait_for(lambda: life.operations(d, reason="team-missing"), 20, "held")
    answer = d.ctl("retry", "--cause", "nonsense", code=1)
    need("nonsense" in answer.err and "rosterctl holds" in answer.err, "it is said", answer)
    need("team:Nightwatch" in d.ctl("holds", code=2).out, "they stand there")
    need("3 operations" in d.ctl("retry", "--cause", "team:Nightwatch").out, "the right one")


def test_small_things(t):
    """D15: no broken pipe, no empty file name, no line 0; dry run and plan tell a value's source in one way."""
    ground, group, tenant, d = company(t)
    dry = d.dry_run(code=2).out
    d.start()
    tenant.wait_users(["ada", "bob", "cyd"])
    settled(d)
    d.ctl("pause")
    ground.replace("ada", sn="Newname")
    wait_for(lambda: d.ctl("plan", "--json", code=None).json["operations"], 20, "planned")
    source = re.compile(r' {2}((?:rule ".*"|\[user\] \w+) \(rosterd\.conf:[1-9]\d*\))$', re.M)
    need(source.search(dry) and source.search(d.ctl("plan", code=2).out), "one way", dry)
    with open(d.config_file, encoding="utf-8") as file:
        candidate = t.write("new.conf", file.read() + "\n[rule \"Idle\"]\nwhen = (employeeType=x)\n", 0o600)
    problems = d.ctl("plan", "--config", candidate, code=None).out
    for text in (dry, problems, d.ctl("explain", "ada").out):
        need(not re.search(r"\.conf:0\b|^ *: (warning|error)", text, re.M), "places are places", text)
    need(re.search(r"new\.conf:\d+(:\d+)?: warning: rule 'Idle' gives nothing", problems), "with its file", problems)
    command = "%s audit show %s | head -n 1" % (base.built("rosterctl"), d.audit_file)
    shown = subprocess.run(["bash", "-o", "pipefail", "-c", "for i in $(seq 50); do cat %s; done > %s; %s" % (
        d.audit_file, t.path("long.jsonl"), command.replace(d.audit_file, t.path("long.jsonl")))], capture_output=True, text=True, check=False)
    need("roken pipe" not in shown.stderr and shown.stdout.count("\n") == 1, "a reader that leaves early", shown)
    json.loads(d.ctl("plan", "--json", code=2).out)
