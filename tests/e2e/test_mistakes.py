"""The mistakes of a directory administrator who is new to rosterd: each is told where it stands, what it is and what to do.
Numbers are those of the list by which the sentences were once judged; a row is one mistake."""

import os
import re
import subprocess

from lib import Slapd, base, need, wait_for
from lib.rosterd import config_text

GOOD = {"QA": {"group": "@qa", "team": "Quality", "roles": "Agent"},
        "All": {"when": "(objectClass=inetOrgPerson)", "team": "Customer Service", "roles": "Agent"}}


class Ground:
    """A company of 12, a tenant with its teams, and one configuration that is right."""

    def __init__(self, t):
        self.ground = t.shared(Slapd).fresh()
        uids = ["p%d" % n for n in range(10)]
        for n, uid in enumerate(uids):
            self.ground.person(uid, employeeType="Employee" if n else "Contractor", preferredLanguage="es-MX")
        self.qa = self.ground.group("cc-quality", uids[:2])
        self.tenant = t.simulator()
        self.tenant.add("teams", "Quality")
        self.tenant.add("skills", "German")
        self.tenant.seed({"loginId": "sheila", "firstName": "S", "lastName": "T", "team": "Customer Service",
                          "roles": ["Agent"], "skills": {"German": 50}})
        self.daemon = t.rosterd(self.ground.server, self.tenant, self.ground, rules=self.rules())
        self.good = open(self.daemon.config_file, encoding="utf-8").read()

    def rules(self, **changes):
        rules = {name: dict(keys, **({"group": self.qa} if keys.get("group") == "@qa" else {}))
                 for name, keys in GOOD.items()}
        for name, keys in changes.items():
            rules.setdefault(name, {}).update(keys)
        return rules

    def line(self, start):
        with open(self.daemon.config_file, encoding="utf-8") as f:
            return next((n for n, row in enumerate(f, 1) if row.startswith(start)), 0)

    def with_text(self, text):
        self.daemon.write_raw_config(text)
        return self.daemon.check(code=None)

    def checked(self):
        """rosterctl check: its exit code, and the sentences that are no "ok"."""
        answer = self.daemon.ctl("--config", self.daemon.config_file, "check", "--json", code=None)
        items = answer.json["items"]
        rules = ["%s: %s" % (row["rule"], row["note"]) for row in answer.json["rules"] if row["note"]]
        return answer.code, ["%s %s: %s" % (item["level"], item["subject"], item["sentence"]) for item in items
                             if item["level"] != "ok"] + rules


def replaced(text, old, new):
    need(old in text, "it is there to be replaced", old, text)
    return text.replace(old, new, 1)


