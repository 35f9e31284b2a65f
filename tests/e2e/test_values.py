"""T71: attributes with several values, or with several names, and who is a member because of them."""

from lib import Slapd, need

TEAM = "Customer Service"


def posix_group(ground, name, number, logins, dn=None):
    return ground.group(name, [], objectClass=["top", "posixGroup"], gidNumber=str(number), memberUid=logins, member=None)


def follow(t, ground, group=None, user=None, **directory):
    tenant = t.simulator()
    rule = {"group": group} if group else {"when": "(objectClass=inetOrgPerson)"}
    daemon = t.rosterd(ground.server, tenant, ground, rules={"Support": dict(rule, team=TEAM)}, user=user or {},
                       directory_keys=dict({"group_filter": "(objectClass=posixGroup)"}, **directory),
                       lifecycle={"leave_grace": "0"})
    daemon.start()
    return tenant, daemon


def test_any_uid_is_a_member(t):
    """T71: memberUid names people by any value of uid, whatever the server sends first; also later ones."""
    ground = t.shared(Slapd).fresh()
    ground.persons(["ana", "bob", "cid"])
    ground.replace("ana", uid=["ana", "a.garcia"])
    ground.replace("bob", uid=["bob", "zbob"])
    crowd = posix_group(ground, "support", 500, ["a.garcia", "zbob", "carlos"])
    tenant, daemon = follow(t, ground, crowd, user={"login_id": "${givenName,,}"})
    tenant.wait_users(["ana", "bob"])
    need(sorted(tenant.users()) == ["ana", "bob"], "and nobody else", tenant.users())
    ground.replace("cid", uid=["cid", "carlos"])
    tenant.wait_users(["ana", "bob", "cid"])
    ground.replace("bob", uid=["bob"])
    tenant.wait_user("bob", disabled=True)
    ground.replace(crowd, memberUid=["zbob", "carlos"])
    tenant.wait_user("ana", disabled=True)
    need(not tenant.user("cid")["disabled"], "cid stays", tenant.users())


def test_login_of_the_rdn(t):
    """T71: the value that names the entry is the login; one that is added, or first in order, renames nobody."""
    ground = t.shared(Slapd).fresh()
    ground.person("maria")
    nora = "employeeNumber=7," + ground.people
    ground.person("nora", employeeNumber="7", dn=nora)
    tenant, daemon = follow(t, ground)
    tenant.wait_users(["maria", "nora"])
    tenant.forget_requests()
    ground.replace("maria", uid=["maria", "m.garcia"], telephoneNumber="1")
    ground.replace(nora, uid=["nora", "a.nora"], telephoneNumber="1")
    ground.person("zoe")
    tenant.wait_user("zoe")
    need(sorted(tenant.users()) == ["maria", "nora", "zoe"], "no rename", tenant.users())
    ground.replace(nora, uid=["a.nora"])
    tenant.wait_user("a.nora")


def test_blank_value_first(t):
    """T71: of two values, one of them blanks, the one that says something."""
    ground = t.shared(Slapd).fresh()
    ground.person("ana", givenName=["Ana", " "])
    tenant, daemon = follow(t, ground)
    tenant.wait_user("ana", firstName="Ana")


def test_login_attribute_by_any_name(t):
    """userid, its OID and uid are one attribute, for memberUid and for the id."""
    for name in ("userid", "0.9.2342.19200300.100.1.1"):
        ground = t.shared(Slapd).fresh()
        ground.person("ana")
        crowd = posix_group(ground, "support", 500, ["ana"])
        tenant, daemon = follow(t, ground, crowd, login_attribute=name, id_attribute="1.3.6.1.1.16.4",
                                feed="poll")
        tenant.wait_user("ana", team=TEAM)


def test_primary_group_by_number(t):
    """Whose gidNumber is the group's is a member, as id(1) has it; also when either changes."""
    ground = t.shared(Slapd).fresh()
    classes = ["top", "person", "organizationalPerson", "inetOrgPerson", "posixAccount"]
    posix = {"objectClass": classes, "uidNumber": "1001", "homeDirectory": "/home/ana"}
    ground.person("ana", gidNumber="500", **posix)
    ground.person("bob")
    ground.person("cid", gidNumber="501", **posix)
    crowd = posix_group(ground, "support", 500, ["bob"])
    tenant, daemon = follow(t, ground, crowd)
    tenant.wait_users(["ana", "bob"])
    need(sorted(tenant.users()) == ["ana", "bob"], "and not cid", tenant.users())
    ground.replace("cid", gidNumber="500")
    tenant.wait_user("cid", team=TEAM)
    ground.replace("ana", gidNumber="501")
    tenant.wait_user("ana", disabled=True)
    ground.replace(crowd, gidNumber="501")
    tenant.wait_user("ana", disabled=False)
    tenant.wait_user("cid", disabled=True)
