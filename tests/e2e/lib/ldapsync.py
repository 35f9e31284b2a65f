"""Content synchronisation (RFC 4533) of the scripted server.

server.sync is a SyncProvider.  Settings, all to be set at any time:
    session_log     how many changes are remembered; older cookies get `stale` (default 1000)
    stale           "present" (a present phase, as slapd does) or "refresh-required" (4096)
    garbage         what a cookie that can't be read gets: "full", "refresh-required" or a code
    future          ... a cookie newer than the content: default 53 (389: "refresh-required")
    edit_present    None, or function(list of uuid.UUID) -> list: what the present phase names
                    in place of the whole truth (lambda ids: [] for none at all)
    idset_size      UUIDs per syncIdSet message (default 100)
    cookies         False: no message carries a cookie before the end
    end_cookie      None, or bytes sent in place of the last cookie of each refresh
    without_end     True: the refresh's end (refreshDone, sync done control) is never sent
    silent          True: persistent searches are told nothing
forget_log()        as slapd does when it restarts: older cookies are stale
force(outcome, times=1)     the next requests WITH a cookie get "full", "present", "delete",
                    "refresh-required", "nothing" (no change, at once the end) or a result code
fail_search, cut and stall("search") of the server work in a refresh as well.
"""

import re

from . import ber
from .ldapproto import SYNC, SYNC_DONE, SYNC_INFO, SYNC_STATE, Persistent, Progress, control

REFRESH_ONLY, REFRESH_AND_PERSIST = 1, 3
PRESENT, ADD, MODIFY, DELETE = 0, 1, 2, 3
REFRESH_REQUIRED = 4096


