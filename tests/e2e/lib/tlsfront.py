"""A TLS server with tickets before the simulator: it passes on what it is sent, keeps connections or closes
them after each answer, and knows which handshakes resumed an older session."""

import socket
import ssl
import threading

from . import base


def self_signed(t, name):
    """(certificate, key) of an authority of its own, as paths."""
    certificate, key = t.path(name + ".pem"), t.path(name + ".key")
    base.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
              "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
              "-keyout", key, "-out", certificate])
    return certificate, key


class TlsFront:
    """keeps: connections stay open; else each ends after some quiet. newest: of an old server, which knows no later TLS."""

    def __init__(self, t, behind, keeps, newest=None):
        self.certificate, key = self_signed(t, "front")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        if newest:
            self.context.set_ciphers("ALL:@SECLEVEL=0")
            self.context.minimum_version, self.context.maximum_version = ssl.TLSVersion.TLSv1, newest
        self.inner = ssl.create_default_context(cafile=behind.ca_file)
        self.inner.check_hostname = False
        host, _, port = behind.url.rpartition("/")[2].partition(":")
        self.behind = (host, int(port))
        self.keeps = keeps
        self.handshakes = []        # True: resumed
        self.heads = []             # of requests
        self.listener = socket.create_server(("127.0.0.1", base.free_port("127.0.0.1")), backlog=32)
        self.url = "https://127.0.0.1:%d" % self.listener.getsockname()[1]
        t.cleanup(self.listener.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    def serve(self, raw):
        try:
            with self.context.wrap_socket(raw, server_side=True) as client:
                self.handshakes.append(client.session_reused)
                with self.inner.wrap_socket(socket.create_connection(self.behind)) as tenant:
                    self.relay(client, tenant)
        except OSError:
            return

    def relay(self, client, tenant):
        """One request and its answer after the other, as HTTP/1.1 of rosterd is."""
        tenant.settimeout(10)
        while True:
            request = client.recv(65536)
            if not request:
                return
            head, _, body = request.partition(b"\r\n\r\n")
            left = length_of(head) - len(body)
            self.heads.append(head)
            tenant.sendall(request)
            while left > 0:
                more = client.recv(65536)
                left -= len(more)
                tenant.sendall(more)
            answer = tenant.recv(65536)
            while b"\r\n\r\n" not in answer:
                answer += tenant.recv(65536)
            head, _, body = answer.partition(b"\r\n\r\n")
            while len(body) < length_of(head):
                body += tenant.recv(65536)
            client.sendall(head + b"\r\n\r\n" + body)
            if not self.keeps:
                return


def length_of(head):
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
