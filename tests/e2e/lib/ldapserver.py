"""A scripted LDAP server: real enough for libldap, and as strange as a test wants it.

    server = t.server(ScriptedServer, flavor="ad", tls="ldaps")
    server.add("uid=ada,ou=people,dc=example,dc=com", {"objectClass": ["person"], "uid": "ada"})
    server.fail_search(4, after=500)                # the next search: 500 entries, sizeLimitExceeded
    server.requests("search")                       # what clients asked, see Request

ScriptedServer(flavor="openldap", suffix="dc=example,dc=com", tls="no", host="127.0.0.1",
port=0, passwords=None) listens at once.  flavor is openldap, 389 or ad and decides rootDSE,
identity attributes and how ranges and deletions look; suffix, ou=people and ou=groups exist.
tls is "ldaps", "starttls" (offered on a plain port) or "no".  Readable by `reader_dn` with
`reader_password`; .client() gives what [directory] of rosterd.conf needs.

Content (from any thread; persistent searches hear of it):
    add(dn, attributes)   replace(dn, NAME=value_or_list_or_None)   delete(dn)
    rename(dn, newrdn, newsuperior=None)     descendants follow, silently, as on real servers
    person(uid, **attributes)   people(n)   group(name, members)    return DNs
    entry(dn) gives the Entry;  raw_set(dn, NAME=...) changes without any change number
    hold()  context manager: changes made inside are sent in one write (one TLS record)

Standing peculiarities (plain attributes; set at any time):
    value_range     None, a number, or a function (entry, start) -> number: `member` and any
                    other attribute with more values than that come in ranges (AD: 1500)
    on_range        function (entry, name, start) called before a range is answered: edit there
    size_limit      None or a number: a search without paging (or whose paging is ignored) stops
    size_limit_silent   True: ... with success instead of sizeLimitExceeded (4)
    paging          "yes", "ignore" (control is not seen), "reject" (12 unavailableCriticalExtension),
                    "refuse" (53 unwillingToPerform)
    page_size_cap   None or a number: larger pages are made that small
    foreign_page_cookie   result code for a paging cookie of another connection (default 2)
    on_page         function (number of the page, request) called before each page is answered
    hidden          set of attribute names (lower case) that readers may not see
    anonymous       False: searches other than rootDSE without a bind get 1 operationsError (AD)
                    or 50 insufficientAccess
    controls        the set of supported control OIDs that the rootDSE lists and that work;
                    `listed_only` are listed and answered with 12
    dirsync         result code for the DirSync control (default 50 insufficientAccess)
    notifications   how many notification searches (1.2.840.113556.1.4.528) a connection may have
                    (default 5, further: 11 adminLimitExceeded); filter other than (objectClass=*): 53
    split_pdus      seconds: each PDU is written in two halves with this pause between them
    join_pdus       number: so many PDUs are written together (one TLS record up to 16 KiB)
    passwords       DN (as sent, compared as a DN) -> password
    bind_result     None, or a result code that every bind gets (49: with AD's "data 52e" text)
    schema          list of attributeTypes for cn=Subschema (None: no subschemaSubentry)
    invocation_id, usn, csn    identity and change counters; new_invocation() makes another DC
                    of it; usn may be set back, as after a restored backup
    sync            see lib.ldapsync: SyncProvider

Single peculiarities (each for `times` matching requests, default 1; None: always; matching=
is a function of the Request, filter= a regular expression on the filter's text, base= a DN):
    fail_search(code, after=0, message="", matched_dn="", referrals=())
                    the code after so many entries; of a paged search the entries count over all
                    pages; code 0 with after=0 is success with zero entries
    refer_search(urls, after=0)       continuation references among the entries, then as usual
    cut(after=0, pages=None, reset=False)     closes the connection after so many entries, or
                    after so many pages have been answered (and before the next one is)
    stall(stage, after=0)             stage "accept", "tls", "starttls", "bind", "search", "page";
                    returns a Stall: .reached (Event) and .release(); a stalled connection reads
                    nothing.  release() goes on
    fail_bind(code), drop(stage)      drop: closes the connection at "accept", "tls", "bind"
    clear()                           forgets those that are left, releases the stalls

Watching: requests(kind=None) -> list of Request (kind, connection, dn, scope, filter, attributes,
controls, page_size, page_cookie, sync_mode, sync_cookie, time, n_sent, result); wait_request(kind,
seconds, matching=); connections() -> numbers of those that are open; cut_all() closes them now.
"""

