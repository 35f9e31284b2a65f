"""rosterctl check: the table of rules, and the commands by which a person tries what rosterd tries."""

import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

from lib import Ds389, SambaAD, Slapd, base, need


def ctl_check(daemon, *arguments, code=0):
    return daemon.ctl("--config", daemon.config_file, "check", *arguments, code=code)


def company(t):
    """Six employees, two contractors, one Supervisor of the three groups."""
    ground = t.shared(Slapd).fresh()
    uids = ["p%d" % n for n in range(8)]
    for n, uid in enumerate(uids):
        ground.person(uid, employeeType="Contractor" if n > 5 else "Employee", description="only of %s" % uid)
    ground.person("out", employeeType="Ghost")
    groups = {"all": ground.group("all", uids), "boss": ground.group("boss", ["p0"]),
              "empty": ground.group("empty", ["cn=nobody," + ground.server.base])}
    return ground, groups, t.simulator()


def test_the_table_of_rules(t):
    """People and teams taken of each rule, worked out by hand; 'never first' and 'nobody' with what there is (mistakes 16
    and 17 of a user)."""
    ground, groups, tenant = company(t)
    rules = {"Everybody": {"group": groups["all"], "team": "Customer Service"},
             "Bosses": {"group": groups["boss"], "team": "Sales", "roles": "Supervisor"},
             "Contracters": {"when": "(employeeType=Contracter)", "team": "Sales"},
             "Own": {"when": "(description=nothing)", "roles": "Agent"},
             "Empty": {"group": groups["empty"], "roles": "Agent"},
             "Contractors": {"when": "(employeeType=contractor)", "roles": "Agent"}}
    daemon = t.rosterd(ground.server, tenant, ground, rules=rules, scope={"when": "(!(employeeType=Ghost))"})
    answer = ctl_check(daemon, "--json")
    rows = {row["rule"]: row for row in answer.json["rules"]}
    need(list(rows) == list(rules), "each rule, in order", rows)
    found = {name: (row["people"], row["team_taken"]) for name, row in rows.items()}
    need(found == {"Everybody": (8, 8), "Bosses": (1, 0), "Contracters": (0, 0), "Own": (0, None), "Empty": (0, None),
                   "Contractors": (2, None)}, "the counts", found)
    line = next(n for n, text in enumerate(open(daemon.config_file, encoding="utf-8"), 1) if "Everybody" in text)
    notes = {name: row["note"] for name, row in rows.items()}
    need(notes["Everybody"] is None and notes["Contractors"] is None, "nothing is wrong with these", notes)
    need(notes["Bosses"] == 'never first: "Everybody" (line %d) is before it' % line, "shadowed", notes)
    need(notes["Contracters"] == "nobody: (employeeType=Contracter); seen values of employeeType: Employee 6, Contractor "
         "2, Ghost 1 (did you mean 'Contractor'?)", "misspelt", notes)
    need(notes["Own"] == "nobody: (description=nothing); seen values of description: 8 different ones",
         "what is everybody's own is not shown", notes)
    need(notes["Empty"] == "nobody: no member of its group is in scope", "an empty group", notes)
    text = ctl_check(daemon).out
    for row in ("RULE         PEOPLE  TEAM TAKEN  NOTE", "Everybody         8           8", "Own               0           -",
                "Bosses            1           0  ! never first: "):
        need("\n" + row in text, "the table as text", row, text)
    need(tenant.writes() == [], "nothing is written")


def run_commands(commands):
    """What each command gave: (exit code, output), by a plain shell with nothing of rosterd's."""
    script = "".join('%s\necho "=== $?"\n' % row["command"] for row in commands)
    done = subprocess.run(["sh"], input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          check=False, env={"PATH": "/usr/bin:/bin", "TMPDIR": "/tmp"})
    parts = re.split(r"=== (\d+)\n", done.stdout)
    need(len(parts) == 2 * len(commands) + 1, "each command ended", done.stdout)
    return [(int(code), text) for text, code in zip(parts[::2], parts[1::2])]


