"""DNs, filters and entries of the scripted server: enough of RFC 4514, 4515 and 4511 to judge
what a client asks for.  No schema: a few attributes are known to be DNs, numbers or bytes, all
others compare as text without regard to case and to runs of blanks."""

import re
import unicodedata

from .ber import Reader

DN_VALUED = {"member", "uniquemember", "memberof", "distinguishedname", "manager", "owner",
             "entrydn", "objectcategory", "dsservicename", "lastknownparent"}
BINARY = {"objectguid", "objectsid", "invocationid", "jpegphoto", "userpassword"}


def split_dn(dn):
    """The RDNs of a DN as written, escapes kept."""
    parts, part, escaped = [], "", False
    for char in dn:
        if escaped or char not in ",;":
            part += char
            escaped = not escaped and char == "\\"
        else:
            parts.append(part)
            part = ""
    return [p.strip() if not p.rstrip().endswith("\\") else p.lstrip() for p in parts + [part]] if dn else []


def unescape(value):
    data = bytearray()
    at = 0
    while at < len(value):
        if value[at] == "\\" and re.match(r"[0-9A-Fa-f]{2}", value[at + 1:at + 3]):
            data.append(int(value[at + 1:at + 3], 16))
            at += 3
            continue
        if value[at] == "\\":
            at += 1
        data += value[at:at + 1].encode("utf-8")
        at += 1
    return data.decode("utf-8", "replace")


def fold(text):
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def parse_dn(dn):
    """A DN for comparison: a tuple of RDNs, each a sorted tuple of (type, value)."""
    result = []
    for rdn in split_dn(dn):
        pairs = []
        for pair in re.split(r"(?<!\\)\+", rdn):
            kind, _, value = pair.partition("=")
            pairs.append((kind.strip().lower(), fold(unescape(value))))
        result.append(tuple(sorted(pairs)))
    return tuple(result)


def below(dn, base):
    """Whether a parsed DN is the base or lies under it."""
    return len(dn) >= len(base) and (not base or dn[-len(base):] == base)


class Entry:
    """An entry: .dn as written, .key for comparison, .attributes name -> list of bytes."""

    def __init__(self, dn, attributes):
        self.dn = dn
        self.key = parse_dn(dn)
        self.attributes = {}
        self.uuid = None
        self.deleted = False
        for name, values in attributes.items():
            self.set(name, values)

    def find(self, name):
        """The stored name of an attribute (with its options), case ignored."""
        lower = name.lower()
        return next((stored for stored in self.attributes if stored.lower() == lower), None)

    def get(self, name):
        return self.attributes.get(self.find(name), [])

    def set(self, name, values):
        stored = self.find(name) or name
        values = [] if values is None else values
        if not isinstance(values, (list, tuple)):
            values = [values]
        data = [v if isinstance(v, bytes) else str(v).encode("utf-8") for v in values]
        if data:
            self.attributes[stored] = data
        else:
            self.attributes.pop(stored, None)

    def values_of_type(self, name):
        """All values of an attribute and of its variants with options."""
        lower = name.lower()
        if ";" in lower:
            return self.get(name)
        return [value for stored, values in self.attributes.items()
                if stored.lower().split(";")[0] == lower for value in values]


# --- filters ---

AND, OR, NOT, EQUALITY, SUBSTRINGS, GREATER, LESS, PRESENT, APPROX, EXTENSIBLE = (
    0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0x87, 0xA8, 0xA9)
BIT_AND, BIT_OR, IN_CHAIN = ("1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804",
                             "1.2.840.113556.1.4.1941")


def decode_filter(reader):
    """A filter as a tuple: (kind, ...)."""
    tag, content = reader.next()
    inner = Reader(content)
    if tag in (AND, OR):
        parts = []
        while inner.more():
            parts.append(decode_filter(inner))
        return tag, parts
    if tag == NOT:
        return tag, decode_filter(inner)
    if tag in (EQUALITY, GREATER, LESS, APPROX):
        return tag, inner.text(), inner.octets()
    if tag == PRESENT:
        return tag, content.decode("utf-8", "replace")
    if tag == SUBSTRINGS:
        name, pieces, rows = inner.text(), [], inner.enter()
        while rows.more():
            pieces.append(rows.next())
        return tag, name, pieces
    if tag == EXTENSIBLE:
        found = {0x81: b"", 0x82: b"", 0x83: b"", 0x84: b""}
        while inner.more():
            part, value = inner.next()
            found[part] = value
        return (tag, found[0x81].decode("ascii", "replace"), found[0x82].decode("utf-8", "replace"),
                found[0x83], bool(found[0x84].strip(b"\0")))
    raise ValueError("filter of kind 0x%02x" % tag)


