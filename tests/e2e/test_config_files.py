"""Configuration files as people leave them: the sample, a pasted address, UTF-16, files that others may write; and a
dry run without a tenant."""

import os
import subprocess

from lib import Slapd, base, deadline, need
from lib.rosterd import config_text
from test_config import RULES, sections

ROOT = os.geteuid() == 0


def written(t, **changes):
    daemon = t.rosterd(rules=RULES)
    daemon.write_raw_config(config_text(sections(daemon, **changes), RULES))
    return daemon


def test_dry_run_without_a_tenant(t):
    """A dry run that cannot ask the tenant has no plan: exit 1 and a sentence, never "Nothing to do"."""
    ground = t.shared(Slapd).fresh()
    ground.person("ada")
    for how in ("refused", "502"):
        tenant = t.simulator()
        daemon = t.rosterd(ground.server, tenant, ground, rules=RULES, name="dry" + how)
        if how == "refused":
            tenant.stop()
        else:
            tenant.down(how=how)
        answer = daemon.dry_run(code=1)
        need("not known" in answer.err and "othing to do" not in answer.out, "a sentence", answer)


def test_untouched_sample(t):
    """The sample as it came can reach nothing: an error; with one address changed it is not."""
    daemon = t.rosterd(rules=RULES)
    with open(os.path.join(base.ROOT, "etc", "rosterd.conf"), encoding="utf-8") as text:
        sample = text.read()
    daemon.write_raw_config(sample)
    answer = daemon.check(code=2)
    need("placeholder" in answer.err and "acme.example.com" in answer.err, "says which", answer)
    daemon.write_raw_config(sample.replace("acme.example.com", "acme.cc-test.invalid"))
    need("placeholder" not in daemon.check(code=None).err, "edited")


def test_path_in_the_url(t):
    """An address pasted from a browser is refused, with the address that is meant; a lone / is fine."""
    daemon = t.rosterd(rules=RULES)
    for path in ("/admin/", "/admin", "//", "/configapi/v2", "/index.html", "/", ""):
        daemon.write_raw_config(config_text(sections(daemon, tenant={"url": "https://127.0.0.1:2" + path}), RULES))
        answer = daemon.check(code=2 if path.strip("/") or path == "//" else 0)
        need(answer.code == 0 or ("has a path" in answer.err and "write https://127.0.0.1:2" in answer.err), path, answer)


def test_utf16(t):
    """A file in UTF-16 is one sentence, whatever its order and with or without its mark; a drop-in too."""
    daemon = written(t)
    with open(daemon.config_file, encoding="utf-8") as text:
        whole = text.read()
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        with open(daemon.config_file, "wb") as out:
            out.write(whole.encode(encoding))
        answer = daemon.check(code=2)
        need("UTF-16" in answer.err and len(answer.err.strip().splitlines()) == 1, encoding, answer)
    daemon.write_raw_config(whole)
    os.mkdir(daemon.path("conf.d"))
    with open(daemon.path("conf.d/10-night.conf"), "wb") as out:
        out.write("[lifecycle]\nleave_grace = 1h\n".encode("utf-16"))
    answer = daemon.check(code=2)
    need("10-night.conf" in answer.err and answer.err.count("UTF-16") == 1, "the drop-in", answer)


def test_drop_in_that_is_null(t):
    """A drop-in linked to /dev/null is empty, as systemd takes it; a folder or another device is refused."""
    daemon = written(t)
    os.mkdir(daemon.path("conf.d"))
    place = daemon.path("conf.d/10-off.conf")
    os.symlink("/dev/null", place)
    daemon.check()
    os.unlink(place)
    os.symlink("/dev/zero", place)
    daemon.check(code=2)


def test_files_that_anybody_may_write(t):
    """Configuration, drop-ins and their folders that anybody may write are refused, also by a reload; owners are named."""
    daemon = written(t)
    os.mkdir(daemon.path("conf.d"), 0o755)
    drop_in = t.write("rosterd/conf.d/10-a.conf", "[lifecycle]\nleave_grace = 1h\n", 0o644)
    daemon.check()
    for path, bad, good in ((daemon.config_file, 0o666, 0o640), (drop_in, 0o646, 0o644), (daemon.path("conf.d"), 0o777, 0o755)):
        os.chmod(path, bad)
        answer = daemon.check(code=2)
        need(path in answer.err and "anybody on this machine" in answer.err, "named", path, answer)
        os.chmod(path, good)
    if ROOT:
        os.chown(daemon.config_file, 65534, 0)
        answer = daemon.check()
        need("belongs to user 65534" in answer.err, "warned of", answer)