# What the file alone tells: number, (text to be replaced, by what) or a function, what must be said, and the exit code.
IN_THE_FILE = [
    (1, ("uri = ", "url = "), r"rosterd\.conf:\d+:1: error: unknown key 'url' in \[directory\]; did you mean 'uri'\?", 2),
    (2, ("[user]", "[users]"), r":\d+:\d+: error: unknown section \[users\]; did you mean \[user\]\?", 2),
    (3, ("roles = Agent", "role = Agent"), r":\d+:1: error: unknown key 'role' in \[rule\]; did you mean 'roles'\?", 2),
    (4, ('[rule "QA"]', "[rule QA]"), r"the second word of a section stands in double quotes, as in \[rule \"NAME\"\]", 2),
    (4, ('[rule "QA"]', "[rule “QA”]"), r"the second word of a section stands in double quotes, as in \[rule \"NAME\"\]", 2),
    (5, ("group = cn=", "group = "), r":\d+:\d+: error: .*is not a distinguished name: '=' is missing after an attribute type "
                                     r"at byte \d+", 2),
    (6, ("when = (objectClass=inetOrgPerson)", "when = (&(objectClass=inetOrgPerson)(uid=a*)"),
     r":\d+:\d+: error: .*'\)' is (missing at the end of the value|expected, found the end of the filter)", 2),
    (7, ("when = (objectClass=inetOrgPerson)", "when = preferredLanguage=es*"),
     r"a filter stands in brackets: \(preferredLanguage=es\*\)", 2),
    (8, ("login_id = ${uid}", "login_id = ${uid,,"), r":\d+:\d+: error: .*'\}' is missing after 'uid'", 2),
    (8, ("login_id = ${uid}", "login_id = $uid"), r"'\$' must be followed by \{attribute\}; a dollar sign is \$\$", 2),
    (8, ("login_id = ${uid}", "login_id = ${uid:lower}"), r":\d+:\d+: error: .*\$\{uid", 2),
    (9, ("login_id = ${uid}", "login_id = uid"),
     r":\d+:\d+: error: .*'uid'.*\$\{uid\}", 2),
    (9, ("login_id = ${uid}", "login_id = %{uid}"), r":\d+:\d+: error: .*\$\{", 2),
    (10, ("roles = Agent", "skills = Spanish:120"),
     r":\d+:\d+: error: .*'120' is not a level; a whole number from 0 to 100 is expected", 2),
    (10, ("roles = Agent", "skills = Spanish:80%"), r"'80%' is not a level; a whole number from 0 to 100 is expected", 2),
    (11, ("roles = Agent", "skills = Spanish=100"), r":\d+:\d+: error: .*a level follows ':' and not '='", 2),
    (12, ("team = Quality", "team = Quality # the QA people"), r":\d+:\d+: warning: .*comment", 0),
    (12, ("roles = Agent", "roles = Agent   # everybody"), r":\d+:\d+: warning: .*comment", 0),
    (24, ("bind_password_file = ", "bind_password = geheim\nbind_password_file = "),
     r"a secret does not stand in the configuration: put it into a file of its own and name that by 'bind_password_file'", 2),
    (27, ("\nclient_id = ", "/configapi/v2\nclient_id = "), r":\d+:\d+: error: \[tenant\] url: .*path", 2),
    (30, ("roles = Agent", "  roles = Agent"),
     r":\d+:\d+: .*an indented line continues the value above; begin it in the first column", 2),
    (31, ("[user]", "[guard]\nmax_disable = five\n[user]"), r":\d+:\d+: error: .*'five'.*", 2),
    (31, ("[user]", "[lifecycle]\nleave_grace = 1 week\n[user]"), r":\d+:\d+: error: .*'1 week'.*\b(7d|30s|2h|days?)\b", 2),
]


def test_what_the_file_tells(t):
    """Mistakes 1 to 12, 24, 27, 30 and 31: rosterd --check names file, line and column, and what is expected."""
    g = Ground(t)
    failures = []
    need(g.with_text(g.good).code == 0, "the configuration is right as it is", g.daemon.check(code=None))
    for number, (old, new), pattern, code in IN_THE_FILE:
        answer = g.with_text(replaced(g.good, old, new))
        if not re.search(pattern, answer.err) or answer.code != code:
            failures.append("%d: %r, exit %d (right %d)\n%s\nis not %s" % (number, new, answer.code, code, answer.err, pattern))
        if "bind_password" in new and "geheim" in answer.err + answer.out:
            failures.append("24: the secret is shown: %s" % answer.err)
    need(not failures, "each mistake is told", "\n\n".join(failures))


def test_files_of_other_systems(t):
    """Mistake 32: a byte order mark and CR LF are taken, and said."""
    g = Ground(t)
    answer = g.with_text("\ufeff" + g.good.replace("\n", "\r\n"))
    need(answer.code == 0, "it is accepted", answer)
    need(len(re.findall(r"warning: ", answer.err)) >= 2 and re.search("byte order mark", answer.err, re.I)
         and re.search("CR LF|carriage return", answer.err, re.I), "and said", answer.err)


