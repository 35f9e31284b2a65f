"""One connection of the scripted server: framing, TLS, and the operations.

A reading thread decodes and answers; a writing thread sends, so that a client that does not
read holds up nobody else, and so that PDUs can be joined, split and delayed in one place.  TLS
runs on memory buffers, which lets a test cut the bytes of a TLS record.
"""

import queue
import socket
import ssl
import struct
import threading
import time
import traceback

from . import ber
from .ldapdata import parse_dn
from .ldapproto import DIRSYNC, NOTIFICATION, PAGED, SYNC, Persistent, Progress, Request, control

START_TLS, WHO_AM_I = "1.3.6.1.4.1.1466.20037", "1.3.6.1.4.1.4203.1.11.3"
BIND, UNBIND, SEARCH, ABANDON, EXTENDED = 0x60, 0x42, 0x63, 0x50, 0x77
BIND_DONE, ENTRY, SEARCH_DONE, REFERENCE, EXTENDED_DONE, INTERMEDIATE = 0x61, 0x64, 0x65, 0x73, 0x78, 0x79
# what else a client may ask, with the tag of the answer: this server is read-only on the wire
REFUSED = {0x66: 0x67, 0x68: 0x69, 0x4A: 0x6B, 0x6C: 0x6D, 0x6E: 0x6F}
BAD_PASSWORD_AD = "80090308: LdapErr: DSID-0C090446, comment: AcceptSecurityContext error, data 52e, v2580"


class HungUp(Exception):
    """The connection is over."""


