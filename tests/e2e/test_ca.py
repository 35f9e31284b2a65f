"""CAs that are replaced while connections are kept: whoever is no longer vouched for is not spoken with,
neither over a connection that is open nor over a TLS session that is resumed."""

import os

from lib import base, life, need, wait_for
from lib.estate import other_authority
from lib.faked import Faked
from lib.life import AGENTS, crowd, settled
from lib.tlsfront import TlsFront


def hire(ground, group, uid):
    ground.person(uid)
    ground.join(group, uid)


def through_a_front(t, keeps, folder=None):
    ground, group, tenant = crowd(t, ["ada"])
    front = TlsFront(t, tenant, keeps)
    with open(front.certificate, encoding="ascii") as text:
        good = text.read()
    ca = t.write("trusted.pem", good)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"url": front.url, "tls_ca_file": ca, "tls_ca_directory": folder}).start()
    tenant.wait_user("ada")
    settled(d)
    return ground, group, tenant, front, d, ca, good


def no_longer_vouched(t, keeps, folder=None):
    ground, group, tenant, front, d, ca, good = through_a_front(t, keeps, folder)
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


def test_beside_an_empty_folder(t):
    """A folder without any CA beside the file keeps nobody from following the file."""
    os.mkdir(t.path("nobody"))
    no_longer_vouched(t, True, t.path("nobody"))


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
    d.wait_log("The CA certificates for the directory have changed")
    wait_for(lambda: d.ctl("status", "--json", code=None).json["directory"]["state"] == "away", 10,
             "the directory is away", d.log)
    hire(ground, group, "bob")
    base.write_file(ca, good)
    tenant.wait_user("bob", seconds=20)
    settled(d)
    need(tenant.user("ada"), "and nobody left")


def hashed(t, certificate):
    """The file of a folder of CAs, as c_rehash names it."""
    return base.run(["openssl", "x509", "-noout", "-hash", "-in", certificate]).stdout.strip() + ".0"


def until_changed(d, ground, group, tenant, name):
    """People come until it is seen that the CAs have changed: a folder is looked into once a second."""
    seen = d.log().count("The CA certificates for the tenant have changed")
    for n in range(400):
        hire(ground, group, "%s%d" % (name, n))
        wait_for(lambda n=n: tenant.requests(method="POST", login="%s%d" % (name, n))
                 or d.log().count("The CA certificates for the tenant have changed") > seen, 10, "the next one", d.log_tail)
        if d.log().count("The CA certificates for the tenant have changed") > seen:
            return
    need(False, "it is seen", d.log_tail())


def test_folder_changed_in_place(t):
    """A file within a folder of CAs is written anew where it lies: neither tenant nor directory is spoken with by the old one."""
    ground, group, tenant = crowd(t, ["ada"])
    front = TlsFront(t, tenant, True)
    folders = {"tenant": front.certificate, "directory": ground.server.ca_file}
    files = {}
    for name, certificate in folders.items():
        os.makedirs(t.path(name))
        with open(certificate, encoding="ascii") as text:
            good = text.read()
        # The hash is of the subject that is looked for: the file keeps its name.
        files[name] = (t.write(os.path.join(name, hashed(t, certificate)), good), good)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"url": front.url, "tls_ca_file": None, "tls_ca_directory": t.path("tenant")},
                    directory_keys={"tls_ca_file": None, "tls_ca_directory": t.path("directory"), "feed": "syncrepl"}).start()
    tenant.wait_user("ada")
    settled(d)
    other = other_authority(t)
    for name in files:
        with open(files[name][0], "r+", encoding="ascii") as file:      # the same inode, the folder as it was
            file.write(other)
            file.truncate()
        if name == "tenant":
            until_changed(d, ground, group, tenant, "a")
            tenant.forget_requests()
            hire(ground, group, "bob")
            d.wait_log("tenant is away")
            need(tenant.requests() == [], "nothing was asked", tenant.requests())
        else:
            d.wait_log("The CA certificates for the directory have changed")
            wait_for(lambda: d.ctl("status", "--json", code=None).json["directory"]["state"] == "away", 10, "the directory is away", d.log)
        with open(files[name][0], "w", encoding="ascii") as file:
            file.write(files[name][1])
        tenant.wait_user("bob", seconds=20)