def _escape(data):
    out = ""
    for char in data.decode("utf-8", "surrogateescape"):
        if char in "\\*()\0" or "\udc80" <= char <= "\udcff":
            out += "".join("\\%02x" % byte for byte in char.encode("utf-8", "surrogateescape"))
        else:
            out += char
    return out


def filter_text(node):
    """RFC 4515 text of a decoded filter, for logs and for tests to match."""
    tag = node[0]
    if tag in (AND, OR):
        return "(%s%s)" % ("&" if tag == AND else "|", "".join(map(filter_text, node[1])))
    if tag == NOT:
        return "(!%s)" % filter_text(node[1])
    if tag == PRESENT:
        return "(%s=*)" % node[1]
    if tag == SUBSTRINGS:
        text = ""
        for kind, value in node[2]:
            text += {0x80: "%s", 0x81: "*%s", 0x82: "*%s"}[kind] % _escape(value)
        return "(%s=%s%s)" % (node[1], text, "" if node[2][-1][0] == 0x82 else "*")
    if tag == EXTENSIBLE:
        return "(%s%s%s:=%s)" % (node[2], ":dn" if node[4] else "", ":" + node[1] if node[1] else "",
                                 _escape(node[3]))
    sign = {EQUALITY: "=", GREATER: ">=", LESS: "<=", APPROX: "~="}[tag]
    return "(%s%s%s)" % (node[1], sign, _escape(node[2]))


def normal(name, value):
    """A value in the form in which it is compared."""
    kind = name.lower().split(";")[0]
    if kind in BINARY:
        return value
    text = value.decode("utf-8", "surrogateescape")
    if kind in DN_VALUED:
        return parse_dn(text)
    return fold(text)


def _number(value):
    try:
        return int(value)
    except ValueError:
        return None


def _ordered(stored, wanted, less):
    left, right = _number(stored), _number(wanted)
    if left is None or right is None:
        left, right = stored, wanted
    return left <= right if less else left >= right


def _substring(text, pieces):
    at = 0
    for kind, piece in pieces:
        if kind == 0x80:
            if not text.startswith(piece):
                return False
            at = len(piece)
        elif kind == 0x82:
            return text.endswith(piece) and len(text) - len(piece) >= at
        else:
            found = text.find(piece, at)
            if found < 0:
                return False
            at = found + len(piece)
    return True


def matches(node, entry, chain=None):
    """True, False, or None where RFC 4511 says Undefined.  chain(entry, attribute, key) answers
    Active Directory's rule for nested membership."""
    tag = node[0]
    if tag == AND:
        results = [matches(part, entry, chain) for part in node[1]]
        return False if False in results else None if None in results else True
    if tag == OR:
        results = [matches(part, entry, chain) for part in node[1]]
        return True if True in results else None if None in results else False
    if tag == NOT:
        result = matches(node[1], entry, chain)
        return None if result is None else not result
    if tag == EXTENSIBLE:
        return _extensible(node, entry, chain)
    name = node[1]
    values = entry.values_of_type(name)
    if tag == PRESENT:
        return bool(values) or name.lower() == "objectclass"
    stored = [normal(name, value) for value in values]
    if tag == SUBSTRINGS:
        pieces = [(kind, fold(piece.decode("utf-8", "surrogateescape"))) for kind, piece in node[2]]
        return any(isinstance(value, str) and _substring(value, pieces) for value in stored)
    wanted = normal(name, node[2])
    if tag in (EQUALITY, APPROX):
        return wanted in stored
    return any(_ordered(value, wanted, tag == LESS) for value in stored)


def _extensible(node, entry, chain):
    _, rule, name, value, _ = node
    if rule in (BIT_AND, BIT_OR):
        mask = _number(value)
        if mask is None:
            return None
        numbers = [number for number in map(_number, entry.values_of_type(name)) if number is not None]
        if rule == BIT_AND:
            return any(number & mask == mask for number in numbers)
        return any(number & mask for number in numbers)
    if rule == IN_CHAIN and chain is not None:
        return chain(entry, name, normal(name, value))
    if not rule and name:
        return normal(name, value) in [normal(name, v) for v in entry.values_of_type(name)]
    return None