def try_by_hand(t, server, **directory):
    """Every command that check prints is run: the searches find the people, the requests are answered as check says."""
    ground = server.fresh()
    uids = [name + ground.tag for name in ("ada", "bob")]
    for uid in uids:
        ground.person(uid)
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, ground, directory_keys=directory,
                       rules={"All": {"group": ground.group("all", uids), "team": "Customer Service"}})
    answer = ctl_check(daemon, "--commands", "--json")
    commands = answer.json["commands"]
    text = ctl_check(daemon, "--commands").out
    found = run_commands(commands)
    searches = [(row, got) for row, got in zip(commands, found) if row["program"] == "ldapsearch"]
    requests = [(row, got) for row, got in zip(commands, found) if row["program"] == "curl"]
    need(all(code == 0 for _, (code, _) in searches) and len(searches) >= 3, "every search is answered", searches)
    for uid in uids:
        need(any(uid.lower() in got.lower() and " -s sub" in row["command"] for row, (_, got) in searches),
             "the people are found", uid, searches)
    need(any("namingContexts" in got for _, (_, got) in searches), "the server itself", searches)
    need(any("attributeTypes" in got for _, (_, got) in searches), "its schema", searches)
    by_path = {row["what"].partition("?")[0].rpartition("/")[2]: got for row, got in requests}
    need(len(requests) >= 4 and requests[0][1] == (0, ""), "the token goes into its file", requests[0])
    need(by_path["team"][0] == 0 and "Customer Service" in by_path["team"][1], "the teams", by_path)
    need(any(code == 22 and "404" in got for code, got in by_path.values()), "the user that cannot exist", by_path)
    need(by_path["users"][0] == 0 and "totalResults" in by_path["users"][1], "SCIM", by_path)
    for row in commands:
        need("rosterd-check-" in row["command"] or row["command"] in text, "the text has it", row, text)
    for word in (daemon.sections["directory"].get("bind_password"), daemon.sections["tenant"]["client_secret"]):
        need(not word or "'%s'" % word not in text and "=%s'" % word not in text, "no secret is in them", word)
    need("commands" not in ctl_check(daemon, "--json").json, "only when asked for")
    # The whole text is a script, too, and leaves no token behind.
    done = subprocess.run(["sh"], input=text + 'test ! -e "$token" && echo gone\n', stdout=subprocess.PIPE, text=True,
                          timeout=60, check=False, env={"PATH": "/usr/bin:/bin", "TMPDIR": "/tmp"})
    need(done.stdout.endswith("gone\n") and "Customer Service" in done.stdout, "as one script", done.stdout[-500:])
    need(tenant.writes() == [], "nothing was written")


def test_commands_openldap(t):
    """OpenLDAP over LDAPS, paged by the poll feed as well."""
    try_by_hand(t, t.shared(Slapd))
    try_by_hand(t, t.shared(Slapd), feed="poll")


def test_commands_389(t):
    """389 DS."""
    try_by_hand(t, t.shared(Ds389))


def test_commands_samba(t):
    """Samba as a domain controller."""
    try_by_hand(t, t.shared(SambaAD))


def test_commands_with_names_of_every_kind(t):
    """A base and a filter with apostrophes, blanks and dollars are taken as they are."""
    server = t.shared(Slapd)
    ground = server.fresh()
    odd = "ou=it's $HOME `x`," + ground.dn
    server.add("dn: %s\nobjectClass: organizationalUnit\nou: it's $HOME `x`\n" % odd)
    server.add("dn: uid=eve,%s\nobjectClass: inetOrgPerson\nuid: eve\ncn: eve\nsn: O'Hara\n" % odd)
    daemon = t.rosterd(server, t.simulator(), ground, rules={"All": {"when": "(uid=*)", "team": "Customer Service"}},
                       directory_keys={"base": odd, "filter": "(&(objectClass=inetOrgPerson)(!(sn=it's)))"})
    commands = [row for row in ctl_check(daemon, "--commands", "--json", code=None).json["commands"]
                if row["program"] == "ldapsearch"]
    found = run_commands(commands)
    need(all(code == 0 for code, _ in found) and any("uid: eve" in got for _, got in found), "they work", commands, found)


def test_names_that_no_user_has(t):
    """Mistake 19 of a user: a skill or a role that is misspelt is told from those that users of the tenant have; one that
    resembles none is named without blame; and the privilege that no call can show is named where skills are mapped."""
    ground, groups, tenant = company(t)
    for skill in ("German", "English"):
        tenant.add("skills", skill)
    tenant.seed({"loginId": "sheila", "firstName": "S", "lastName": "T", "team": "Customer Service",
                 "roles": ["Agent", "Supervisor"], "skills": {"German": 50, "English": 100}})
    rules = {"Everybody": {"group": groups["all"], "team": "Customer Service", "roles": "Agent, Supervsor",
                           "skills": "Germn:10, English, Klingon"}}
    daemon = t.rosterd(ground.server, tenant, ground, rules=rules)
    items = ctl_check(daemon, "--json").json["items"]
    warnings = {item["subject"]: item["sentence"] for item in items if item["level"] == "warning"}
    need(warnings.get("skill Germn", "").endswith("has the skill 'Germn'; did you mean 'German'?"), "the skill", warnings)
    need(warnings.get("role Supervsor", "").endswith("did you mean 'Supervisor'?"), "the role", warnings)
    fine = {item["subject"]: item["sentence"] for item in items if item["level"] == "ok"}
    need(fine["roles and skills"].startswith("2 of 5 are seen with users of the tenant; not seen, which need not mean "
                                             "anything: skill 'Klingon'"), "what cannot be judged", fine)
    need("privilege to manage skills" in fine["privileges"], "the privilege", fine)
    daemon.configure(rules={"Everybody": {"group": groups["all"], "team": "Customer Service"}})
    text = ctl_check(daemon).out
    need("privilege to manage skills" not in text and "roles and skills" not in text, "nothing where none are mapped", text)
    need(tenant.writes() == [], "nothing was written")


