"""rosterd and a larger Active Directory: a group of 5,000 members, and two controllers."""

from lib import base as lab
from lib import deadline, estate
from lib.servers import SambaAD
from test_samba import Domain, copy_of


def big(t, address):
    """Users take Samba ten milliseconds each: both tests have one domain."""
    return t.shared(Domain, users=5000, also=address)
