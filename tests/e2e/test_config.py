"""The configuration as an operator meets it: --check, drop-ins, secrets in files, environment."""

import os
import re
import shutil
import socket
import ssl

from lib import Slapd, base, need
from lib.rosterd import config_text
from lib.tlsfront import TlsFront

RULES = {"Agents": {"when": "(objectClass=person)", "team": "Sales"}}


def sections(daemon, **changes):
    """A whole configuration that names servers which do not exist."""
    secret = base.write_file(daemon.path("secret"), "word\n", 0o600)
    whole = {"directory": {"uri": "ldaps://127.0.0.1:1", "base": "dc=example,dc=com",
                           "bind_dn": "cn=reader,dc=example,dc=com", "bind_password_file": secret},
             "tenant": {"url": "https://127.0.0.1:2", "client_id": "api.user", "client_secret_file": secret},
             "state": {"file": daemon.state_file}, "audit": {"file": daemon.audit_file},
             "control": {"socket": daemon.socket}}
    for name, keys in changes.items():
        whole.setdefault(name, {}).update(keys)
    return whole


def line_of(text, start):
    """The number of the line that begins so."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(start):
            return number
    raise AssertionError("no line begins with %r" % start)


def tree(folder):
    """Everything below a folder: names, sizes and times of change."""
    found = {}
    for top, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(top, name)
            status = os.lstat(path)
            found[path] = (status.st_size, status.st_mtime_ns, status.st_mode)
    return found


def test_all_errors_of_all_files_at_once(t):
    """One --check names every mistake of the file and its drop-ins: file, line, what was meant; exit 2."""
    daemon = t.rosterd(rules=RULES)
    main = config_text(sections(daemon, directory={"feed": "push", "frobnicate": "1"},
                                tenant={"max_rate": "fast", "ur": "https://x.example.com"}),
                       {"Agents": {"when": "(objectClass=person", "taem": "Sales"}})
    daemon.write_raw_config(main)
    os.mkdir(daemon.path("conf.d"))
    first = t.write("rosterd/conf.d/10-first.conf", "[lifecycle]\nleave_grace = soon\nleve_grace = 1h\n")
    second = t.write("rosterd/conf.d/20-second.conf", "[gaurd]\nmax_disable = 5\n[rule \"Night\"]\nteam = A\n"
                                                      "role = Agent\n")
    answer = daemon.check(code=2)
    name = daemon.config_file
    expected = [
        r"%s:%d:\d+: error: \[directory\] feed: 'push' is not one of auto, syncrepl, dirsync, poll"
        % (name, line_of(main, "feed")),
        r"%s:%d:\d+: error: unknown key 'frobnicate' in \[directory\]" % (name, line_of(main, "frobnicate")),
        r"%s:%d:\d+: error: \[tenant\] max_rate: 'fast' is not a number" % (name, line_of(main, "max_rate")),
        r"%s:%d:\d+: error: unknown key 'ur' in \[tenant\]; did you mean 'url'\?" % (name, line_of(main, "ur ")),
        r"%s:%d:\d+: error: .*'\)' is missing" % (name, line_of(main, "when")),
        r"%s:%d:\d+: error: unknown key 'taem' in \[rule\]; did you mean 'team'\?" % (name, line_of(main, "taem")),
        r"%s:2:\d+: error: \[lifecycle\] leave_grace: 'soon' is not a time span" % first,
        r"%s:3:\d+: error: unknown key 'leve_grace' in \[lifecycle\]; did you mean 'leave_grace'\?" % first,
        r"%s:1:\d+: error: unknown section \[gaurd\]; did you mean \[guard\]\?" % second,
        r"%s:5:\d+: error: unknown key 'role' in \[rule\]; did you mean 'roles'\?" % second,
    ]
    for pattern in expected:
        need(re.search(r"^%s" % pattern, answer.err, re.M), "the error %s" % pattern, answer)
    count = len(re.findall(r": error: ", answer.err))
    need(re.search(r"\b%d errors\b" % count, answer.err), "how many there are", count, answer)
    need(answer.out == "", "nothing of success on standard output", answer)
    # The same mistakes keep the daemon from starting, with the same code.
    need(daemon.run(code=2).err == answer.err, "the daemon says the same")


def test_check_does_nothing_else(t):
    """A sound configuration: exit 0, and no file, no lock, no connection."""
    daemon = t.rosterd(rules=RULES)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        port = listener.getsockname()[1]
        daemon.configure(**sections(daemon, directory={"uri": "ldaps://127.0.0.1:%d" % port},
                                    tenant={"url": "https://127.0.0.1:%d" % port}))
        before = tree(daemon.folder)
        answer = daemon.check()
        log = daemon.log_file  # the harness keeps what was printed there
        after = {path: what for path, what in tree(daemon.folder).items() if path != log}
        before.pop(log, None)
        need(after == before, "nothing was made or touched", sorted(set(after) ^ set(before)))
        try:
            listener.accept()
            need(False, "nobody was connected to")
        except BlockingIOError:
            pass
    need("error" not in answer.err, "no error", answer)


def test_drop_ins(t):
    """Drop-ins go over the file in the order of their names; others of the folder are left alone."""
    daemon = t.rosterd(rules=RULES)
    daemon.configure(**sections(daemon, log={"level": "err"}))
    os.mkdir(daemon.path("conf.d"))
    late, early = daemon.path("late.jsonl"), daemon.path("early.jsonl")
    t.write("rosterd/conf.d/20-late.conf", "[audit]\nfile = %s\n" % late)
    t.write("rosterd/conf.d/10-early.conf", "[audit]\nfile = %s\n[rule \"Early\"]\nroles = Agent\n" % early)
    for name in ("30-not-read.conf.bak", "README", ".40-hidden.conf", "50.conf~"):
        t.write("rosterd/conf.d/" + name, "[nonsense\n")
    need("error" not in daemon.check().err, "others of the folder are not read")
    # rosterctl reads the same files; without an audit it says where it looked for one.
    answer = daemon.ctl("-c", daemon.config_file, "audit", "verify", code=None)
    need(late in answer.err and early not in answer.err, "the last name wins", answer)
    t.write("rosterd/conf.d/30-broken.conf", "[lifecycle]\nleave_grace = never\n")
    answer = daemon.check(code=2)
    need("30-broken.conf:2:" in answer.err, "a broken drop-in is named", answer)
    # A drop-in may change single keys of a rule that another file made, but not make one twice.
    t.write("rosterd/conf.d/30-broken.conf", "[rule \"Early\"]\nwhen = (uid=a*)\n")
    daemon.check()
    t.write("rosterd/conf.d/30-broken.conf", "[rule \"Late\"]\nteam = A\n[rule \"Late\"]\nteam = B\n")
    answer = daemon.check(code=2)
    need("30-broken.conf:3:" in answer.err and "line 1" in answer.err, "both places are named", answer)


def test_secret_files(t):
    """A secret that others may read, is empty, or is no file stops rosterd, which says why and not what."""
    daemon = t.rosterd(rules=RULES)
    daemon.configure(**sections(daemon))
    secret = daemon.path("secret")
    word = "Pa55-of-the-test"

    def refused(*words):
        """By the check already, and so by the daemon."""
        checked = daemon.check(code=2)
        answer = daemon.once(code=2)
        for text in (checked.err, answer.err):
            for part in (secret, *words):
                need(part in text, "it says %s" % part, text)
            need(word not in text, "and keeps the word to itself", text)
        need(not os.path.exists(daemon.state_file), "no state file was made")

    def fails(warning, *words):
        """The check, which others than the service may run, warns at most; the daemon fails."""
        checked = daemon.check()
        need(warning in checked.err, "a warning", checked)
        answer = daemon.once(code=1)
        for part in (secret, *words):
            need(part in answer.err, "it says %s" % part, answer)
        need(word not in answer.err + checked.err, "and keeps the word to itself", answer)

    base.write_file(secret, word + "\n", 0o600)
    for mode in (0o644, 0o604, 0o660, 0o620, 0o650):
        os.chmod(secret, mode)
        refused("%04o" % mode, "chmod 0600")
    os.unlink(secret)
    os.mkdir(secret)
    refused("is not a file")
    os.rmdir(secret)
    os.mkfifo(secret, 0o600)
    refused("is not a file")
    os.unlink(secret)
    fails("is not there: install", "No such file")
    base.write_file(secret, "", 0o600)
    fails("is empty", "empty")
    base.write_file(secret, "\n", 0o600)
    fails("", "empty")
    base.write_file(secret, word + "\0more\n", 0o600)
    fails("", "NUL")
    base.write_file(secret, word + "\n", 0o600)
    need(daemon.check().err == "", "nothing to say about a sound one")


def test_unreadable_and_absent(t):
    """A configuration that is not there, is a folder, or belongs to another: one sentence, exit 2."""
    daemon = t.rosterd(rules=RULES)
    daemon.configure(**sections(daemon))
    os.unlink(daemon.config_file)
    answer = daemon.check(code=2)
    need(daemon.config_file in answer.err and "No such file" in answer.err, "absent", answer)
    os.mkdir(daemon.config_file)
    answer = daemon.check(code=2)
    need("is not a file" in answer.err, "a folder", answer)
    os.rmdir(daemon.config_file)
    daemon.write_config()
    folder = daemon.path("conf.d")
    os.mkdir(folder)
    os.symlink("/nonexistent", os.path.join(folder, "10-nowhere.conf"))
    answer = daemon.check(code=2)
    need("10-nowhere.conf" in answer.err, "a drop-in that cannot be read is a mistake", answer)
    shutil.rmtree(folder)
    daemon.check()


def test_command_line(t):
    """Mistakes in the command line: exit 2 with a hint; help and version: exit 0 on standard output."""
    daemon = t.rosterd(rules=RULES)
    daemon.configure(**sections(daemon))
    for arguments, word in ((["--frobnicate"], "frobnicate"), (["stray"], "stray"), (["--log-level", "loud"], "loud")):
        answer = daemon.run(*arguments, code=2)
        need(word in answer.err and "--help" in answer.err, "the mistake and a hint", answer)
    # rosterctl says the same of the same mistakes.
    same = [(["--frobnicate"], ["--frobnicate"], "unrecognized option '--frobnicate'"),
            (["stray"], ["status", "stray"], "unexpected argument 'stray'"),
            (["--log-level", "loud"], ["--color=loud", "status"], ", not 'loud'")]
    for ours, theirs, words in same:
        for answer, hint in ((daemon.run(*ours, code=2), "Try 'rosterd --help'."),
                             (daemon.ctl(*theirs, code=2), r"Try 'rosterctl( status)? --help'\.")):
            need(words in answer.err and re.search(hint, answer.err), "in the same words", answer)
    for verb in ("status", "plan", "approve", "explain", "history", "holds", "retry", "sync", "start", "pause", "resume",
                 "reload", "check", "test", "config", "audit"):
        answer = daemon.ctl(verb, "--help")
        need(answer.out.startswith("Usage: rosterctl %s" % verb) and len(answer.out) > 60, "help of %s" % verb, answer)
    answer = daemon.run("--help")
    for option in ("--config", "--check", "--once", "--dry-run", "--log-level", "--version"):
        need(option in answer.out, "help names %s" % option, answer)
    need(re.match(r"rosterd \d+\.\d+", daemon.run("--version").out), "the version")


def test_environment_is_no_configuration(t):
    """What libldap and libcurl take from the environment or from home changes nothing: not whom to trust, not the way."""
    ground = t.shared(Slapd).fresh()
    ground.person("ada")
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground)
    rc = "URI ldap://127.0.0.1:9\nTLS_REQCERT never\nTIMELIMIT 1\nSIZELIMIT 1\nBASE dc=nowhere\n"
    t.write("rosterd/.ldaprc", rc)
    t.write("rosterd/ldaprc", rc)
    nowhere = "http://127.0.0.1:9"  # a proxy is not used for loopback
    env = {"LDAPTLS_REQCERT": "never", "LDAPTLS_CACERT": "/nonexistent", "LDAPURI": "ldap://127.0.0.1:9",
           "LDAPRC": "ldaprc", "CURL_CA_BUNDLE": "/nonexistent", "SSL_CERT_FILE": "/nonexistent",
           "https_proxy": nowhere, "ALL_PROXY": nowhere}
    daemon.once(env=env)
    need(list(tenant.users()) == ["ada"], "it works as without", tenant.users())
    ground.person("bob")
    # The authority of another: nothing of the environment may make it good.
    daemon.configure(directory={"tls_ca_file": tenant.ca_file})
    daemon.once(env=env, code=1)
    daemon.configure(directory={"tls_ca_file": ground.server.ca_file}, tenant={"tls_ca_file": ground.server.ca_file})
    daemon.once(env=dict(env, SSL_CERT_FILE=tenant.ca_file, CURL_CA_BUNDLE=tenant.ca_file), code=1)
    need(list(tenant.users()) == ["ada"], "nobody came by an untrusted way", tenant.users())


def test_environment_lowers_no_guard(t):
    """An OPENSSL_CONF that allows every version, and a .netrc with a password for the tenant: nothing older than TLS 1.2 is
    spoken, and nothing of the .netrc is sent."""
    ground, tenant = t.shared(Slapd).fresh(), t.simulator()
    ground.person("ada")
    weak = t.write("weak.cnf", "openssl_conf = top\n[top]\nssl_conf = ssl\n[ssl]\nsystem_default = any\n[any]\n"
                   "MinProtocol = TLSv1\nCipherString = ALL:@SECLEVEL=0\n")
    for newest, code in ((ssl.TLSVersion.TLSv1_1, 1), (ssl.TLSVersion.TLSv1_2, 0)):
        front = TlsFront(t, tenant, False, newest)
        daemon = t.rosterd(ground.server, tenant, ground, name=newest.name,
                           tenant_keys={"url": front.url, "tls_ca_file": front.certificate})
        t.write(newest.name + "/.netrc", "machine 127.0.0.1 login thief password of-the-netrc\n", 0o600)
        daemon.once(env={"OPENSSL_CONF": weak}, code=code)
        need(bool(front.handshakes) == (code == 0), "spoken with", newest, front.handshakes)
    need(list(tenant.users()) == ["ada"] and front.heads, "it works", tenant.users())
    need(not any(b"Basic" in head for head in front.heads), "and nothing of the .netrc is sent", front.heads)


def test_roles_without_approval(t):
    """A role that rules give, that sounds privileged, and that privileged_roles lacks in any case, is named by --check."""
    daemon = t.rosterd(rules=RULES)
    roles = ["Agent", "Supervisor", "administrator", "Team Manager", "Night Owl"]
    rules = {"All": dict(RULES["Agents"], roles=roles)}
    daemon.write_raw_config(config_text(sections(daemon), rules))
    said = daemon.check().err + daemon.check().out
    line = [row for row in said.splitlines() if "sounds privileged" in row]
    need(len(line) == 1 and "warning: [guard] privileged_roles" in line[0], "one warning", said)
    for role in roles:
        need((("'%s'" % role) in line[0]) == (role in roles[1:4]), "those three and no other", role, line)
    rest = config_text(sections(daemon, guard={"privileged_roles": "SUPERVISOR, Administrator, team manager"}), rules)
    daemon.write_raw_config(rest)
    said = daemon.check().err + daemon.check().out
    need("privileged" not in said, "in any case, they are listed", said)


def test_check_names_roles_given_by_hand(t):
    """rosterctl check names roles that sound privileged, that users have by hand, and that nobody listed."""
    ground = t.shared(Slapd).fresh()
    ground.person("ada")
    tenant = t.simulator()
    tenant.add("roles", "Tenant Administrator", "Security Owner")
    tenant.seed({"loginId": "boss", "roles": ["Tenant Administrator", "Security Owner", "Agent"]})
    for listed in ("", "security owner"):
        daemon = t.rosterd(ground.server, tenant, ground, rules={"All": {"team": "Sales"}}, name="by-hand" + listed[:1],
                           guard={"privileged_roles": listed} if listed else {})
        answer = daemon.run("--check-connections", code=None).out
        said = [row for row in answer.splitlines() if "users of the tenant have" in row]
        need(len(said) == 1 and "'Tenant Administrator'" in said[0] and ("'Security Owner'" in said[0]) == (not listed)
             and "'Agent'" not in said[0], "names them", listed, answer)


def test_check_names_roles_without_approval(t):
    """rosterctl check says which roles anybody gets whom a rule matches."""
    ground = t.shared(Slapd).fresh()
    ground.person("ada")
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground,
                       rules={"All": {"team": "Sales", "roles": ["Agent", "Supervisor", "Administrator"]}},
                       guard={"privileged_roles": "administrator"})
    said = daemon.run("--check-connections", code=None)
    line = [row for row in (said.out + said.err).splitlines() if "without approval" in row]
    need(line and "Agent, Supervisor" in " ".join(line[0].split()) and "Administrator" not in line[0],
         "the two that are not listed", said)
