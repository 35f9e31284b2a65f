"""rosterd and a larger Active Directory: a group of 5,000 members, and a second controller."""

import os
import re

from lib import base as lab
from lib import deadline, estate
from lib.servers import SambaAD


class Domain(SambaAD):
    """Read with an account that may see what was deleted."""

    @property
    def reader_dn(self):
        return self.env["BIND_DN"]


SECOND = lab.free_address()


def domain(t):
    """Users take Samba more than ten milliseconds each: both tests have one domain."""
    return t.shared(Domain, users=5000, also=SECOND)


def twin(t):
    """A function that makes a controller that is a copy of another, at the address that the other's
    certificate names too."""
    def make(server):
        other = Domain(start=False, host=SECOND)
        t.cleanup(other.close)
        server.stop()
        server._copy(server.data, other.data)
        server.start()
        for name in ("etc/smb.conf", "krb5.conf"):
            path = os.path.join(other.data, name)
            with open(path, encoding="ascii") as text:
                said = text.read().replace(server.data, other.data)
            lab.write_file(path, re.sub(r"%s\b" % re.escape(server.env["HOST"]), SECOND, said))
        other.start()
        return other
    return make


@deadline(120)
def test_big_group(t):
    """T10: a group of 5,000 members, whose changes come as differences."""
    estate.big_group(t, domain(t), "dirsync")


@deadline(120)
def test_failover(t):
    """T4: the first of two controllers is lost in the middle of a read."""
    estate.failover(t, domain(t), twin(t), ("dirsync", "poll"), after=60000, n=150)