class Connection:
    def __init__(self, server, sock, number):
        self.server, self.sock, self.number = server, sock, number
        self.bound = None
        self.tls = None
        self.tls_lock = threading.Lock()
        self.persistent = {}
        self.held = []
        self.outbox = queue.Queue()
        self.open = True
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # --- bytes in and out ---

    def serve(self):
        writer = threading.Thread(target=self._write_loop, daemon=True)
        try:
            self._stage("accept")
            if self.server.tls == "ldaps":
                self._stage("tls")
                self._start_tls()
            writer.start()
            buffer = b""
            while True:
                head = ber.header(buffer)
                if head is None or len(buffer) < head[2]:
                    buffer += self._receive()
                    continue
                message, buffer = buffer[:head[2]], buffer[head[2]:]
                self._message(ber.Reader(message).enter())
        except (HungUp, OSError, ssl.SSLError):
            pass
        except (ber.BerError, ValueError):
            traceback.print_exc()
        finally:
            self.open = False
            self.outbox.put(None)
            if writer.ident is not None:
                writer.join(30)
            self.sock.close()
            self.server.forget_connection(self)

    def hang_up(self, reset=False):
        """Closes at once, from any thread; reset: with RST in place of FIN."""
        self.open = False
        try:
            if reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if reset:
            # close() sends RST only when no thread is blocked in recv(): wake it first
            try:
                self.sock.shutdown(socket.SHUT_RD)
            except OSError:
                pass

    def _receive(self):
        """More bytes of LDAP.  What came along with the end of the handshake is in TLS's hands
        already: look there before waiting for the socket."""
        while True:
            if self.tls is not None:
                with self.tls_lock:
                    plain = self._decrypt()
                    self._push()
                if plain:
                    return plain
            data = self.sock.recv(65536)
            if not data:
                raise HungUp()
            if self.tls is None:
                return data
            with self.tls_lock:
                self.tls_in.write(data)

    def _decrypt(self):
        plain = b""
        try:
            while True:
                piece = self.tls.read(65536)
                if not piece:
                    return plain
                plain += piece
        except ssl.SSLWantReadError:
            return plain

    def _start_tls(self):
        self.tls_in, self.tls_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.server.tls_context().wrap_bio(self.tls_in, self.tls_out, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._push()
                data = self.sock.recv(65536)
                if not data:
                    raise HungUp() from None
                self.tls_in.write(data)
        self.tls = tls
        self._push()

    def _push(self):
        data = self.tls_out.read()
        if data:
            self.sock.sendall(data)

    def send(self, pdu, last=True):
        """Queues a PDU; with join_pdus it waits for company until `last`."""
        self.outbox.put((pdu, last))

    def drain(self):
        """Waits until everything queued is with the kernel."""
        done = threading.Event()
        self.outbox.put(done)
        while self.open and not done.wait(0.05):
            pass

    def _write_loop(self):
        waiting = []
        while True:
            item = self.outbox.get()
            try:
                if item is None:
                    return
                if isinstance(item, threading.Event):
                    self._write(waiting)
                    waiting = []
                    item.set()
                    continue
                waiting.append(item[0])
                if item[1] or len(waiting) >= self.server.join_pdus:
                    self._write(waiting)
                    waiting = []
            except (OSError, ssl.SSLError):
                self.open = False
                return

    def _write(self, pdus):
        pause = self.server.split_pdus
        for data in pdus if pause else [b"".join(pdus)]:
            if not data:
                continue
            if self.tls is not None:
                with self.tls_lock:
                    self.tls.write(data)
                    data = self.tls_out.read()
            if pause:
                half = max(1, len(data) // 2)
                self.sock.sendall(data[:half])
                time.sleep(pause)
                data = data[half:]
            self.sock.sendall(data)

    def _stage(self, stage):
        """What is programmed for a stage of connecting."""
        stalled = self.server.take("stall-" + stage)
        if stalled:
            stalled["stall"].wait()
        if self.server.take("drop-" + stage) is not None:
            raise HungUp()

    # --- messages ---

    def _message(self, message):
        number = message.integer()
        tag, content = message.next()
        controls = {}
        if message.peek() == 0xA0:
            rows = message.enter(0xA0)
            while rows.more():
                one = rows.enter()
                oid = one.text()
                critical = one.boolean() if one.peek() == ber.BOOLEAN else False
                controls[oid] = (critical, one.octets() if one.more() else None)
        if tag == UNBIND:
            raise HungUp()
        if tag == ABANDON:
            self.persistent.pop(int.from_bytes(content, "big", signed=True), None)
        elif tag == BIND:
            self._bind(number, ber.Reader(content))
        elif tag == SEARCH:
            self._search(number, self.server.decode_search(ber.Reader(content), self.number, controls))
        elif tag == EXTENDED:
            self._extended(number, ber.Reader(content))
        elif tag in REFUSED:
            self.result(number, REFUSED[tag], 53, "this server does not write")
        else:
            raise ber.BerError("request 0x%02x" % tag)

    def result(self, number, tag, code, message="", matched="", referrals=(), extra=b"", controls=()):
        parts = [ber.enum(code), ber.octets(matched), ber.octets(message)]
        if referrals:
            parts.append(ber.sequence(*map(ber.octets, referrals), tag=0xA3))
        self._pdu(number, ber.sequence(*parts, extra, tag=tag), controls)

    def _pdu(self, number, operation, controls=(), last=True):
        parts = [ber.integer(number), operation]
        if controls:
            parts.append(ber.sequence(*controls, tag=0xA0))
        self.send(ber.sequence(*parts), last)

    def _bind(self, number, reader):
        reader.integer()
        dn = reader.text()
        tag, secret = reader.next()
        request = Request("bind", self.number, dn=dn, mechanism="simple" if tag == 0x80 else "SASL")
        self.server.note(request)
        stalled = self.server.take("stall-bind", request)
        if stalled:
            stalled["stall"].wait()
        if self.server.take("drop-bind", request) is not None:
            raise HungUp()
        self.bound = None
        code, message = self._judge_bind(dn, tag, secret, request)
        request.result = code
        if code == 0 and dn:
            self.bound = dn
        self.result(number, BIND_DONE, code, message)

    def _judge_bind(self, dn, tag, secret, request):
        programmed = self.server.take("bind", request)
        code = programmed["code"] if programmed else self.server.bind_result
        if code is None:
            if tag != 0x80:
                return 7, "only simple binds"
            if not dn:
                return 0, ""
            known = {parse_dn(name): word for name, word in self.server.passwords.items()}
            word = known.get(parse_dn(dn))
            code = 53 if not secret else 0 if word is not None and secret == word.encode("utf-8") else 49
        if programmed and programmed.get("repeats"):
            return code, programmed["repeats"](secret.decode("utf-8"))
        return code, BAD_PASSWORD_AD if code == 49 and self.server.flavor == "ad" else ""

    def _extended(self, number, reader):
        oid = reader.text(0x80)
        self.server.note(Request("extended", self.number, dn=oid))
        if oid == START_TLS and self.server.tls == "starttls" and self.tls is None:
            self.result(number, EXTENDED_DONE, 0, extra=ber.octets(oid, 0x8A))
            self.drain()
            self._stage("starttls")
            self._start_tls()
        elif oid == WHO_AM_I and self.server.flavor != "ad":
            self.result(number, EXTENDED_DONE, 0, extra=ber.octets("dn:" + (self.bound or ""), 0x8B))
        else:
            self.result(number, EXTENDED_DONE, 2, "unsupported extended operation " + oid)

    # --- searching ---

    def _search(self, number, request):
        server = self.server
        page = request.controls.get(PAGED)
        if page and page[1] is not None:
            values = ber.Reader(page[1]).enter()
            request.page_size, request.page_cookie = values.integer(), values.octets()
        if SYNC in request.controls:
            server.sync.decode(request)
        server.note(request)
        code, message = self._refuse(request)
        if code is not None:
            return self.done(number, request, code, message)
        if NOTIFICATION in request.controls:
            return self._notification(number, request)
        if SYNC in request.controls:
            return server.sync.answer(self, number, request)
        if request.page_size is not None and server.paging == "yes":
            return self._page(number, request)
        code, entries = server.find(request)
        progress = Progress(entries, self.plan(request))
        outcome = self.play(number, request, progress, limited=not self._is_root(request))
        if code:
            outcome = outcome or {"code": code}
        return self.done(number, request, **(outcome or {"code": 0}))

    @staticmethod
    def _is_root(request):
        return request.scope == "base"

    def _refuse(self, request):
        """(code, text) of a search that is refused as a whole; (None, "") otherwise."""
        server = self.server
        root = request.dn == "" and request.scope == "base"
        if not server.anonymous and self.bound is None and not root:
            if server.flavor == "ad":
                return 1, "000004DC: LdapErr: DSID-0C0909AF, comment: In order to perform this operation a " \
                          "successful bind must be completed on the connection., data 0, v2580"
            return 50, ""
        for oid, (critical, _) in request.controls.items():
            broken = oid in server.listed_only or (oid not in server.controls and critical)
            if broken and not (oid == PAGED and server.paging == "ignore"):
                return 12, "critical extension is not available"
        if DIRSYNC in request.controls and server.dirsync:
            return server.dirsync, "00002105: SecErr: DSID-03151E07, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0" \
                if server.dirsync == 50 else ""
        if request.page_size is not None and server.paging in ("reject", "refuse"):
            return (12, "paged results are not supported") if server.paging == "reject" else (53, "")
        return None, ""

    def plan(self, request):
        return {kind: self.server.take(kind, request)
                for kind in ("fail", "refer", "cut", "cut-page", "stall-search", "stall-page")}

    def play(self, number, request, progress, limit=None, limited=False):
        """Sends entries (at most `limit`); the result's fields if it ends before its time."""
        server = self.server
        count = 0
        while True:
            outcome = self._before_entry(number, progress, at_end=not progress.left)
            if outcome is not None:
                return outcome
            if not progress.left or (limit is not None and count >= limit):
                return None
            if limited and server.size_limit is not None and progress.sent >= server.size_limit:
                return {"code": 0 if server.size_limit_silent else 4}
            if request.client_size_limit and progress.sent >= request.client_size_limit:
                return {"code": 4}
            entry = progress.left.popleft()
            self.send_entry(number, request, entry)
            progress.sent += 1
            count += 1

    def _before_entry(self, number, progress, at_end):
        """What is programmed at this number of entries."""
        plan = progress.plan

        def due(kind):
            item = plan[kind]
            if item is None or (progress.sent < item["after"] and not at_end):
                return None
            plan[kind] = None
            return item
        refer = due("refer")
        if refer:
            self._pdu(number, ber.sequence(*map(ber.octets, refer["urls"]), tag=REFERENCE), last=False)
        stall = due("stall-search")
        if stall:
            self.drain()
            stall["stall"].wait()
        cut = due("cut")
        if cut:
            self.drain()
            self.hang_up(cut["reset"])
            raise HungUp()
        fail = due("fail")
        if fail:
            if fail["code"] == 0:
                progress.left.clear()
            return {"code": fail["code"], "message": fail["message"], "matched": fail["matched_dn"],
                    "referrals": fail["referrals"]}
        return None

    def _page(self, number, request):
        server = self.server
        if request.page_cookie:
            owner, progress = server.pages.pop(request.page_cookie, (None, None))
            if owner != self.number:
                return self.done(number, request, server.foreign_page_cookie, "paged results cookie is invalid")
        else:
            code, entries = server.find(request)
            progress = Progress(entries, self.plan(request))
            if code:
                outcome = self._before_entry(number, progress, at_end=True)
                return self.done(number, request, **(outcome or {"code": code}))
        self._between_pages(progress)
        if server.on_page is not None:
            server.on_page(progress.pages + 1, request)
        size = min(request.page_size, server.page_size_cap or request.page_size)
        outcome = self.play(number, request, progress, limit=size)
        progress.pages += 1
        if outcome is not None and outcome["code"]:
            return self.done(number, request, **outcome)
        cookie = b""
        if progress.left:
            cookie = b"page-%d" % next(server.page_numbers)
            server.pages[cookie] = (self.number, progress)
        value = ber.sequence(ber.integer(0), ber.octets(cookie))
        return self.done(number, request, 0, controls=[control(PAGED, value)])

    def _between_pages(self, progress):
        plan = progress.plan
        stall = plan["stall-page"]
        if stall and progress.pages >= stall["after"]:
            plan["stall-page"] = None
            self.drain()
            stall["stall"].wait()
        cut = plan["cut-page"]
        if cut and progress.pages >= cut["pages"]:
            self.drain()
            self.hang_up(cut["reset"])
            raise HungUp()

    def send_entry(self, number, request, entry, controls=(), last=False, bare=False):
        """A SearchResultEntry; bare: without attributes."""
        request.n_sent += 1
        self.send(self.entry_pdu(number, request, entry, controls, bare), last)

    def entry_pdu(self, number, request, entry, controls=(), bare=False):
        rows = [] if bare else self.server.shown(request, entry)
        attributes = [ber.sequence(ber.octets(name), ber.set_of(*([] if request.types_only else map(ber.octets, values))))
                      for name, values in rows]
        parts = [ber.integer(number),
                 ber.sequence(ber.octets(entry.dn), ber.sequence(*attributes), tag=ENTRY)]
        if controls:
            parts.append(ber.sequence(*controls, tag=0xA0))
        return ber.sequence(*parts)

    def intermediate(self, number, oid, value, last=False):
        self._pdu(number, ber.sequence(ber.octets(oid, 0x80), ber.octets(value, 0x81), tag=INTERMEDIATE), last=last)

    def done(self, number, request, code, message="", matched="", referrals=(), controls=()):
        request.result = code
        self.result(number, SEARCH_DONE, code, message, matched, referrals, controls=controls)

    # --- searches that stay ---

    def _notification(self, number, request):
        server = self.server
        if request.filter.lower() != "(objectclass=*)":
            return self.done(number, request, 53, "notification: only (objectClass=*)")
        with server.lock:
            n = sum(stay.kind == "notification" for stay in self.persistent.values())
            if n < server.notifications:
                self.persistent[number] = Persistent(request, "notification")
                return None
        return self.done(number, request, 11, "too many notification searches")

    def changed(self, what, entry):
        """Called with the server's lock held, for each change."""
        for number, stay in list(self.persistent.items()):
            pdus = []
            if stay.kind == "sync":
                pdus = self.server.sync.push(self, number, stay, what, entry)
            elif what != "delete" and self.server.selects(stay.request, entry):
                pdus = [self.entry_pdu(number, stay.request, entry)]
            self.held += pdus
        if not self.server.holding:
            self.flush_soon()

    def flush_soon(self):
        if self.held:
            self.send(b"".join(self.held))
            self.held = []