def test_absent_for_a_while(t):
    """Files of CAs that are away, empty or half written for a while end no connection that was good; new ones do."""
    ground, group, tenant, front, d, ca, good = through_a_front(t, True)
    mine = t.write("mine.pem", open(ground.server.ca_file, encoding="ascii").read())
    d.stop()
    d.configure(directory={"tls_ca_file": mine})
    d.start()
    settled(d)
    for n, (path, name) in enumerate(((ca, "tenant"), (mine, "directory"))):
        with open(path, encoding="ascii") as text:
            whole = text.read()
        halves = (None, "", "-----BEGIN CERTIFICATE-----\nMIIB", other_authority(t) + whole[:len(whole) // 2])
        for m, half in enumerate(halves if name == "tenant" else (None,)):
            os.unlink(path)
            if half is not None:
                base.write_file(path, half)
            if name == "directory":
                wait_for(lambda m=m: d.log().count("The CA certificates for ldap") > m, 15, "it is noticed", d.log_tail)
            hire(ground, group, "p%d%d" % (n, m))
            tenant.wait_user("p%d%d" % (n, m), seconds=10)
            need("directory" not in [row["subject"] for row in d.audit(event="alarm")], "the directory is there", d.log_tail())
            again = d.log().count("The CA certificates for the directory have changed")
            base.write_file(path, whole)
            if name == "directory":
                wait_for(lambda again=again: d.log().count("The CA certificates for the directory have changed") > again, 15, "and followed", d.log_tail)
                wait_for(lambda: d.ctl("status", "--json", code=None).json["directory"]["state"] == "following", 15, "again", d.log_tail)
    need("The CA certificates for 127.0.0.1 can no longer be read" in d.log(), "that is said", d.log_tail())
    base.write_file(ca, other_authority(t))
    tenant.forget_requests()
    hire(ground, group, "bob")
    d.wait_log("tenant is away")
    need(tenant.requests() == [], "nothing was asked", tenant.requests())


def test_changed_twice(t):
    """A second change of the CAs while a request of before the first is under way: the connection between is left as well."""
    ground, group, tenant, front, d, ca, good = through_a_front(t, True)
    tenant.fault("stall", method="POST", login="slow", count=-1)
    hire(ground, group, "slow")
    wait_for(lambda: tenant.counters()["in_flight"] == 1, 10, "it is under way", d.log_tail)
    base.write_file(ca, good + other_authority(t))
    hire(ground, group, "bob")
    tenant.wait_user("bob", seconds=10)
    base.write_file(ca, other_authority(t))
    tenant.forget_requests()
    hire(ground, group, "eve")
    d.wait_log("tenant is away")
    need(not [r for r in tenant.requests() if r["login"] == "eve"], "nothing was asked", tenant.requests())
    need(tenant.counters()["in_flight"] == 1, "the first is still under way", tenant.counters())
    d.kill()


def test_tenant_connection_grows_old(t):
    """A connection that is busy, and so never idle, is left after some minutes: a tenant that moved to another address is followed."""
    ground, group, tenant = crowd(t, ["ada"])
    lie = Faked(t)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, tenant_keys={"max_concurrent": 1})
    d.start(env=lie.env)
    tenant.wait_user("ada")
    settled(d)
    used = [tenant.requests()[-1]["connection"]]
    for n in range(1, 10):  # no step is as long as an idle connection is kept
        lie.say("curl-clock", "%d\n" % (40 * n))
        hire(ground, group, "p%d" % n)
        tenant.wait_user("p%d" % n)
        settled(d)
        used.append(tenant.requests()[-1]["connection"])
    need(len(set(used[:7])) == 1, "one connection for four minutes", used)
    need(used[9] != used[0], "and not for six", used)