class SyncProvider:
    def __init__(self, server):
        self.server = server
        self.session_log, self.stale = 1000, "present"
        self.garbage = "refresh-required" if server.flavor == "389" else "full"
        self.future = "refresh-required" if server.flavor == "389" else 53
        self.edit_present = self.end_cookie = None
        self.idset_size = 100
        self.cookies, self.without_end, self.silent = True, False, False
        self.log, self.stamps = [], {}
        self.log_start = 0
        self._forced = []

    # --- the content's history ---

    def record(self, what, entry):
        """Called with the server's lock held."""
        self.log.append((self.server.csn, what, entry.uuid))
        if what == "delete":
            self.stamps.pop(entry.uuid, None)
        else:
            self.stamps[entry.uuid] = self.server.csn
        while len(self.log) > self.session_log:
            self.log_start = self.log.pop(0)[0]

    def forget_log(self):
        with self.server.lock:
            self.log.clear()
            self.log_start = self.server.csn + 1

    def force(self, outcome, times=1):
        self._forced += [outcome] * times

    def cookie(self, request):
        if self.server.flavor == "389":
            return ("%s:%d#%s:%s:%s#%d" % (self.server.host, self.server.port, self.server.reader_dn,
                                           request.dn, request.filter, self.server.csn)).encode()
        return b"rid=000,csn=20260101000000.%06dZ#000000#000#000000" % self.server.csn

    @staticmethod
    def number_of(cookie):
        found = re.search(rb"csn=\d{14}\.(\d{6})Z|#(\d+)$", cookie)
        return int(found.group(1) or found.group(2)) if found else None

    # --- requests ---

    @staticmethod
    def decode(request):
        reader = ber.Reader(request.controls[SYNC][1]).enter()
        request.sync_mode = reader.enum()
        request.sync_cookie = reader.octets() if reader.peek() == ber.OCTETS else None

    def outcome(self, request):
        """full, present, delete, nothing, refresh-required, or a result code."""
        if not request.sync_cookie:
            return "full"
        if self._forced:
            return self._forced.pop(0)
        number = self.number_of(request.sync_cookie)
        if number is None:
            return self.garbage
        if number > self.server.csn:
            return self.future
        if number == self.server.csn:
            return "nothing"
        return "delete" if number >= self.log_start else self.stale

    def _touched(self, since):
        """UUIDs that changed after a cookie's number; the entries' own stamps, as slapd does with
        entryCSN, so that it also works for what the log has forgotten."""
        if since is None:
            return set()
        stamped = {each for each, csn in self.stamps.items() if csn > since}
        return stamped | {each for csn, _, each in self.log if csn > since}

    def answer(self, connection, number, request):
        server = self.server
        code, entries = server.find(request)
        if code:
            return connection.done(number, request, code)
        with server.lock:
            outcome = self.outcome(request)
            if outcome == "refresh-required":
                outcome = REFRESH_REQUIRED
            if isinstance(outcome, int):
                text = "consumer state is newer than provider!" if outcome == 53 else ""
                return connection.done(number, request, outcome, text)
            since = self.number_of(request.sync_cookie) if request.sync_cookie else None
            touched = self._touched(since)
            if outcome == "full" or since is None:
                to_send = entries
            elif outcome == "nothing":
                to_send = []
            else:
                to_send = [e for e in entries if e.uuid in touched]
            cookie = self.cookie(request)
            ids = {entry.uuid for entry in entries}
            gone = [each for each in sorted(touched - ids, key=str)] if outcome == "delete" else []
            stay = None
            if request.sync_mode == REFRESH_AND_PERSIST:
                # Registered before the lock is left: changes from here on are queued behind.
                stay = Persistent(request, "sync")
                stay.known = ids
                stay.ready = False
                stay.late = []
                connection.persistent[number] = stay
        sent = {entry.uuid for entry in to_send}
        progress = Progress(to_send, connection.plan(request))
        failed = self._refresh(connection, number, request, progress)
        if failed is not None:
            connection.persistent.pop(number, None)
            return connection.done(number, request, **failed)
        self._ids(connection, number, gone, True)
        if outcome == "present":
            present = [entry.uuid for entry in entries if entry.uuid not in sent]
            if self.edit_present is not None:
                present = self.edit_present(present)
            self._ids(connection, number, present, False)
        return self._end(connection, number, request, stay, outcome, cookie)

    def _refresh(self, connection, number, request, progress):
        """Sends entries with state ADD; the result's fields if a programmed failure ends it."""
        while True:
            failed = connection._before_entry(number, progress, at_end=not progress.left)
            if failed is not None or not progress.left:
                return failed
            entry = progress.left.popleft()
            connection.send_entry(number, request, entry, [self._state(ADD, entry)])
            progress.sent += 1

    def _state(self, state, entry, cookie=None):
        parts = [ber.enum(state), ber.octets(entry.uuid.bytes)]
        if cookie is not None:
            parts.append(ber.octets(cookie))
        return control(SYNC_STATE, ber.sequence(*parts))

    def _ids(self, connection, number, ids, deleted):
        for at in range(0, len(ids), self.idset_size):
            rows = ber.set_of(*[ber.octets(each.bytes) for each in ids[at:at + self.idset_size]])
            flag = [ber.boolean(True)] if deleted else []
            connection.intermediate(number, SYNC_INFO, ber.sequence(*flag, rows, tag=0xA3))

    def _end(self, connection, number, request, stay, outcome, cookie):
        if self.end_cookie is not None:
            cookie = self.end_cookie
        if self.without_end:
            connection.drain()
            return None
        if stay is None:
            parts = [ber.octets(cookie)]
            if outcome != "present":
                parts.append(ber.boolean(True))
            return connection.done(number, request, 0, controls=[control(SYNC_DONE, ber.sequence(*parts))])
        with self.server.lock:
            tag = 0xA2 if outcome == "present" else 0xA1  # refreshPresent, refreshDelete
            connection.intermediate(number, SYNC_INFO, ber.sequence(ber.octets(cookie), tag=tag), last=True)
            stay.ready = True
            for pdu in stay.late:
                connection.send(pdu)
            stay.late = []
        return None

    def push(self, connection, number, stay, what, entry):
        """PDUs that tell a persistent search of a change; called with the server's lock held."""
        if self.silent:
            return []
        now = what != "delete" and self.server.selects(stay.request, entry)
        before = entry.uuid in stay.known
        if not now and not before:
            return []
        state = DELETE if not now else MODIFY if before else ADD
        (stay.known.add if now else stay.known.discard)(entry.uuid)
        cookie = self.cookie(stay.request) if self.cookies else None
        pdu = connection.entry_pdu(number, stay.request, entry, [self._state(state, entry, cookie)],
                                   bare=state == DELETE)
        if not stay.ready:
            stay.late.append(pdu)
            return []
        return [pdu]