def check_rows(g):
    """What only the directory and the tenant can tell: number, configuration, what must be said, exit code."""
    qa = g.qa
    good_tenant = dict(g.daemon.sections["tenant"])
    return [
        (9, {"user": {"login_id": "${l:-same}"}}, {}, r"people wait: .*both give the login .*: change one of them", None),
        (13, {}, {"QA": {"team": '"Quality"'}}, r"no team '\"Quality\"'; did you mean 'Quality'\?", 2),
        (14, {}, {"QA": {"group": qa.replace("cc-quality", "cc-qualty")}},
         r"error rule \"QA\": .*:\d+: the group cn=cc-qualty,.* is not in the directory; did you mean 'cn=cc-quality", 2),
        (15, {}, {"All": {"when": "(preferedLanguage=es*)"}}, r"prefer(r)?edLanguage.*did you mean 'preferredLanguage'|nobody of \d+ "
         r"people has the attribute preferedLanguage, which the mapping reads: is the name right", None),
        (16, {}, {"Contractors": {"when": "(employeeType=Contracter)", "roles": "Agent"}},
         r"Contractors: nobody: \(employeeType=Contracter\); seen values of employeeType: Employee 9, Contractor 1 \(did you mean "
         r"'Contractor'\?\)", 0),
        (17, {}, "shadow", r"QA: never first: \"All\" \(line \d+\) is before it", 0),
        (18, {}, {"QA": {"team": "Qualtiy"}}, r"error team Qualtiy: .*no team 'Qualtiy'; did you mean 'Quality'\?", 2),
        (19, {}, {"QA": {"skills": "Germn:50"}}, r"warning skill Germn: .*has the skill 'Germn'; did you mean 'German'\?", 0),
        (19, {}, {"QA": {"roles": "Agnt"}}, r"warning role Agnt: .*did you mean 'Agent'\?", 0),
        (20, {"directory": {"tls_ca_file": g.tenant.ca_file}}, {},
         r"not trusted with the CA certificates of %s: .*\(certificate .*, issued by .*, valid from .* to .*\)"
         % re.escape(g.tenant.ca_file), 2),
        (21, {"directory": {"bind_password": "wrong"}}, {},
         r"the server refuses the bind as .* \(password of .*\): Invalid credentials \(LDAP code 49\)", 2),
        (22, {"tenant": {"client_secret": "wrong"}}, {},
         r"answered 401: .*invalid_client: .*\. Check \[tenant\] client_id and client_secret_file$", 2),
        (22, {"tenant": {"scope": "acme.example.org"}}, {},
         r"answered 40\d: .*invalid_scope: .*\. Check \[tenant\] scope: the tenant's domain name$", 2),
        (25, {"directory": {"uri": "ldaps://127.0.0.1:1"}}, {}, r"127\.0\.0\.1:1: .*the connection was refused", 2),
        (25, {"directory": {"uri": "ldaps://ldap.corp.invalid"}}, {}, r"the host name ldap\.corp\.invalid cannot be resolved", 2),
        (25, {"tenant": dict(good_tenant, url="https://127.0.0.1:1")}, {}, r"127\.0\.0\.1.*: the connection was refused", 2),
        (25, {"tenant": dict(good_tenant, url="https://acme.corp.invalid")}, {},
         r"acme\.corp\.invalid: the host name cannot be resolved", 2),
        (26, {"directory": {"base": g.ground.dn.replace("ou=", "ou=x")}}, {},
         r"error \[directory\] base: the server does not show .*Is the name right, and may the account read it\?", 2),
    ]


def test_what_the_servers_tell(t):
    """Mistakes 9 and 13 to 26: rosterctl check, against a real directory and the tenant."""
    g = Ground(t)
    failures = []
    code, said = g.checked()
    need(code == 0 and said == [], "the configuration is right as it is", said)
    original = {name: dict(keys) for name, keys in g.daemon.sections.items()}
    for number, sections, rules, pattern, right in check_rows(g):
        g.daemon.sections = {name: dict(keys) for name, keys in original.items()}
        if rules == "shadow":
            both = g.rules()
            g.daemon.configure(rules={"All": both["All"], "QA": both["QA"]}, **sections)
        else:
            g.daemon.configure(rules=g.rules(**rules), **sections)
        code, said = g.checked()
        if not re.search(pattern, "\n".join(said), re.M) or (right is not None and code != right):
            failures.append("%d: exit %d (right %s)\n%s\nis not %s" % (number, code, right, "\n".join(said), pattern))
        if any("refused synchronisation" in text for text in said):
            failures.append("%d: speaks of something else first: %s" % (number, said))
    need(g.tenant.writes() == [], "nothing was written")
    need(not failures, "each mistake is told", "\n\n".join(failures))


