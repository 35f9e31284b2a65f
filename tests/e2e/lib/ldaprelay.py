"""Between rosterd and a real LDAP server: passes on what it is sent, and lets the answers of some requests wait, while all
others go on, as a server does that takes long over one of them."""

import socket
import threading

from . import base

SEARCH = 0x63


def messages(buffer):
    """(whole messages, what is left)"""
    whole = []
    while len(buffer) >= 2:
        size, at = buffer[1], 2
        if size & 0x80:
            n = size & 0x7f
            if len(buffer) < 2 + n:
                break
            size, at = int.from_bytes(buffer[2:2 + n], "big"), 2 + n
        if len(buffer) < at + size:
            break
        whole.append((buffer[at:at + size], buffer[:at + size]))
        buffer = buffer[at + size:]
    return whole, buffer


def number_and_kind(content):
    """(message id, tag of the operation)"""
    end = 2 + content[1]
    return content[2:end], content[end]


class LdapRelay:
    """slow: of a request's bytes, whether its answers are to wait after so many, until release()."""

    def __init__(self, t, server, slow):
        self.server, self.slow = server, slow
        self.after = None       # None: nothing waits
        self.held = threading.Event()
        self.lock = threading.Lock()
        self.connections = []
        self.is_cut = False
        self.listener = socket.create_server(("127.0.0.1", base.free_port("127.0.0.1")), backlog=16)
        self.uri = "ldap://127.0.0.1:%d" % self.listener.getsockname()[1]
        t.cleanup(self.listener.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self, after):
        with self.lock:
            self.held.clear()
            self.after = after

    def release(self):
        with self.lock:
            self.after = None
            for connection in self.connections:
                connection.release()

    def cut(self, is_cut=True):
        """The server is away, as it looks from here; or not any more."""
        with self.lock:
            self.is_cut = is_cut
            for connection in self.connections if is_cut else []:
                connection.hang_up()

    def _accept(self):
        host, _, port = self.server.uri.rpartition("/")[2].partition(":")
        while True:
            try:
                client, _ = self.listener.accept()
                if self.is_cut:
                    client.close()
                    continue
                behind = socket.create_connection((host, int(port)))
            except OSError:
                return
            with self.lock:
                self.connections.append(Connection(self, client, behind))


class Connection:
    def __init__(self, relay, client, behind):
        self.relay, self.client, self.behind = relay, client, behind
        self.shown, self.waiting = {}, []    # answers so far, of each request that may wait
        for run in (self._requests, self._answers):
            threading.Thread(target=run, daemon=True).start()

    def _each(self, source):
        buffer = b""
        while True:
            try:
                data = source.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                break
            whole, buffer = messages(buffer + data)
            yield from whole
        self.hang_up()

    def hang_up(self):
        for end in (self.client, self.behind):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _requests(self):
        for content, raw in self._each(self.client):
            number, kind = number_and_kind(content)
            if kind == SEARCH and self.relay.slow(raw):
                self.shown[number] = 0
            self._send(self.behind, raw)

    def _answers(self):
        for content, raw in self._each(self.behind):
            number, kind = number_and_kind(content)
            with self.relay.lock:
                slow = number in self.shown
                waits = slow and self.relay.after is not None and self.shown[number] >= self.relay.after
                if slow:
                    self.shown[number] += 1
                if waits:
                    self.waiting.append(raw)
                    self.relay.held.set()
                else:
                    self._send(self.client, raw)

    def _send(self, to, raw):
        try:
            to.sendall(raw)
        except OSError:
            pass

    def release(self):
        """Called with the lock."""
        waiting, self.waiting = self.waiting, []
        self._send(self.client, b"".join(waiting))