def test_networks_in_words(t):
    """Mistake 25 of a user: refused, no such host, reset, nobody answers, certificate: each is said for directory and tenant."""
    ground, groups, tenant = company(t)
    refused = base.free_port()
    reset = socket.socket()
    reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reset.bind(("127.0.0.1", 0))
    reset.listen(8)
    t.cleanup(reset.close)

    def slam():
        while True:
            try:
                other, _ = reset.accept()
            except OSError:
                return
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            other.close()
    threading.Thread(target=slam, daemon=True).start()
    port = reset.getsockname()[1]
    stranger = t.simulator()
    rows = [("refused", refused, "127.0.0.1", "the connection was refused"),
            ("no such host", 636, "no.such.host.invalid", "host"),
            ("reset", port, "127.0.0.1", "reset")]
    for what, number, host, words in rows:
        daemon = t.rosterd(ground.server, tenant, ground, name="directory " + what,
                           rules={"All": {"group": groups["all"], "team": "Customer Service"}},
                           directory_keys={"uri": "ldaps://%s:%d" % (host, number)})
        errors = [item["sentence"] for item in ctl_check(daemon, "--json", code=2).json["items"] if item["level"] == "error"]
        need(any(words in text and "Can't contact" not in text for text in errors), "directory: " + what, errors)
        daemon = t.rosterd(ground.server, tenant, ground, name="tenant " + what,
                           rules={"All": {"group": groups["all"], "team": "Customer Service"}},
                           tenant_keys={"url": "https://%s:%d" % (host, number)})
        errors = [item["sentence"] for item in ctl_check(daemon, "--json", code=2).json["items"] if item["level"] == "error"]
        need(any(words in text for text in errors), "tenant: " + what, errors)
    for name, keys in (("directory", {"directory_keys": {"tls_ca_file": stranger.ca_file}}),
                       ("tenant", {"tenant_keys": {"tls_ca_file": ground.server.ca_file}})):
        daemon = t.rosterd(ground.server, tenant, ground, name=name + " certificate",
                           rules={"All": {"group": groups["all"], "team": "Customer Service"}}, **keys)
        errors = [item["sentence"] for item in ctl_check(daemon, "--json", code=2).json["items"] if item["level"] == "error"]
        need(any("certificate" in text and ".pem" in text for text in errors), "certificate of the " + name, errors)


def test_a_secret_of_somebody_else(t):
    """Mistake 23 of a user: a secret that the service may not read, or others may, is told with the command that mends
    it; the command is run, and then nothing is said."""
    if os.geteuid() != 0:
        need(not os.environ.get("CI"), "only root can try it as another user")
        return
    ground, groups, tenant = company(t)
    folder = tempfile.mkdtemp(prefix="rosterd-secret-", dir="/tmp")
    t.cleanup(shutil.rmtree, folder)
    os.chmod(folder, 0o755)
    daemon = t.rosterd(ground.server, tenant, ground, rules={"All": {"group": groups["all"], "team": "Customer Service"}})
    for name in ("password", "ca.pem", "tenant-ca.pem", "secret"):
        base.write_file(os.path.join(folder, name), "", 0o600)
    places = {"bind_password": ("directory", "password"), "client_secret": ("tenant", "secret")}
    for key, (section, name) in places.items():
        base.write_file(os.path.join(folder, name), daemon.sections[section][key] + "\n", 0o600)
    shutil.copy(ground.server.ca_file, os.path.join(folder, "ca.pem"))
    shutil.copy(tenant.ca_file, os.path.join(folder, "tenant-ca.pem"))
    for name in ("ca.pem", "tenant-ca.pem"):
        os.chmod(os.path.join(folder, name), 0o644)
    daemon.configure(directory={"bind_password": None, "bind_password_file": folder + "/password",
                                "tls_ca_file": folder + "/ca.pem"},
                     tenant={"client_secret": None, "client_secret_file": folder + "/secret",
                             "tls_ca_file": folder + "/tenant-ca.pem"})
    config = folder + "/rosterd.conf"
    shutil.copy(daemon.config_file, config)
    os.chmod(config, 0o644)

    def check_as_nobody():
        done = subprocess.run([base.built("rosterd"), "-c", config, "--check-connections"], user=65534, group=65534,
                              extra_groups=[], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                              check=False, cwd="/", env={"PATH": "/usr/bin:/bin", "TMPDIR": "/tmp"})
        return [item["sentence"] for item in json.loads(done.stdout)["items"] if item["level"] != "ok"]
    said = check_as_nobody()
    for name in ("password", "secret"):
        path = os.path.join(folder, name)
        command = "chown nobody %s && chmod 0600 %s" % (path, path)
        need(any("it belongs to root (mode 0600), and nobody must read it: " + command in text for text in said),
             "the owner, and what mends it", said)
        os.chmod(path, 0o644)
    said = check_as_nobody()
    for name in ("password", "secret"):
        path = os.path.join(folder, name)
        need(any("chmod 0600 %s" % path in text for text in said), "the mode, and what mends it", said)
        subprocess.run("chown nobody %s && chmod 0600 %s" % (path, path), shell=True, check=True)
    said = [text for text in check_as_nobody() if folder in text]
    need(said == [], "the commands have mended it", said)