def test_people_with_mistakes(t):
    """Mistakes 28 and 29: two who share a login are both named, and a level of 120 with its DN, attribute, value and rule;
    neither counts among those who would be users."""
    g = Ground(t)
    g.ground.person("twin", description="p1")
    g.ground.person("odd", description="odd", title="Billing:120")
    g.daemon.configure(rules=g.rules(All={"skills_from": "title"}), user={"login_id": "${description:-${uid}}"})
    for uid in ("p1",):
        g.ground.replace(uid, description="p1")
    code, said = g.checked()
    text = "\n".join(said)
    need(re.search(r"2 people wait: uid=(p1|twin),.* and uid=(p1|twin),.* both give the login p1: change one of them", text),
         "both are named", said)
    need(re.search(r"uid=odd,[^:]*: .*attribute 'title', value 'Billing:120', for rule 'All': .*0 to 100", text), "the level", said)
    items = g.daemon.ctl("--config", g.daemon.config_file, "check", "--json", code=None).json["items"]
    people = next(item["sentence"] for item in items if item["subject"] == "people")
    need(people.startswith("9 would be users, 3 would be if their values were right"), "nobody of them is counted", people)


def test_a_secret_with_a_wrong_mode(t):
    """Mistake 23: said with the command that mends it, which then mends it. The owner: test_check_rules."""
    g = Ground(t)
    path = g.daemon.path("directory.bind_password")
    os.chmod(path, 0o644)
    answer = g.daemon.check(code=2)
    found = re.search(r"mode 0644.*: (chmod 0600 \S+),", answer.err)
    need(found, "the command", answer.err)
    subprocess.run(found.group(1), shell=True, check=True)
    need(g.daemon.check(code=None).code == 0, "it has mended it")


def test_a_broken_file_at_reload(t):
    """Mistake 33: the caller of reload hears what is wrong, and status says that the file is not what is in force."""
    g = Ground(t)
    g.daemon.start()
    g.daemon.write_raw_config(replaced(g.good, "roles = Agent", "role = Agent"))
    answer = g.daemon.ctl("reload", code=1)
    need("unknown key 'role' in [rule]; did you mean 'roles'?" in answer.err and "old configuration stays in force" in answer.err,
         "the reload", answer.err)
    wait_for(lambda: re.search(r"! the files on disk cannot be loaded +rosterctl check", g.daemon.ctl("status", code=None).out), 20, "status says it",
             lambda: g.daemon.ctl("status", code=None).out)
    g.daemon.write_raw_config(g.good)


def test_a_credential_without_the_service(t):
    """Mistake 34: a secret by the name of a credential, outside the service, is told to be one."""
    g = Ground(t)
    sections = {name: dict(keys) for name, keys in g.daemon.sections.items()}
    sections["directory"].pop("bind_password")
    sections["directory"]["bind_password_file"] = "bind-password"
    secret = sections["tenant"].pop("client_secret")
    sections["tenant"]["client_secret_file"] = base.write_file(g.daemon.path("s"), secret, 0o600)
    g.daemon.write_raw_config(config_text({k: v for k, v in sections.items() if v}, g.rules()))
    code, said = g.checked()
    need(code == 2 and any("bind-password" in text and "credential" in text for text in said), "what is missing", said)


def test_what_a_newcomer_stumbled_over(t):
    """Found by walking through the README in a bare tree: each sentence names the next thing to do."""
    g = Ground(t)
    config = g.daemon.sections
    missing = g.daemon.path("not-there")
    g.daemon.write_raw_config(config_text(
        {name: {k: v for k, v in keys.items() if k not in ("bind_password", "client_secret")}
         for name, keys in config.items() if keys} , g.rules()).replace(
             "[directory]\n", "[directory]\nbind_password_file = %s\n" % missing).replace(
                 "[tenant]\n", "[tenant]\nclient_secret_file = %s\n" % missing))
    answer = g.daemon.check(code=None)
    need("%s is not there: install -o rosterd -g rosterd -m 0600 /dev/stdin %s" % (missing, missing) in answer.err,
         "how a secret is made", answer.err)
    code, said = g.checked()
    need(not any("Manage users" in text for text in said), "no word of privileges when the secret is at fault", said)
    # A CA of one's own: which key names it.
    g.daemon.configure(directory={"tls_ca_file": None}, tenant={"tls_ca_file": None})
    code, said = g.checked()
    for section in ("directory", "tenant"):
        need(any("a CA of your own is named by [%s] tls_ca_file" % section in text for text in said), "the key", section, said)
    # test without files, beside a configuration that has no folder of cases.
    answer = g.daemon.ctl("test", "--config", g.daemon.config_file, code=1)
    need("name files or a folder that hold cases" in answer.err, "what to name", answer.err)