import contextlib
import itertools
import re
import shutil
import socket
import ssl
import threading
import time
import uuid

from . import base
from .ldapconnection import Connection
from .ldapdata import Entry, below, decode_filter, filter_text, matches, parse_dn, split_dn
from .ldapproto import DIRSYNC, NOTIFICATION, PAGED, SHOW_DELETED, SYNC, Request
from .ldaproot import SCHEMA, rootdse
from .ldapsync import SyncProvider

CONTROLS = {"openldap": {PAGED, SYNC, "2.16.840.1.113730.3.4.2"},
            "389": {PAGED, SYNC, "2.16.840.1.113730.3.4.3"},
            "ad": {PAGED, DIRSYNC, NOTIFICATION, SHOW_DELETED, "1.2.840.113556.1.4.529"}}


class Stall:
    """A place where connections stand still until release()."""

    def __init__(self):
        self.reached = threading.Event()
        self._go = threading.Event()

    def release(self):
        self._go.set()

    def wait(self):
        self.reached.set()
        self._go.wait()


class Peculiarity:
    """One programmed answer: what it does, to which requests, how often."""

    def __init__(self, kind, times, matching, filter, base_dn, **detail):
        self.kind, self.times, self.detail = kind, times, detail
        self.matching = matching
        self.pattern = re.compile(filter) if filter else None
        self.base = parse_dn(base_dn) if base_dn is not None else None

    def fits(self, request):
        if self.matching is not None and not self.matching(request):
            return False
        if self.pattern is not None and not self.pattern.search(request.filter or ""):
            return False
        return self.base is None or self.base == parse_dn(request.dn or "")


