"""What rosterd says when something is wrong: what is so, and what to do about it."""

import re
import socket
import threading

from lib import SambaAD, ScriptedServer, Slapd, base, need

ALL = {"All": {"when": "(uid=*)", "team": "Sales"}}


def follow(t, server, ground=None, rules=None, **directory):
    tenant = t.simulator()
    tls = server.tls if isinstance(server, ScriptedServer) else "ldaps"
    return t.rosterd(server, tenant, ground, tls=tls, rules=rules or ALL, directory_keys=directory,
                     notify={"alarm_after": "0"}), tenant


def once_says(daemon, *patterns):
    daemon.once(code=None)
    for pattern in patterns:
        need(re.search(pattern, daemon.log()), "it says %s" % pattern, daemon.log())


def test_network_in_words(t):
    """A wrong port, an unknown host and a port that hangs up are named as such, with and without TLS."""
    server = t.server(ScriptedServer)
    closed = socket.create_server(("127.0.0.1", 0))
    t.cleanup(closed.close)

    def hang_up():
        while True:
            try:
                closed.accept()[0].close()
            except OSError:
                return
    threading.Thread(target=hang_up, daemon=True).start()
    nobody, deaf = base.free_port(), closed.getsockname()[1]
    for scheme, tls in (("ldap", "no"), ("ldaps", "auto")):
        daemon, _ = follow(t, server, tls=tls, tls_ca_file=None)
        daemon.configure(directory={"uri": "%s://127.0.0.1:%d" % (scheme, nobody)})
        once_says(daemon, r":%d: the connection was refused: nothing listens" % nobody)
        daemon.configure(directory={"uri": "%s://no-such-host.invalid" % scheme})
        once_says(daemon, r"the host name no-such-host\.invalid cannot be resolved")
    daemon.configure(directory={"uri": "ldaps://127.0.0.1:%d" % deaf})
    once_says(daemon, r"ended it in the handshake")


def test_reader_must_change_password(t):
    """The reader's password was reset: it may bind and nothing else. That is said, and not that the base is hidden."""
    server = t.server(Slapd)
    ground = server.fresh()
    policy = "cn=policy,%s" % ground.dn
    server.add("dn: %s\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\npwdAttribute: userPassword\n"
               "pwdMustChange: TRUE\n\n" % policy)
    reader = "cn=reset,%s" % ground.dn
    server.add("dn: %s\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reset\n"
               "userPassword: secret\npwdPolicySubentry: %s\n\n" % (reader, policy))
    server.modify("dn: %s\nchangetype: modify\nadd: pwdReset\npwdReset: TRUE\n\n" % reader)
    ground.person("ada")
    daemon, _ = follow(t, server, ground, rules={"Crowd": {"group": ground.group("crowd", ["ada"]), "team": "Sales"}},
                       bind_dn=reader, bind_password="secret")
    once_says(daemon, r"must change its password")
    for wrong in ("cannot be seen by this account", "correct the rule, or create it"):
        need(wrong not in daemon.log(), "and not: %s" % wrong, daemon.log())


def test_bind_names(t):
    """A service account may be given as user@domain or DOMAIN\\user to Active Directory; elsewhere it is said that a
    DN is needed; what is neither is an error of the configuration."""
    server = t.server(ScriptedServer)
    for name, code, said in (("reader@ad.lab.test", 0, ""), ("LAB\\reader", 0, ""), ("reader", 2, "neither a DN"),
                             ("@x", 2, "neither a DN"), ("cn=reader", 0, ""), ("cn=a@b,dc=x", 0, "")):
        daemon, _ = follow(t, server, bind_dn=name, bind_password="x")
        answer = daemon.run("--check", code=code)
        need(said in answer.out + answer.err, "says so", name, answer.out + answer.err)


def test_bind_name_on_openldap(t):
    """user@domain on a server that takes DNs alone."""
    ground = t.shared(Slapd).fresh()
    ground.person("ada")
    daemon, _ = follow(t, ground.server, ground, bind_dn="reader@example.com", bind_password="x")
    once_says(daemon, r"takes no name such as reader@example\.com, only a DN")


def test_bind_by_upn(t):
    """On Active Directory both forms bind; an account that must change its password is named."""
    server = t.shared(SambaAD)
    ground = server.fresh()
    ada = ground.person("ada" + ground.tag)
    group = ground.group("crowd" + ground.tag, [ada])
    reader = server.search("(sAMAccountName=reader)", ["userPrincipalName", "sAMAccountName"])[0]
    realm = ".".join(part[3:] for part in server.base.split(","))
    domain = server.search("(nETBIOSName=*)", ["nETBIOSName"], base="CN=Configuration," + server.base)[0].text("nETBIOSName")
    rules = {"Crowd": {"group": group, "team": "Sales"}}
    for name in ("%s@%s" % (reader.text("sAMAccountName"), realm), "%s\\%s" % (domain, reader.text("sAMAccountName"))):
        daemon, tenant = follow(t, server, ground, rules=rules, bind_dn=name)
        daemon.once()
        tenant.wait_user("ada" + ground.tag, team="Sales")
    daemon, _ = follow(t, server, ground, rules=rules, bind_dn="nobody@" + realm)
    once_says(daemon, r"refuses the bind as nobody@.*: (there is no such account|the name or the password is wrong)")