def test_state_and_audit_that_anybody_may_write(t):
    """State and audit that anybody may write, or that are links, are refused with the sentence that says what to do."""
    ground = t.shared(Slapd).fresh()
    ground.person("ada")
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, rules=RULES)
    daemon.once()
    for path in (daemon.state_file, daemon.audit_file):
        mode = os.stat(path).st_mode & 0o777
        os.chmod(path, 0o666)
        answer = daemon.once(code=None)
        need(answer.code == 1 and path in answer.err and "anybody on this machine" in answer.err, "refused", answer)
        os.chmod(path, mode)
        os.rename(path, path + ".real")
        os.symlink(path + ".real", path)
        answer = daemon.once(code=None)
        need(answer.code == 1 and path in answer.err and "symbolic link" in answer.err, "refused", answer)
        os.rename(path + ".real", path)
    daemon.once()


def test_check_by_root(t):
    """Root looks at a configuration whose state and audit are, with their folder, the service's user's: nothing is wrong."""
    if not ROOT:
        return
    ground = t.shared(Slapd).fresh()
    ground.person("ada")
    daemon = t.rosterd(ground.server, t.simulator(), ground, rules=RULES)
    daemon.once()
    files = [daemon.state_file, daemon.audit_file]
    folder = os.path.dirname(daemon.state_file)
    need(os.path.dirname(daemon.audit_file) == folder, "they lie in one folder", files)
    for path in files:
        os.chown(path, 65534, -1)
    answer = daemon.check()
    need(answer.err.count("belongs to user 65534") == 2, "somebody else's files in root's folder", answer)
    os.chown(folder, 65534, -1)
    answer = daemon.check()
    need("belongs to" not in answer.err, "the service's own", answer)
    os.chown(folder, 0, -1)


def others(path):
    """Mode, size and time of whatever lies beside a file: what a check must leave as it was."""
    folder = os.path.dirname(path)
    found = {}
    for name in sorted(set(os.listdir(folder)) - {"rosterd.log"}):
        st = os.lstat(os.path.join(folder, name))
        found[name] = os.path.isdir(os.path.join(folder, name)) or (st.st_mode, st.st_size, st.st_mtime_ns, st.st_ino)
    return found


def test_whatever_fails_the_start(t):
    """What would end a start is an error of --check and of rosterctl check, in the start's own words; neither writes."""
    long = t.path("x" * 110)
    garbage = t.write("garbage", "no database, and no audit line\n", 0o600)
    folder = t.path("a-folder")
    os.mkdir(folder, 0o700)
    no_socket = t.write("a-folder/no-socket", "", 0o600)
    os.symlink(t.write("empty", "", 0o600), t.path("link"))
    cases = [("state", "file", t.path("nowhere/state.db"), "No such file or directory"),
             ("state", "file", garbage, "does not begin like a database"),
             ("state", "file", t.path("link"), "symbolic link"),
             ("audit", "file", t.path("nowhere/audit.jsonl"), "No such file or directory"),
             ("audit", "file", garbage, "does not end in an audit line"),
             ("audit", "file", t.path("link"), "symbolic link"),
             ("audit", "key_file", garbage, "holds no key"),
             ("audit", "key_file", t.path("nowhere/audit.key"), "No such file or directory"),
             ("control", "socket", t.path("nowhere/socket"), "No such file or directory"),
             ("control", "socket", no_socket, "is not a socket"),
             ("control", "socket", long, "at most 107 bytes"),
             ("control", "group", "no-such-group-here", "there is no group"),
             ("control", "readers", "no-such-group-here", "there is no group")]
    for section, key, value, word in cases:
        d = t.rosterd(rules=RULES)
        d.write_raw_config(config_text(sections(d, **{section: {key: value}}), RULES))
        before = others(d.state_file), others(garbage), others(no_socket)
        answer = d.check(code=2)
        need(word in answer.err and d.config_file in answer.err, "said by --check", section, key, value, answer)
        answer = d.run("--check-connections", code=1)
        need(word in answer.out, "said by rosterctl check", section, key, value, answer.out)
        need(before == (others(d.state_file), others(garbage), others(no_socket)), "nothing was written", section, key, value)
        answer = d.run(code=None)
        need(answer.code == 1 and word in answer.err, "the start fails so", section, key, value, answer)