class ScriptedServer:
    flavor_filters = {"ad": ("(objectClass=user)", "(objectClass=group)")}

    def __init__(self, flavor="openldap", suffix="dc=example,dc=com", tls="no", host="127.0.0.1",
                 port=0, passwords=None, folder=None):
        self.flavor, self.suffix, self.host = flavor, suffix, host
        self.suffix_key = parse_dn(suffix)
        self.tls = tls
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.entries = {}
        self.reader_dn, self.reader_password = "cn=reader," + suffix, "secret"
        self.passwords = passwords if passwords is not None else {self.reader_dn: self.reader_password}
        self.value_range = 1500 if flavor == "ad" else None
        self.on_range = self.on_page = self.size_limit = self.page_size_cap = None
        self.size_limit_silent = False
        self.paging = "yes"
        self.foreign_page_cookie = 2
        self.hidden = set()
        self.anonymous = flavor != "ad"
        self.controls, self.listed_only = set(CONTROLS[flavor]), set()
        self.dirsync, self.notifications = 50, 5
        self.split_pdus, self.join_pdus = None, 1
        self.bind_result = None
        self.schema = None if flavor == "ad" else SCHEMA
        self.invocation_id, self.usn, self.csn = uuid.uuid4(), 1000, 0
        self.pages = {}
        self.page_numbers = itertools.count(1)
        self._peculiar, self._stalls, self._log, self._open = [], [], [], {}
        self.holding = 0
        self.sync = SyncProvider(self)
        self.folder = folder
        self._own_folder = None
        self._tls_context = self._make_tls() if tls != "no" else None
        self._fill()
        self._listen(port)

    # --- life ---

    def _make_tls(self):
        if self.folder is None:
            self.folder = self._own_folder = base.new_folder("scripted")
        script = '. "$0"; make_tls "$1" localhost "DNS:localhost,IP:$2"'
        base.run(["sh", "-eu", "-c", script, base.LAB + "/common.sh", self.folder, self.host])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder + "/server.pem", self.folder + "/server.key")
        return context

    def tls_context(self):
        return self._tls_context

    @property
    def ca_file(self):
        return self.folder + "/ca.pem" if self.folder else None

    def _listen(self, port):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((self.host, port or base.free_port(self.host)))
        self._socket.listen(64)
        self.port = self._socket.getsockname()[1]
        self._numbers = itertools.count(1)
        threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()

    def stop(self):
        """Closes the port and all connections; the content stays."""
        self.stop_listening()
        self.cut_all()

    def start(self):
        """After stop(): listens on the same port again."""
        self._listen(self.port)

    def stop_listening(self):
        """Closes the port only: connections that are open go on."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def restart(self):
        self.stop()
        self.start()

    def running(self):
        return self._socket.fileno() >= 0

    def resume(self):
        """As of the real servers: nothing stands still any more."""
        for stall in self._stalls:
            stall.release()

    def close(self):
        self.clear()
        self.stop()
        if self._own_folder:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def _accept(self, listening):
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            connection = Connection(self, sock, next(self._numbers))
            with self.lock:
                self._open[connection.number] = connection
            threading.Thread(target=connection.serve, daemon=True).start()

    def forget_connection(self, connection):
        with self.changed:
            self._open.pop(connection.number, None)
            self.changed.notify_all()

    def connections(self):
        with self.lock:
            return sorted(self._open)

    def cut_all(self, reset=False):
        with self.lock:
            victims = list(self._open.values())
        for connection in victims:
            connection.hang_up(reset)

    # --- what rosterd.conf needs ---

    @property
    def uri(self):
        return "%s://%s:%d" % ("ldaps" if self.tls == "ldaps" else "ldap", self.host, self.port)

    @property
    def base(self):
        return self.suffix

    @property
    def user(self):
        login = "${sAMAccountName}" if self.flavor == "ad" else "${uid}"
        return {"login_id": login, "first_name": "${givenName}", "last_name": "${sn}", "email": "${mail}"}

    def client(self, tls=None):
        people, groups = self.flavor_filters.get(self.flavor, ("(objectClass=inetOrgPerson)",
                                                               "(objectClass=groupOfNames)"))
        return {"uri": self.uri, "base": self.suffix, "filter": people, "group_filter": groups,
                "bind_dn": self.reader_dn, "bind_password": self.reader_password, "tls": self.tls,
                "tls_ca_file": self.ca_file}

    # --- content ---

    def _fill(self):
        self.add(self.suffix, {"objectClass": ["top", "domain"], "dc": split_dn(self.suffix)[0][3:]})
        for ou in ("people", "groups"):
            self.add("ou=%s,%s" % (ou, self.suffix), {"objectClass": ["top", "organizationalUnit"], "ou": ou})
        if self.flavor == "ad":
            self.ntds = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Sites,CN=Configuration," + self.suffix
            self.add(self.ntds, {"objectClass": ["top", "applicationSettings", "nTDSDSA"],
                                 "invocationId": self.invocation_id.bytes_le})

    def new_invocation(self, usn=None):
        """Another DC, or this one restored: a new invocationId, and other change numbers."""
        with self.lock:
            self.invocation_id = uuid.uuid4()
            self.entries[parse_dn(self.ntds)].set("invocationId", self.invocation_id.bytes_le)
            if usn is not None:
                self.usn = usn

    def _stamp(self, entry, created=False):
        """Change numbers and times, as the flavour writes them."""
        now = time.strftime("%Y%m%d%H%M%S", time.gmtime())
        self.csn += 1
        if self.flavor == "ad":
            self.usn += 1
            entry.set("uSNChanged", self.usn)
            entry.set("whenChanged", now + ".0Z")
            if created:
                entry.set("uSNCreated", self.usn)
                entry.set("whenCreated", now + ".0Z")
                entry.set("objectGUID", entry.uuid.bytes_le)
            entry.set("distinguishedName", entry.dn)
            entry.set("name", split_dn(entry.dn)[0].partition("=")[2])
            return
        entry.set("modifyTimestamp", now + "Z")
        if created:
            entry.set("createTimestamp", now + "Z")
        entry.set("entryDN", entry.dn)
        if self.flavor == "389":
            self.usn += 1
            entry.set("entryusn", self.usn)
            entry.set("nsUniqueId", _ns_unique_id(entry.uuid))
        else:
            entry.set("entryUUID", entry.uuid)
            entry.set("entryCSN", "%s.%06dZ#000000#000#000000" % (now, self.csn))

    def add(self, dn, attributes, id=None):
        with self.changed:
            entry = Entry(dn, attributes)
            base.need(entry.key not in self.entries, "entry exists already: " + dn)
            entry.uuid = id or uuid.uuid4()
            self._stamp(entry, created=True)
            self.entries[entry.key] = entry
            self._tell("add", entry)
        return dn

    def entry(self, dn):
        with self.lock:
            entry = self.entries.get(parse_dn(dn))
        return base.need(entry, "no such entry: " + dn)

    def replace(self, dn, **attributes):
        with self.changed:
            entry = self.entry(dn)
            for name, values in attributes.items():
                entry.set(name, values)
            self._stamp(entry)
            self._tell("modify", entry)

    def raw_set(self, dn, **attributes):
        with self.lock:
            for name, values in attributes.items():
                self.entry(dn).set(name, values)

    def delete(self, dn):
        with self.changed:
            entry = self.entry(dn)
            del self.entries[entry.key]
            if self.flavor == "ad":
                self._bury(entry)
            else:
                self.csn += 1
                self.usn += 1
            self._tell("delete", entry)

    def _bury(self, entry):
        """AD keeps a tombstone: same GUID, few attributes, no objectCategory."""
        kept = {name: entry.get(name) for name in ("objectClass", "objectGUID", "sAMAccountName", "uSNCreated")}
        rdn = split_dn(entry.dn)[0]
        tomb = Entry("%s\\0ADEL:%s,CN=Deleted Objects,%s" % (rdn, entry.uuid, self.suffix), kept)
        tomb.uuid, tomb.deleted = entry.uuid, True
        tomb.set("isDeleted", "TRUE")
        tomb.set("lastKnownParent", ",".join(split_dn(entry.dn)[1:]))
        self._stamp(tomb)
        self.entries[tomb.key] = tomb

    def rename(self, dn, newrdn, newsuperior=None):
        with self.changed:
            entry = self.entry(dn)
            parent = newsuperior or ",".join(split_dn(entry.dn)[1:])
            old = entry.key
            moved = [e for e in self.entries.values() if below(e.key, old)]
            for each in moved:
                del self.entries[each.key]
            for each in moved:
                own = split_dn(each.dn)[:len(each.key) - len(old)]
                each.dn = ",".join(own + [newrdn, parent])
                each.key = parse_dn(each.dn)
                if each.find("distinguishedName"):
                    each.set("distinguishedName", each.dn)
                self.entries[each.key] = each
            kind, _, value = newrdn.partition("=")
            entry.set(kind, value.replace("\\", ""))
            self._stamp(entry)
            self._tell("modify", entry)
            return entry.dn

    def _tell(self, what, entry):
        self.sync.record(what, entry)
        for connection in list(self._open.values()):
            connection.changed(what, entry)
        self.changed.notify_all()

    @contextlib.contextmanager
    def hold(self):
        with self.lock:
            self.holding += 1
            try:
                yield
            finally:
                self.holding -= 1
                for connection in list(self._open.values()):
                    connection.flush_soon()

    def person(self, uid, **attributes):
        given = {"objectClass": ["top", "person", "organizationalPerson", "inetOrgPerson"], "uid": uid,
                 "cn": "%s Tester" % uid.capitalize(), "givenName": uid.capitalize(), "sn": "Tester",
                 "mail": "%s@example.com" % uid}
        if self.flavor == "ad":
            given.update(objectClass=["top", "person", "organizationalPerson", "user"], sAMAccountName=uid,
                         userAccountControl="512",
                         objectCategory="CN=Person,CN=Schema,CN=Configuration," + self.suffix)
            del given["uid"]
        dn = attributes.pop("dn", None) or "%s=%s,ou=people,%s" % (
            "CN" if self.flavor == "ad" else "uid", uid, self.suffix)
        identity = attributes.pop("id", None)
        given.update(attributes)
        return self.add(dn, {k: v for k, v in given.items() if v is not None}, identity)

    def people(self, n, prefix="u"):
        """n people named u00001, ...; their DNs."""
        return [self.person("%s%05d" % (prefix, number)) for number in range(1, n + 1)]

    def group(self, name, members, **attributes):
        given = {"objectClass": ["top", "group" if self.flavor == "ad" else "groupOfNames"], "cn": name,
                 "member": list(members)}
        dn = attributes.pop("dn", None) or "cn=%s,ou=groups,%s" % (name, self.suffix)
        given.update(attributes)
        return self.add(dn, {k: v for k, v in given.items() if v is not None})

    # --- peculiarities ---

    def _program(self, kind, times=1, matching=None, filter=None, base=None, **detail):
        item = Peculiarity(kind, times, matching, filter, base, **detail)
        with self.lock:
            self._peculiar.append(item)
        return item

    def fail_search(self, code, after=0, message="", matched_dn="", referrals=(), **which):
        return self._program("fail", code=code, after=after, message=message, matched_dn=matched_dn,
                             referrals=list(referrals), **which)

    def refer_search(self, urls, after=0, **which):
        return self._program("refer", urls=[urls] if isinstance(urls, str) else list(urls), after=after, **which)

    def cut(self, after=0, pages=None, reset=False, **which):
        if pages is not None:
            return self._program("cut-page", pages=pages, reset=reset, **which)
        return self._program("cut", after=after, reset=reset, **which)

    def stall(self, stage, after=0, **which):
        base.need(stage in ("accept", "tls", "starttls", "bind", "search", "page"), "no such stage: " + stage)
        stall = Stall()
        self._stalls.append(stall)
        self._program("stall-" + stage, after=after, stall=stall, **which)
        return stall

    def drop(self, stage, **which):
        return self._program("drop-" + stage, **which)

    def fail_bind(self, code, **which):
        return self._program("bind", code=code, **which)

    def clear(self):
        with self.lock:
            self._peculiar.clear()
        self.resume()

    def take(self, kind, request=None):
        """The programmed peculiarity of that kind which fits the request, used up once."""
        with self.lock:
            for item in self._peculiar:
                if item.kind == kind and (request is None or item.fits(request)):
                    if item.times is not None:
                        item.times -= 1
                        if item.times <= 0:
                            self._peculiar.remove(item)
                    return item.detail
        return None

    # --- watching ---

    def note(self, request):
        with self.changed:
            self._log.append(request)
            self.changed.notify_all()

    def requests(self, kind=None, matching=None):
        with self.lock:
            return [r for r in self._log if (kind is None or r.kind == kind)
                    and (matching is None or matching(r))]

    def forget_requests(self):
        with self.lock:
            self._log.clear()

    def wait_request(self, kind, seconds=20, matching=None, count=1):
        found = base.wait_for(lambda: (self.requests(kind, matching)[count - 1:count] or None), seconds,
                              "a %s request" % kind, lambda: self.requests()[-10:])
        return found[0]

    # --- searching: the entries that a request selects, and how they look ---

    def decode_search(self, reader, connection, controls):
        """A Request from a SearchRequest's content, with .node (its filter) and .types_only."""
        request = Request("search", connection)
        request.dn = reader.text()
        request.scope = ("base", "one", "sub")[reader.enum()]
        reader.enum()
        request.client_size_limit = reader.integer()
        reader.integer()
        request.types_only = reader.boolean()
        request.node = decode_filter(reader)
        request.filter = filter_text(request.node)
        names = reader.enter()
        while names.more():
            request.attributes.append(names.text())
        request.controls = controls
        return request

    def selects(self, request, entry):
        """Whether an entry is in the base, scope and filter of a search."""
        key = parse_dn(request.dn)
        if entry.deleted and SHOW_DELETED not in request.controls:
            return False
        in_scope = {"base": entry.key == key,
                    "one": len(entry.key) == len(key) + 1 and below(entry.key, key),
                    "sub": below(entry.key, key)}[request.scope]
        return in_scope and matches(request.node, entry, self._chain) is True

    def _chain(self, entry, name, key):
        """1.2.840.113556.1.4.1941 on memberOf: is the entry in the group, however deep?"""
        seen, waiting = set(), [key]
        while waiting:
            group = self.entries.get(waiting.pop())
            for value in group.get("member") if group else []:
                member = parse_dn(value.decode("utf-8", "replace"))
                if member not in seen:
                    seen.add(member)
                    waiting.append(member)
        return entry.key in seen

    def find(self, request):
        """(result code, entries) of a search."""
        if request.dn == "" and request.scope == "base":
            return 0, [rootdse(self)]
        if self.schema and parse_dn(request.dn) == parse_dn("cn=Subschema"):
            return 0, [Entry("cn=Subschema", {"objectClass": ["top", "subentry", "subschema"],
                                              "cn": "Subschema", "attributeTypes": self.schema})]
        with self.lock:
            guid = re.fullmatch(r"<GUID=([0-9a-fA-F-]+)>", request.dn)
            if guid and self.flavor == "ad":
                text = guid.group(1)
                wanted = uuid.UUID(text) if "-" in text else uuid.UUID(bytes_le=bytes.fromhex(text))
                entry = next((e for e in self.entries.values() if e.uuid == wanted), None)
                request.dn = entry.dn if entry else request.dn
            key = parse_dn(request.dn)
            if key and key not in self.entries:
                return 32, []
            found = [entry for entry in self.entries.values() if self.selects(request, entry)]
        return 0, sorted(found, key=lambda entry: len(entry.key))

    def shown(self, request, entry):
        """The attributes of an entry that a search returns: list of (name, values)."""
        wanted = request.attributes or ["*"]
        rows = []
        for name, values in list(entry.attributes.items()):
            kind, _, options = name.lower().partition(";")
            if kind in self.hidden or (kind == "userpassword"):
                continue
            operational = kind in _OPERATIONAL
            asked = (("*" in wanted and not operational) or ("+" in wanted and operational)
                     or any(w.lower() in (kind, name.lower()) for w in wanted))
            ranged = next((w for w in wanted if re.fullmatch(re.escape(kind) + r";range=\d+-(\d+|\*)", w.lower())), None)
            if ranged or asked:
                rows += self._ranged(entry, name, values, ranged)
        return rows

    def _ranged(self, entry, name, values, asked):
        limit = self.value_range
        if limit is None and not asked:
            return [(name, values)]
        start, last = 0, None
        if asked:
            start, last = re.search(r"range=(\d+)-(\d+|\*)", asked.lower()).groups()
            start, last = int(start), None if last == "*" else int(last)
        if self.on_range is not None and asked:
            self.on_range(entry, name, start)
            values = entry.get(name)
        step = limit(entry, start) if callable(limit) else limit or len(values)
        if not asked and len(values) <= step:
            return [(name, values)]
        stop = start + step if last is None else min(start + step, last + 1)
        empty = [(name, [])] if not asked else []
        if stop >= len(values):
            return empty + [("%s;range=%d-*" % (name, start), values[start:])]
        return empty + [("%s;range=%d-%d" % (name, start, stop - 1), values[start:stop])]


_OPERATIONAL = {"entryuuid", "entrycsn", "entrydn", "modifytimestamp", "createtimestamp", "nsuniqueid",
                "entryusn", "memberof", "structuralobjectclass", "subschemasubentry"}


def _ns_unique_id(value):
    text = value.hex
    return "-".join(text[at:at + 8] for at in range(0, 32, 8))
