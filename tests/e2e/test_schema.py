"""rosterctl --json: every verb, held against docs/schema by a validator that is not ours. (Whatever other tests ask with
--json is held against them too: lib/schema.py.)"""

import copy
import json
import os
import re

from lib import base, life, need, schema, wait_for
from lib.life import PARKED, crowd, settled


def test_schemas_are_valid(t):
    """Each file is a schema, is strict, and each verb of the help has one."""
    del t
    for name in sorted(os.listdir(schema.FOLDER)):
        text = schema.schema(name[:-5])
        schema.jsonschema().Draft202012Validator.check_schema(text)
        need(name == "common.json" or "format_version" in text["required"], "it has a version", name)
    shown = base.run([base.built("rosterctl"), "--help"]).stdout
    verbs = re.findall(r"^  (\w+)(?: .*)?$", shown, re.M)
    need(len(verbs) > 12, "verbs", shown)
    for verb in verbs:
        need(verb == "audit" or os.path.exists(os.path.join(schema.FOLDER, verb + ".json")), "a schema of " + verb)


def test_every_verb(t):
    """All verbs, as they answer in one life, with a failure of each kind."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    ground.person("cyd")
    d = life.daemon(t, ground, tenant, {"Agents": {"group": group, "team": "Night Watch", "roles": "Supervisor"}},
                    guard={"privileged_roles": "Supervisor", "max_privileged": "0"}).start()
    wait_for(lambda: len(life.operations(d, state=PARKED)) == 2, 20, "both wait")
    settled(d)
    seen = {}

    def ask(*words, **options):
        answer = d.ctl(*words, "--json", **dict({"code": None}, **options))
        need(answer.out.strip(), "rosterctl %s says something" % " ".join(words), answer)
        first = json.loads(answer.out if answer.out.startswith("{\n") else answer.out.splitlines()[0])
        need(first["format_version"] == "1.0", "the version", first)
        seen[schema.name_of(words)] = first
        return first

    plan = ask("plan")
    ask("plan", "--config", d.config_file)
    ask("plan", "a")
    ask("explain", "cyd")
    ask("explain", "--case", "ada")
    ask("approve", plan["hash"][:8])
    wait_for(lambda: life.operations(d, reason="team-missing"), 20, "there is no such team")
    for words in (["status"], ["holds"], ["explain", "ada"], ["history", "ada"], ["retry", "--all"], ["sync"], ["sync", "ada"], ["start"],
                  ["pause"], ["resume"], ["reload"], ["config", "show"], ["--config", d.config_file, "check"],
                  ["audit", "key"], ["audit", "verify", d.audit_file], ["audit", "show", d.audit_file],
                  ["audit", "report", d.audit_file], ["audit", "who", "--team", "Night Watch", d.audit_file]):
        ask(*words)
    last = seen["audit-verify"]["last_checkpoint"]
    proof = t.write("proof", d.ctl("audit", "prove", str(max(last - 1, 1)), d.audit_file).out, 0o644)
    ask("audit", "verify", "--proof", proof)
    ask("audit", "erase", "ada", "--reason", "x")
    case = t.write("ada.case", d.ctl("explain", "--case", "ada").out, 0o644)
    ask("--config", d.config_file, "test", case)
    for words, code in ((["explain", "nobody"], "not-found"), (["approve", "00000000"], "nothing-to-approve"), (["nonsense"], "invalid-parameter"),
                        (["--socket", t.path("none"), "status"], "unreachable")):
        answer = d.ctl(*words, "--json", code=None)
        need(json.loads(answer.out)["error"] == code and json.loads(answer.out)["format_version"] == "1.0", "a failure", words, answer)
        need(not schema.complaints("error", json.loads(answer.out)), "as its schema says", answer)
    need(set(seen) >= {name[:-5] for name in os.listdir(schema.FOLDER)} - {"common", "error"}, "every schema was used",
         sorted(seen))
    # The oracle is awake: another member, another type and a missing version are found in each of them.
    for name, answer in seen.items():
        strict = name != "audit-show"
        changed = copy.deepcopy(answer)
        changed["surprise"] = 1
        need(not strict or schema.complaints(name, changed), "an unknown member is found", name)
        for member in answer:
            changed = copy.deepcopy(answer)
            changed[member] = [[1.5]]
            need(not (strict or member in ("seq", "time", "event")) or schema.complaints(name, changed), "another type is found", name, member)
        changed = copy.deepcopy(answer)
        del changed["format_version"]
        need(schema.complaints(name, changed), "a missing version is found", name)