def test_id_attribute_of_people_only(t):
    """An id attribute that people have and groups and containers have not: it works, through reads, roll calls and
    changes; a person without it is a doubt that names her."""
    ground = t.shared(Slapd).fresh()
    ground.person("ada", employeeNumber="1")
    ground.person("bob", employeeNumber="2")
    group = ground.group("crowd", ["ada"])
    daemon, tenant = follow(t, ground.server, ground, rules={"Crowd": {"group": group, "team": "Sales"}},
                            id_attribute="employeeNumber", poll_interval="1s", feed="poll")
    daemon.start()
    tenant.wait_user("ada", team="Sales")
    ground.join(group, "bob")
    tenant.wait_user("bob", team="Sales")
    need("correct the rule, or create it" not in daemon.log(), "the group was read", daemon.log())
    need("not read whole" not in daemon.log(), "and the read was whole", daemon.log())
    ground.person("eve")
    daemon.ctl("sync", code=None)
    daemon.wait_log(r"the entry uid=eve,[^\n]* has no employeeNumber")


def rule_group(t, ground, dn, **directory):
    """What the log and rosterctl check say of a rule whose group is this one."""
    daemon, _ = follow(t, ground.server, ground, rules={"Crowd": {"group": dn, "team": "Sales"}}, **directory)
    daemon.once(code=None)
    answer = daemon.run("--check-connections", code=None)
    return daemon.log() + answer.out + answer.err


def test_group_that_is_not_read(t):
    """T12: a group that exists is not said to be absent: outside of the base, not selected by group_filter, dynamic;
    and one that is absent is."""
    ground = t.shared(Slapd).fresh()
    ground.person("ada")
    group = ground.group("crowd", ["ada"])
    said = rule_group(t, ground, group, base=ground.people)
    need("lies outside of what is searched (%s)" % ground.people in said and "group_base" in said, "why, and what to do", said)
    need("is not in the directory" not in said, "and nothing that is not so", said)
    said = rule_group(t, ground, group, base=ground.people, group_base=ground.people.replace("ou=people", "ou=groups"))
    need("lies outside" not in said and "is not in the directory" not in said, "the cure works", said)
    said = rule_group(t, ground, group, group_filter="(objectClass=groupOfUniqueNames)")
    need("group_filter (objectClass=groupOfUniqueNames) does not select it" in said and "groupOfNames" in said, "why", said)
    need("is not in the directory" not in said, "and nothing that is not so", said)
    said = rule_group(t, ground, ground.group_dn("crwod"))
    need("is not in the directory" in said and "group_base" not in said, "absent is absent", said)


def test_dynamic_group(t):
    """A group of members by URL that the server does not expand: memberURL is not followed, and that is said."""
    server = t.server(ScriptedServer)
    server.person("ada")
    dn = "cn=dynamic,ou=groups," + server.suffix
    server.add(dn, {"objectClass": ["top", "groupOfURLs"], "cn": "dynamic", "memberURL": "ldap:///ou=people??sub?(uid=a*)"})
    for group_filter in (None, "(objectClass=groupOfURLs)"):
        daemon, _ = follow(t, server, rules={"Crowd": {"group": dn, "team": "Sales"}}, group_filter=group_filter)
        once_says(daemon, r"names its members by memberURL, which rosterd does not follow")
        need("is not in the directory" not in daemon.log(), "and nothing that is not so", daemon.log())


def test_members_that_are_nobody(t):
    """T14: members that are no DNs are counted and named, an alias entry is named; the rest of the group works."""
    server = t.server(ScriptedServer)
    ada = server.person("ada")
    server.add("uid=alias,ou=people," + server.suffix, {"objectClass": ["top", "alias", "inetOrgPerson"], "uid": "alias",
                                                        "aliasedObjectName": ada})
    group = server.group("crowd", [ada, "Ada Lovelace", b"uid=\xff", "uid=gone,ou=people," + server.suffix])
    daemon, tenant = follow(t, server, rules={"Crowd": {"group": group, "team": "Sales"}})
    once_says(daemon, r"2 members of cn=crowd,[^\n]* are not DNs[^\n]*Ada Lovelace", r"uid=alias,[^\n]* is an alias entry")
    need(sorted(tenant.users()) == ["ada"], "the rest works", sorted(tenant.users()))


def test_id_that_is_too_long(t):
    """An id attribute whose value is longer than 255 bytes is said to be that, and not to be missing."""
    server = t.server(ScriptedServer)
    server.person("ada", employeeNumber="1")
    server.person("zoe", employeeNumber="9" * 300)
    daemon, tenant = follow(t, server, id_attribute="employeeNumber", feed="poll")
    once_says(daemon, r"the employeeNumber of the entry uid=zoe,[^\n]* longer than 255 bytes")
    need("ada" in tenant.users(), "the others go on", tenant.users())
