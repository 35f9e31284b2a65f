"""CAs that are replaced while connections are kept: whoever is no longer vouched for is not spoken with,
neither over a connection that is open nor over a TLS session that is resumed."""

from lib import base, life, need, wait_for
from lib.estate import other_authority
from lib.life import AGENTS, crowd, settled
from lib.tlsfront import TlsFront


def hire(ground, group, uid):
    ground.person(uid)
    ground.join(group, uid)


def through_a_front(t, keeps):
    ground, group, tenant = crowd(t, ["ada"])
    front = TlsFront(t, tenant, keeps)
    with open(front.certificate, encoding="ascii") as text:
        good = text.read()
    ca = t.write("trusted.pem", good)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"url": front.url, "tls_ca_file": ca}).start()
    tenant.wait_user("ada")
    settled(d)
    return ground, group, tenant, front, d, ca, good


def no_longer_vouched(t, keeps):
    ground, group, tenant, front, d, ca, good = through_a_front(t, keeps)
    base.write_file(ca, other_authority(t))
    tenant.forget_requests()
    hire(ground, group, "bob")
    d.wait_log("tenant is away")
    need(tenant.requests() == [], "nothing was asked", tenant.requests())
    base.write_file(ca, good)
    tenant.wait_user("bob", seconds=20)
    settled(d)
    return front


def test_tenant_kept_connection(t):
    """T78's kin: the CA file names another authority while a connection to the tenant is kept."""
    no_longer_vouched(t, True)


def test_tenant_resumed_session(t):
    """The same when the connection is new and only its TLS session is old: tickets show no certificate."""
    front = no_longer_vouched(t, False)
    need(True in front.handshakes, "sessions are resumed while the CAs are the same", front.handshakes)


def test_directory_kept_connection(t):
    """The connection to slapd begins anew with other CAs, and what changed meanwhile arrives."""
    ground, group, tenant = crowd(t, ["ada"])
    with open(ground.server.ca_file, encoding="ascii") as text:
        good = text.read()
    ca = t.write("trusted.pem", good)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    directory_keys={"tls_ca_file": ca, "feed": "syncrepl"}).start()
    tenant.wait_user("ada")
    settled(d)
    base.write_file(ca, other_authority(t))
    d.wait_log("The CAs of the directory have changed")
    wait_for(lambda: d.ctl("status", "--json", code=None).json["directory"]["state"] == "away", 10,
             "the directory is away", d.log)
    hire(ground, group, "bob")
    base.write_file(ca, good)
    tenant.wait_user("bob", seconds=20)
    settled(d)
    need(tenant.user("ada"), "and nobody left")