def test_check_beside_a_running_rosterd(t):
    """A check beside a rosterd that runs finds nothing wrong, writes nothing and hinders nobody; also after it has ended."""
    ground = t.shared(Slapd).fresh()
    ground.person("ada")
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, rules=RULES).start()
    tenant.wait_user("ada")
    daemon.check()
    need(daemon.ctl("status", code=None).code == 0, "it still answers")
    daemon.stop()
    before = others(daemon.state_file)
    daemon.check()
    need(before == others(daemon.state_file), "nothing was written", before)
    with open(daemon.state_file, "r+b") as state:
        state.seek(8192)
        state.write(b"x" * 4096)
    answer = daemon.check(code=2)
    need("damaged" in answer.err, "a damaged state", answer)


def test_files_that_a_foreign_group_may_write(t):
    """Configuration, state and audit that a group may write which is neither root's nor our own are refused; folders of that
    kind, and a configuration that is a link, are warned of. Our own group's are taken."""
    if not ROOT:
        return
    ground = t.shared(Slapd).fresh()
    ground.person("ada")
    daemon = t.rosterd(ground.server, t.simulator(), ground, rules=RULES)
    os.mkdir(daemon.path("conf.d"), 0o755)
    drop_in = t.write("rosterd/conf.d/10-a.conf", "[lifecycle]\nleave_grace = 1h\n", 0o644)
    daemon.once()
    for path in (daemon.config_file, drop_in, daemon.state_file, daemon.audit_file):
        before = os.stat(path)
        os.chmod(path, 0o660)
        daemon.check()
        os.chown(path, -1, 65534)
        for answer in (daemon.check(code=2), daemon.once(code=None)):
            need(answer.code in (1, 2) and path in answer.err and "the group " in answer.err and "may write to it" in answer.err,
                 "refused", path, answer)
        os.chmod(path, 0o640)
        daemon.check()
        os.chown(path, -1, before.st_gid)
        os.chmod(path, before.st_mode & 0o777)
    for path, word in ((daemon.path("conf.d"), "may put files here"), (os.path.dirname(daemon.state_file), "another file in the place of")):
        os.chown(path, -1, 65534)
        os.chmod(path, 0o775)
        answer = daemon.check()
        need(path in answer.err and "the group " in answer.err and word in answer.err, "warned of", path, answer)
        os.chmod(path, 0o777)
        answer = daemon.check(code=2)
        need("anybody on this machine" in answer.err, "refused", path, answer)
        os.chown(path, -1, 0)
        os.chmod(path, 0o755)
    os.rename(daemon.config_file, daemon.config_file + ".real")
    os.symlink(daemon.config_file + ".real", daemon.config_file)
    answer = daemon.check()
    need("symbolic link" in answer.err and daemon.config_file + ".real" in answer.err, "a link", answer)


def test_ctl_missing_config(t):
    """rosterctl -c with a path that is not there says so, and does not blame a socket."""
    daemon = t.rosterd(rules=RULES)
    for verb in ("status", "holds", "plan"):
        answer = daemon.ctl("-c", "/etc/rosterd/no-such.conf", verb, code=1)
        need("/etc/rosterd/no-such.conf: No such file or directory" in answer.err and "socket" not in answer.err,
             "says which", answer)


