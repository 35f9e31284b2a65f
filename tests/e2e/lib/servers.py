"""The three real directory servers of tests/lab, driven by ldapmodify and ldapsearch."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import time

from . import base
from .ldif import entry_ldif, parse_ldif


class Ground:
    """A subtree of a shared server that one test has for itself: .dn, .people, .groups."""

    def __init__(self, server, dn, tag):
        self.server = server
        self.dn = dn
        self.tag = tag
        self.people = "ou=people," + dn
        self.groups = "ou=groups," + dn

    def person_dn(self, uid):
        return "%s=%s,%s" % (self.server.person_rdn, escape_dn(uid), self.people)

    def person(self, uid, **attributes):
        """Adds a person (givenName, sn, mail are made from uid unless given; None leaves one
        out) and returns its DN."""
        return self.persons({uid: attributes})[0]

    def persons(self, people):
        """Adds many at once: a list of uids, or uid -> attributes; returns the DNs."""
        if not isinstance(people, dict):
            people = {uid: {} for uid in people}
        rows = [self.person_entry(uid, **attributes) for uid, attributes in people.items()]
        self.server.add("".join(entry_ldif(dn, attributes) for dn, attributes in rows))
        return [dn for dn, _ in rows]

    def person_entry(self, uid, **attributes):
        """(dn, attributes) as .person() would add it."""
        dn = attributes.pop("dn", None) or self.person_dn(uid)
        given = {"givenName": uid.capitalize(), "sn": "Tester", "mail": "%s@example.com" % uid}
        given.update(self.server.person_attributes(uid))
        given.update(attributes)
        return dn, {name: value for name, value in given.items() if value is not None}

    def group_dn(self, name):
        return "cn=%s,%s" % (escape_dn(name), self.groups)

    def group(self, name, members, **attributes):
        """Adds a group of members (DNs, or uids of this ground's people); returns its DN."""
        dn = attributes.pop("dn", None) or self.group_dn(name)
        given = self.server.group_attributes(name, [self.member_dn(m) for m in members])
        given.update(attributes)
        self.server.add(entry_ldif(dn, {k: v for k, v in given.items() if v not in (None, [])}))
        return dn

    def member_dn(self, member):
        return member if "=" in member else self.person_dn(member)

    def join(self, group_dn, *members):
        self._member("add", group_dn, members)

    def leave(self, group_dn, *members):
        self._member("delete", group_dn, members)

    def _member(self, change, group_dn, members):
        rows = {"changetype": "modify", change: "member",
                "member": [self.member_dn(member) for member in members]}
        self.server.modify(entry_ldif(group_dn, rows))

    def replace(self, dn_or_uid, **attributes):
        """Replaces attributes of an entry; None removes one."""
        self.server.replace(self.member_dn(dn_or_uid), **attributes)

    def remove(self, dn_or_uid):
        self.server.delete(self.member_dn(dn_or_uid))


def escape_dn(value):
    """RFC 4514 escaping of an attribute value."""
    out = re.sub(r'([,+"\\<>;=])', r"\\\1", value).replace("\0", "\\00")
    if out[:1] in ("#", " "):
        out = "\\" + out
    if out.endswith(" ") and len(value) > 1:
        out = out[:-1] + "\\ "
    return out


class Server:
    """A server of tests/lab.  Settings are the script's, without prefix and in lower case:
    Slapd(entries=20, sizelimit=15).  It listens on free ports and starts at once unless
    start=False."""

    script = prefix = program = kind = None
    person_filter = "(objectClass=inetOrgPerson)"
    group_filter = "(objectClass=groupOfNames)"
    person_rdn = "uid"
    user = {"login_id": "${uid}", "first_name": "${givenName}", "last_name": "${sn}",
            "email": "${mail}"}

    def __init__(self, start=True, folder=None, **settings):
        if shutil.which(self.program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            raise base.Missing("%s is not installed" % self.program)
        self.own_folder = folder is None
        self.folder = folder or base.new_folder(self.kind)
        self.data = os.path.join(self.folder, "server")
        self.settings = dict(self.listen(), **settings)
        self.env = {}
        self.counter = 0
        if start:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    def listen(self):
        return {"port": base.free_port(), "tls_port": base.free_port()}

    # --- life ---

    def start(self):
        """Starts it, or starts it again with its data."""
        environment = dict(os.environ)
        for name, value in self.settings.items():
            environment[self.prefix + name.upper()] = str(value)
        pid_file = os.path.join(self.data, "pid")
        base.register_pidfile(pid_file)
        try:
            # Samba makes some dozens of users in a second on a busy machine.
            done = base.run([os.path.join(base.LAB, self.script), self.data],
                            seconds=120 + self.settings.get("users", 0) / 20,
                            env=environment, stdin=subprocess.DEVNULL, registered=True)
        except BaseException:
            # Given up half way: what the script has started already must not stay.
            base.end_by_file(pid_file)
            raise
        for line in done.stdout.splitlines():
            words = shlex.split(line)
            if words[:1] == ["export"]:
                name, _, value = words[1].partition("=")
                self.env[name[len(self.prefix):]] = value
        base.register(self.pid)
        self.password_file = base.write_file(os.path.join(self.folder, "admin.pw"),
                                             self.env["BIND_PW"], 0o600)

    @property
    def pid(self):
        with open(os.path.join(self.data, "pid"), encoding="ascii") as text:
            return int(text.read())

    def running(self):
        try:
            return base.start_time(self.pid) is not None
        except (OSError, ValueError):
            return False

    def stop(self):
        if self.running():
            self.resume()
            base.end_pid(self.pid, 30)

    def kill(self):
        """SIGKILL, and waits until it is gone."""
        base.end_pid(self.pid, 10, signal.SIGKILL)

    def restart(self):
        self.stop()
        self.start()

    def pause(self):
        """SIGSTOP: connections are accepted by the kernel, and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        base.kill(self.pid, signal.SIGCONT)

    def backup(self, name):
        """Stops it, copies its whole folder, starts it."""
        self.stop()
        self._copy(self.data, os.path.join(self.folder, "backup-" + name))
        self.start()

    @staticmethod
    def _copy(source, target):
        # databases are sparse files of gigabytes
        base.run(["cp", "-a", "--sparse=always", source, target], seconds=60)

    def restore(self, name):
        """Puts a backup in the place of the data, as after a disaster, and starts it."""
        self.stop()
        shutil.rmtree(self.data)
        self._copy(os.path.join(self.folder, "backup-" + name), self.data)
        self.start()

    def close(self):
        if self.running():
            self.resume()
            self.kill()
        if self.own_folder and not os.environ.get("KEEP"):
            base.remove_folder(self.folder)

    # --- who and where ---

    @property
    def base(self):
        return self.env["BASE"]

    @property
    def uri(self):
        return self.env["URI"]

    @property
    def ldaps_uri(self):
        return self.env["LDAPS_URI"]

    @property
    def ca_file(self):
        return self.env["CA_FILE"]

    @property
    def reader_dn(self):
        return self.env["READER_DN"]

    @property
    def reader_password(self):
        return self.env["READER_PW"]

    def client(self, tls="ldaps"):
        """What [directory] of rosterd.conf needs to read here; bind_password is a value."""
        return {"uri": self.ldaps_uri if tls == "ldaps" else self.uri, "base": self.base,
                "filter": self.person_filter, "group_filter": self.group_filter,
                "bind_dn": self.reader_dn, "bind_password": self.reader_password,
                "tls": tls, "tls_ca_file": self.ca_file if tls != "no" else None}

    def fresh(self, label=None):
        """A new ou with people and groups in it, so that tests can share one server."""
        self.counter += 1
        tag = label or "t%d" % self.counter
        dn = "ou=%s,%s" % (tag, self.base)
        ground = Ground(self, dn, tag)
        self.add("".join(entry_ldif(ou, {"objectClass": ["top", "organizationalUnit"],
                                         "ou": ou[3:].partition(",")[0]})
                         for ou in (dn, ground.people, ground.groups)))
        return ground

    def person_attributes(self, uid):
        return {"objectClass": ["top", "person", "organizationalPerson", "inetOrgPerson", "ccAgent"],
                "uid": uid, "cn": "%s Tester" % uid.capitalize()}

    def group_attributes(self, name, members):
        # groupOfNames must not be empty
        return {"objectClass": ["top", "groupOfNames"], "cn": name,
                "member": members or ["cn=nobody," + self.base]}

    # --- operations, as the administrator ---

    def tool(self, command, *arguments, check=True, seconds=60, stdin=None):
        """Runs ldapmodify, ldapsearch, ... as the administrator."""
        environment = dict(os.environ, LDAPTLS_CACERT=self.ca_file, LDAPTLS_REQCERT="demand")
        return base.run([command, "-x", "-H", self.admin_uri(), "-D", self.env["BIND_DN"],
                         "-y", self.password_file, *arguments],
                        seconds=seconds, check=check, env=environment, stdin=subprocess.DEVNULL)

    def admin_uri(self):
        return self.uri

    def _feed(self, ldif, *options, check=True):
        path = os.path.join(self.folder, "change-%d-%d.ldif" % (os.getpid(), time.monotonic_ns()))
        base.write_file(path, ldif)
        try:
            return self.tool("ldapmodify", *options, "-f", path, check=check)
        finally:
            os.unlink(path)

    def add(self, ldif):
        """Adds the entries of LDIF text (content, or records with changetype: add)."""
        return self._feed(ldif, "-a")

    def modify(self, ldif):
        """Applies LDIF change records."""
        return self._feed(ldif)

    def replace(self, dn, **attributes):
        """Replaces attributes of an entry; None or [] removes one.  A name with ';' or '-' can
        be passed by ** of a dict."""
        text = entry_ldif(dn, {"changetype": "modify"}).rstrip("\n") + "\n"
        for name, value in attributes.items():
            values = [] if value is None else value if isinstance(value, (list, tuple)) else [value]
            body = entry_ldif("x", {"replace": name, name: list(values)}).split("\n", 1)[1]
            text += body.rstrip("\n") + "\n-\n"
        return self.modify(text)

    def delete(self, *dns):
        return self.modify("".join(entry_ldif(dn, {"changetype": "delete"}) for dn in dns))

    def rename(self, dn, newrdn, newsuperior=None, keep_old=False):
        rows = {"changetype": "modrdn", "newrdn": newrdn, "deleteoldrdn": "0" if keep_old else "1"}
        if newsuperior:
            rows["newsuperior"] = newsuperior
        return self.modify(entry_ldif(dn, rows))

    def search(self, filter="(objectClass=*)", attributes=(), base=None, scope="sub", options=(),
               check=True):
        """The entries found, as a list of lib.ldif.Entry."""
        done = self.tool("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", base or self.base,
                         "-s", scope, *options, filter, *attributes, check=check)
        return parse_ldif(done.stdout)

    def read(self, dn, *attributes):
        """One entry; Failure if it is not there."""
        return self.search(attributes=attributes, base=dn, scope="base")[0]


class Slapd(Server):
    """OpenLDAP.  cn=config can be changed with .modify() as well."""

    script, prefix, program, kind = "start-openldap", "LAB_OPENLDAP_", "slapd", "openldap"

    @property
    def client_cert(self):
        return self.env["CLIENT_CERT"]

    @property
    def client_key(self):
        return self.env["CLIENT_KEY"]

    @property
    def ldapi_uri(self):
        return self.env["LDAPI_URI"]

    def database(self):
        """The DN of the data's entry in cn=config, for access rules, limits and overlays."""
        found = self.search("(olcSuffix=%s)" % self.base, ["dn"], base="cn=config")
        return found[0].dn


class Ds389(Server):
    """389 Directory Server."""

    script, prefix, program, kind = "start-389ds", "LAB_389DS_", "ns-slapd", "389ds"


class SambaAD(Server):
    """Samba as Active Directory: users and groups have AD's classes and attributes.  Logins
    are unique in a domain: give the people of each test uids of their own, for instance
    with ground.tag."""

    script, prefix, program, kind = "start-samba-ad", "LAB_SAMBA_", "samba", "samba"
    person_filter = "(objectClass=user)"
    group_filter = "(objectClass=group)"
    person_rdn = "CN"
    user = {"login_id": "${sAMAccountName}", "first_name": "${givenName}", "last_name": "${sn}",
            "email": "${mail}", "disabled_when": "(userAccountControl:1.2.840.113556.1.4.803:=2)"}

    def __init__(self, **settings):
        if os.geteuid() != 0:
            raise base.Missing("Samba's LDAP ports need root")
        super().__init__(**settings)

    def listen(self):
        return {"host": base.free_address()}

    def admin_uri(self):
        return self.ldaps_uri

    def person_attributes(self, uid):
        # 544: an enabled account that needs no password
        return {"objectClass": "user", "sAMAccountName": uid, "userAccountControl": "544",
                "displayName": "%s Tester" % uid.capitalize()}

    def group_attributes(self, name, members):
        return {"objectClass": "group", "sAMAccountName": name, "member": members}
