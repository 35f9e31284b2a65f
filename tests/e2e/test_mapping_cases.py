"""rosterctl test and explain --case: people who are written down, and what the rules must make of them."""

import os
import re

from lib import Ds389, Slapd, base, need, wait_for
from lib.mappingcases import Drawn

HERE = {"directory_keys": {"uri": "ldaps://127.0.0.1:1", "base": "dc=example,dc=com", "bind": "anonymous"},
        "tenant_keys": {"url": "https://127.0.0.1:2", "client_id": "x", "client_secret": "word"}}


def try_cases(daemon, *arguments, code=0):
    return daemon.ctl("--config", daemon.config_file, "test", *arguments, code=code)


def write(daemon, name, text):
    path = daemon.path("cases/" + name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return base.write_file(path, text, 0o600)


def test_cases_drawn_at_random(t):
    """40 configurations with 20 people each: what a plain program expects is what the rules give; a changed
    expectation is a failed case. Nothing runs, and nothing is listening."""
    verdicts = set()
    for seed in range(40):
        drawn = Drawn(seed)
        daemon = t.rosterd(name="seed%d" % seed, rules=drawn.configured(), **dict(HERE, **drawn.sections()))
        files = {}
        for n in range(20):
            text, verdict, user = drawn.case(n)
            verdicts.add(verdict)
            files[write(daemon, "%02d.case" % n, text)] = (text, verdict, user)
        answer = try_cases(daemon, "--json", code=None)
        need(answer.code == 0, "seed %d" % seed, try_cases(daemon, code=None), drawn.configured())
        need(answer.json["passed"] == 20 and answer.json["failed"] == 0, "all of them pass", answer.json)
        # Each kind of expectation, turned round in one file.
        path, (text, verdict, user) = drawn.random.choice(sorted(files.items()))
        if verdict == "user":
            name = drawn.random.choice(sorted(k for k, v in user.items() if v and k not in ("role", "skill")))
            text = re.sub(r"(?m)^%s: .*\n" % name, "", text)
        else:
            name, text = "verdict", text.replace("expect: " + verdict, "expect: user")
        base.write_file(path, text, 0o600)
        answer = try_cases(daemon, path, "--json", code=2)
        found = {d["field"] for d in answer.json["cases"][0]["differences"]}
        need(found == {name}, "the difference is named", found, name, text)
    need(len(verdicts) == 4, "each kind of verdict was drawn", verdicts)


def test_what_a_failed_case_says(t):
    """One line for each case; of one that failed what was expected, what came and from which line; exit codes 0, 1, 2."""
    rules = {"Sales": {"group": "cn=sales,dc=example,dc=com", "team": "Sales", "roles": "Agent"},
             "Spanish": {"when": "(preferredLanguage=es*)", "skills": "Spanish:80"}}
    daemon = t.rosterd(rules=rules, user={"login_id": "${uid}"}, **HERE)
    good = ("dn: uid=ada,dc=example,dc=com\nuid: ada\ngivenName: Ada\nsn: Byron\npreferredLanguage: es\n\n"
            "group: cn=sales,dc=example,dc=com\nexpect: user\nlogin_id: ada\nfirst_name: Ada\nlast_name: Byron\n"
            "team: Sales\nrole: Agent\nskill: Spanish:80\n")
    one = write(daemon, "one.case", good)
    two = write(daemon, "two.case", good.replace("team: Sales", "team: Support").replace("skill: Spanish:80\n", "")
                .replace("role: Agent", "role: Agent\nrole: Boss"))
    answer = try_cases(daemon, one)
    need(answer.out == "ok    %s\n1 case, 0 failed\n" % one, "one that passes", answer.out)
    answer = try_cases(daemon, code=2)
    lines = answer.out.splitlines()
    text = daemon.config_file
    line = {row.strip(): n for n, row in enumerate(open(text, encoding="utf-8"), 1)}
    expected = ["ok    " + one, "FAIL  " + two,
                '    ~ team: expected Support, got Sales  rule "Sales" (%s:%d)' % (text, line["team = Sales"]),
                "    - role: expected Boss, got nothing",
                '    + skill Spanish: not expected: 80  rule "Spanish" (%s:%d)' % (text, line["skills = Spanish:80"]),
                "2 cases, 1 failed"]
    need([row for row in lines if "--all" not in row] == expected or not print(answer.out), "both", lines, expected)
    need("member of cn=sales" in try_cases(daemon, "--all", code=2).out, "--all shows what the rules looked at")
    # What cannot be read is no failed case.
    broken = write(daemon, "zzz.case", good.replace("expect", "expct"))
    answer = try_cases(daemon, code=1)
    need("%s: line 8: unknown name 'expct' after the entry; did you mean 'expect'?" % broken in answer.err, "the place",
         answer.err)
    need("No such file" in try_cases(daemon, daemon.path("none.case"), code=1).err, "a file that is not there")
    # A configuration that is broken is told as --check tells it.
    daemon.write_raw_config(open(text, encoding="utf-8").read().replace("team = Sales", "taem = Sales"))
    answer = try_cases(daemon, one, code=1)
    need("unknown key 'taem' in [rule]; did you mean 'team'?" in answer.err, "what is wrong", answer.err)


PERSON = {"givenName": "Adelheid", "sn": "Zwingenberger", "mail": "Adelheid.Zwingenberger@corp.test",
          "telephoneNumber": "+49 30 901820", "employeeType": "Contractor", "description": "Zwingenberger, desk 901820"}
WORDS = ("adelheid", "zwingenberger", "corp.test", "901820")


def explain_as_case(t, server):
    """A person of a real directory as a case: the same verdict without the server, and none of the words."""
    ground = server.fresh()
    uid = "adelheid" + ground.tag
    ground.person(uid, **PERSON)
    for n in range(6):
        ground.person("other%d%s" % (n, ground.tag), employeeType="Contractor" if n < 5 else "Employee")
    group = ground.group("crowd", [uid])
    rules = {"Agents": {"group": group, "team": "Sales", "roles": "Agent"},
             "Contractors": {"when": "(employeeType=contractor)", "skills": "Patience:50"},
             "Zed": {"when": "(sn=zw*)", "skills": "Rare names"},
             "Never": {"when": "(employeeType=Chef)", "team": "Kitchen"}}
    daemon = t.rosterd(server, t.simulator(), ground, rules=rules,
                       user={"login_id": "${uid,,}", "first_name": "${givenName}", "last_name": "${sn}",
                             "email": "${mail,,}", "work_phone": "${telephoneNumber}"})
    daemon.start()
    wait_for(lambda: daemon.ctl("explain", uid, code=None).code == 0, 30, "she is known")
    text = daemon.ctl("explain", uid, "--case").out
    found = [word for word in WORDS if word in text.lower()]
    need(not found, "no word of hers is left", found, text)
    need("employeeType: Contractor" in text, "what many have stays readable", text)
    need(re.search(r"(?m)^sn: Zw[a-z]{11}$", text) and "skill: Rare names:100" in text,
         "letters that a rule asks for stay, and no others", text)
    need("skill: Patience:50" in text and "team: Sales" in text and "group: " + group in text, "the verdict", text)
    path = write(daemon, "her.case", text)
    daemon.stop()
    need("1 case, 0 failed" in try_cases(daemon, path).out, "it holds without daemon and server")
    # It is awake: with another rule it fails.
    daemon.configure(rules=dict(rules, Agents={"group": group, "team": "Support", "roles": "Agent"}))
    need("~ team: expected Sales, got Support" in try_cases(daemon, path, code=2).out, "a change of the rules is seen")
    return text


def test_explain_writes_a_case_openldap(t):
    """Of OpenLDAP."""
    explain_as_case(t, t.shared(Slapd))


def test_explain_writes_a_case_389(t):
    """Of 389 DS, whose schema is another one."""
    explain_as_case(t, t.shared(Ds389))


def test_explain_case_of_somebody_else(t):
    """Of nobody, and of a name that means several, there is none."""
    ground = t.shared(Slapd).fresh()
    ground.person("ada", mail="both@corp.test")
    ground.person("bob", mail="both@corp.test")
    daemon = t.rosterd(ground.server, t.simulator(), ground, rules={"All": {"when": "(uid=*)", "team": "Sales"}})
    daemon.start()
    wait_for(lambda: daemon.ctl("explain", "ada", code=None).code == 0, 30, "she is known")
    need("nobody is known" in daemon.ctl("explain", "zoe", "--case", code=1).err, "nobody")
    need("matches 2 people, and a case is about one" in daemon.ctl("explain", "both@corp.test", "--case", code=1).err, "two")


def test_the_examples_of_the_manual_page(t):
    """Both cases of rosterd.case(5) pass under the rules that they speak of."""
    with open(os.path.join(base.ROOT, "man/rosterd.case.5"), encoding="utf-8") as f:
        blocks = re.findall(r"^\.Bd -literal[^\n]*\n(dn: .*?)^\.Ed$", f.read(), re.M | re.S)
    need(len(blocks) == 2, "they are found", blocks)
    rules = {"Night": {"group": "cn=night,ou=groups,dc=example,dc=com", "team": "Night shift", "roles": "Agent"},
             "Spanish": {"when": "(preferredLanguage=es*)", "skills": "Spanish:80"}}
    daemon = t.rosterd(rules=rules, user={"login_id": "${uid}"}, **HERE)
    for n, text in enumerate(blocks):
        write(daemon, "%d.case" % n, text)
    need("2 cases, 0 failed" in try_cases(daemon).out, "they pass")