def test_files_that_are_none(t):
    """A pipe, a folder or a device where a key names a file is an error of --check and of the start, and nobody waits for it."""
    for section, key in (("directory", "tls_ca_file"), ("tenant", "tls_ca_file"), ("tenant", "client_secret_file"),
                         ("state", "file"), ("audit", "file"), ("audit", "key_file")):
        for kind in ("pipe", "folder", "/dev/zero"):
            path = kind if kind[0] == "/" else t.path("%s-%s-%s" % (kind, section, key))
            if kind == "pipe":
                os.mkfifo(path, 0o600)
            elif kind == "folder":
                os.mkdir(path, 0o700)
            d = t.rosterd(rules=RULES)
            secret = {"client_secret": None} if key == "client_secret_file" else {}
            d.write_raw_config(config_text(sections(d, **{section: dict(secret, **{key: path})}), RULES))
            for answer in (d.check(code=2), d.run("--once", code=2)):
                need("[%s] %s: %s is not a file" % (section, key, path) in answer.err, "named", section, key, kind, answer.err)
    d = t.rosterd(rules=RULES)
    large = t.write("large", "x" * 100000, 0o600)
    d.write_raw_config(config_text(sections(d, tenant={"client_secret": None, "client_secret_file": large},
                                            notify={"command": t.write("no-script", "#!/bin/sh\n", 0o644)}), RULES))
    answer = d.check(code=0)
    need("larger than any secret" in answer.err and "cannot be executed" in answer.err, "warned of", answer.err)


LARGE = {
    "roles": lambda n: '[rule "A"]\nwhen = (uid=*)\nteam = T\nroles = ' + ", ".join("Role%d" % i for i in range(n)),
    "lines": lambda n: '[rule "A"]\nwhen = (uid=*)\nteam = T\nroles = ' + ",\n  ".join("Role%d" % i for i in range(n)),
    "skills": lambda n: '[rule "A"]\nwhen = (uid=*)\nteam = T\nskills = ' + ", ".join("S%d:%d" % (i, i % 100) for i in range(n)),
    "rules": lambda n: "".join('[rule "A%d"]\nwhen = (uid=x%d)\nteam = T%d\nroles = R%d\n' % (i, i, i, i) for i in range(n)),
    "groups": lambda n: "".join('[rule "A%d"]\ngroup = cn=x%d,dc=example\nteam = T\n' % (i, i) for i in range(n)),
    "conflicts": lambda n: "".join('[conflict "C%d"]\nroles = A%d, B%d\n' % (i, i, i) for i in range(n)),
    "conflict": lambda n: '[conflict "C"]\nroles = ' + ", ".join("Role%d" % i for i in range(n)),
    "filter": lambda n: '[rule "A"]\nteam = T\nwhen = (|%s)' % "".join("(uid=x%d)" % i for i in range(n)),
    "attributes": lambda n: '[rule "A"]\nteam = T\nwhen = (|%s)' % "".join("(at%d=x)" % i for i in range(n)),
    "stars": lambda n: '[rule "A"]\nteam = T\nwhen = (uid=%s*)' % ("*a" * n),
    "name": lambda n: '[rule "A"]\nteam = T\ngroup = ' + ",".join("ou=x%d" % i for i in range(n)),
    "wrong skills": lambda n: '[rule "A"]\nwhen = (uid=*)\nteam = T\nskills = ' + ", ".join("S%d=1" % i for i in range(n)),
    "wrong keys": lambda n: "".join("foo%d = x\n" % i for i in range(n)),
    "wrong sections": lambda n: "".join("[foo%d]\n" % i for i in range(n)),
    "one key": lambda n: "[log]\n" + "level = info\n" * n,
    "one rule": lambda n: '[rule "A"]\nwhen = (uid=*)\nteam = T\n' * n,
    "privileged": lambda n: "[guard]\nprivileged_roles = %s\n[rule \"A\"]\nteam = T\nwhen = (uid=*)\nroles = %s" % (
        ", ".join("Admin%d" % i for i in range(n)), ", ".join("Admin%d" % i for i in range(n // 2, n + n // 2))),
}


@deadline(180)
def test_long_lists(t):
    """Four times as much of anything in a configuration takes about four times the processor time of a check, never sixteen."""
    d = written(t)
    text = open(d.config_file).read() + "\n"

    def took(kind, n):
        d.write_raw_config(text + LARGE[kind](n) + "\n")
        with open(os.devnull, "w") as null:
            process = subprocess.Popen(d.command("--check"), stdin=subprocess.DEVNULL, stdout=null, stderr=null,
                                       cwd=d.folder, env=d.environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        need(process.returncode in (0, 2), "%s: an answer" % kind, process.returncode)
        return usage.ru_utime + usage.ru_stime
    for kind in LARGE:
        small, large = min(took(kind, 3000) for _ in range(2)), took(kind, 12000)
        need(large < 8 * small + 0.1, "%s: no quadratic step" % kind, small, large)
