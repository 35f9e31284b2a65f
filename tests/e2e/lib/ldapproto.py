"""Names and records that the parts of the scripted server share."""

import collections
import time

from . import ber

PAGED, DIRSYNC, NOTIFICATION, SHOW_DELETED = ("1.2.840.113556.1.4.319", "1.2.840.113556.1.4.841",
                                              "1.2.840.113556.1.4.528", "1.2.840.113556.1.4.417")
SYNC, SYNC_STATE, SYNC_DONE, SYNC_INFO = ("1.3.6.1.4.1.4203.1.9.1.1", "1.3.6.1.4.1.4203.1.9.1.2",
                                          "1.3.6.1.4.1.4203.1.9.1.3", "1.3.6.1.4.1.4203.1.9.1.4")


class Request:
    """What a client asked."""

    def __init__(self, kind, connection, **fields):
        self.kind, self.connection, self.time = kind, connection, time.monotonic()
        self.dn = self.filter = self.page_size = self.page_cookie = None
        self.sync_mode = self.sync_cookie = self.result = self.scope = None
        self.attributes, self.controls, self.n_sent = [], {}, 0
        self.__dict__.update(fields)

    def __repr__(self):
        text = "%s #%d" % (self.kind, self.connection)
        for name in ("dn", "scope", "filter", "attributes", "page_size", "sync_mode", "result"):
            value = getattr(self, name)
            if value not in (None, []):
                text += " %s=%r" % (name, value)
        return "<%s>" % text


class Persistent:
    """A search that stays: notification or sync."""

    def __init__(self, request, kind):
        self.request, self.kind = request, kind
        self.known = set()


class Progress:
    """A search on its way, over several pages: what is left to send and what is programmed."""

    def __init__(self, entries, plan):
        self.left, self.plan = collections.deque(entries), plan
        self.sent = self.pages = 0


def control(oid, value=None, critical=False):
    parts = [ber.octets(oid)]
    if critical:
        parts.append(ber.boolean(True))
    if value is not None:
        parts.append(ber.octets(value))
    return ber.sequence(*parts)
