"""Adding and changing entries over one LDAP connection."""

import re
import socket

from lab import base
from lib import ber


class Adder:
    """Adds entries over one connection: the tools of LDAP say too late, or to a buffer, that the answer is there."""

    def __init__(self, server):
        host, port = re.fullmatch(r"ldap://([^:]+):(\d+)/?", server.uri).groups()
        self.socket = socket.create_connection((host, int(port)), 10)
        self.number = 0
        with open(server.password_file, encoding="utf-8") as password:
            self.ask(ber.tlv(0x60, ber.integer(3) + ber.octets(server.env["BIND_DN"])
                             + ber.tlv(0x80, password.read().encode())))

    def close(self):
        self.socket.close()

    def ask(self, operation):
        """Sends a request and reads its answer, whose result must be 0."""
        self.number += 1
        self.socket.sendall(ber.sequence(ber.integer(self.number), operation))
        data = b""
        while ber.header(data) is None or len(data) < ber.header(data)[2]:
            more = self.socket.recv(65536)
            if not more:
                raise base.Failure("the directory hung up")
            data += more
        # The message, its number, the answer; of the answer the result code.
        answer = ber.header(data, ber.header(data, ber.header(data)[1])[2])
        result = ber.header(data, answer[1])
        if data[result[1]:result[2]] != b"\0":
            raise base.Failure("the directory refuses: %r" % data)

    def add_value(self, dn, name, value):
        self.change(b"\0", dn, name, value)

    def replace_value(self, dn, name, value):
        self.change(b"\2", dn, name, value)

    def change(self, how, dn, name, value):
        change = ber.sequence(ber.octets(name), ber.set_of(ber.octets(value)))
        self.ask(ber.tlv(0x66, ber.octets(dn) + ber.sequence(ber.sequence(ber.tlv(0x0a, how), change))))

    def add(self, dn, **attributes):
        rows = [ber.sequence(ber.octets(name), ber.set_of(ber.octets(value))) for name, value in attributes.items()]
        self.ask(ber.tlv(0x68, ber.octets(dn) + ber.sequence(*rows)))
