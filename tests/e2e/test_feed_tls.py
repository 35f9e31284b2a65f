"""How a connection is secured, who we are to the server, and what is said when it fails."""

import os
import socket
import ssl
import subprocess
import threading

from lib import SambaAD, Slapd, need
from lib.feed import Feed


def refused(t, server, *phrases, **options):
    feed = Feed(t, server, once=True, **options)
    done = feed.finish()
    need(done["result"] < 0, "refused", done)
    for phrase in phrases:
        need(phrase in done["error"], "the sentence says %r" % phrase, done["error"])


def make_certificate(t, name, days, san):
    """A self-signed certificate and its key."""
    cert, key = t.path(name + ".pem"), t.path(name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-days", "3650",
                    "-addext", "subjectAltName=" + san, "-keyout", key, "-out", cert], check=True, capture_output=True)
    if days < 0:
        subprocess.run(["openssl", "x509", "-in", cert, "-signkey", key, "-days", str(days), "-out", cert + ".new"],
                       check=True, capture_output=True)
        os.rename(cert + ".new", cert)
    return cert, key


def tls_server(t, cert, key, newest=None, asked=None):
    """Shakes hands, with no TLS newer than that, and hangs up. In `asked` goes the version over which it was sent something.
    Returns its ldaps:// address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if newest:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
                with connection:
                    with context.wrap_socket(connection, server_side=True) as tls:
                        if asked is not None and tls.recv(1):
                            asked.append(tls.version())
            except (OSError, ssl.SSLError):
                if listener.fileno() < 0:
                    return
    threading.Thread(target=serve, daemon=True).start()
    t.cleanup(listener.close)
    return "ldaps://127.0.0.1:%d" % listener.getsockname()[1]


def test_unknown_authority(t):
    """The sentence names the certificate and the CA file, for LDAPS and StartTLS."""
    server = t.shared(Slapd)
    other, _ = make_certificate(t, "other", 10, "DNS:other")
    for tls in ("ldaps", "starttls"):
        refused(t, server, "is not trusted with the CA certificates of", "rosterd lab CA", "valid from", other, tls=tls, ca=other)


def test_files(t):
    """A CA file that is missing or is none."""
    server = t.shared(Slapd)
    refused(t, server, "the CA file /nonexistent cannot be read", ca="/nonexistent")
    refused(t, server, "holds no certificate", ca=t.write("no.pem", "no certificate\n"))


def test_wrong_name(t):
    """The certificate is for another name."""
    cert, key = make_certificate(t, "elsewhere", 10, "DNS:ldap.example.com,IP:192.0.2.1")
    asked = []
    refused(t, t.shared(Slapd), "is for ldap.example.com, 192.0.2.1, not for 127.0.0.1", "CN=elsewhere",
            uri=tls_server(t, cert, key, asked=asked), ca=cert)
    need(asked == [], "nobody said who we are", asked)


def test_localhost(t):
    """libldap takes localhost for this machine's own name; that is said."""
    server = t.shared(Slapd)
    refused(t, server, "is for localhost, 127.0.0.1, not for " + socket.gethostname(),
            uri="ldaps://localhost:" + server.ldaps_uri.rsplit(":", 1)[1])


def test_no_tls_there(t):
    """A plain port is asked for TLS."""
    server = t.shared(Slapd)
    refused(t, server, "no TLS connection", uri=server.uri.replace("ldap:", "ldaps:"), timeout="1s")


def test_expired(t):
    """The certificate has expired; its dates are said."""
    cert, key = make_certificate(t, "old", -1, "IP:127.0.0.1")
    asked = []
    refused(t, t.shared(Slapd), "certificate has expired", "CN=old", "valid from",
            uri=tls_server(t, cert, key, asked=asked), ca=cert)
    need(asked == [], "nobody said who we are", asked)


def test_old_versions(t):
    """A server, or somebody in between, that speaks nothing newer than TLS 1.1 is not told who we are."""
    cert, key = make_certificate(t, "aged", 10, "IP:127.0.0.1")
    for newest, spoken in ((ssl.TLSVersion.TLSv1_1, []), (ssl.TLSVersion.TLSv1_2, ["TLSv1.2"])):
        asked = []
        refused(t, t.shared(Slapd), "127.0.0.1", uri=tls_server(t, cert, key, newest, asked), ca=cert, timeout="2s")
        need(asked == spoken, "who we are is said over these versions", newest, asked)


def test_client_certificate(t):
    """SASL EXTERNAL by a client certificate."""
    server = t.shared(Slapd)
    ground = server.fresh()
    ground.persons(["ada"])
    feed = Feed(t, server, ground, bind="external", bind_dn=None, password_file=None, certificate=server.client_cert,
                key=server.client_key, once=True)
    need(feed.finish()["result"] == 0 and len(feed.dns("person")) == 1, "read", feed.events)


def test_gssapi(t):
    """GSSAPI with a keytab: sealed on ldap://, and inside TLS without (AD refuses both at once)."""
    server = t.shared(SambaAD)
    ground = server.fresh()
    ground.persons(["ada" + ground.tag])
    os.environ["KRB5_CONFIG"] = server.env["KRB5_CONFIG"]
    try:
        for tls in ("no", "starttls", "ldaps"):
            for principal in (None, server.env["READER_PRINCIPAL"]):
                feed = Feed(t, server, ground, tls=tls, bind="gssapi", bind_dn=None, password_file=None,
                            keytab=server.env["KEYTAB"], principal=principal, once=True)
                need(feed.finish()["result"] == 0 and len(feed.dns("person")) == 1, "read by " + tls, feed.events)
        refused(t, server, "nobody@AD.LAB.TEST", tls="ldaps", bind="gssapi", bind_dn=None, password_file=None,
                keytab=server.env["KEYTAB"], principal="nobody@AD.LAB.TEST")
        refused(t, server, "/nonexistent", tls="ldaps", bind="gssapi", bind_dn=None, password_file=None,
                keytab="/nonexistent")
    finally:
        del os.environ["KRB5_CONFIG"]


def test_password_file(t):
    """A password file that others may read is refused, by name."""
    server = t.shared(Slapd)
    path = t.write("open.pw", "secret", 0o644)
    refused(t, server, path, password_file=path)
