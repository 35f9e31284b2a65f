"""Which DNs does a server take for one name, and which does rosterd?  Random spellings of random
DNs: the second entry of a pair is refused with entryAlreadyExists, or it is another one."""

import random
import re
import socket
import ssl
import subprocess
import unicodedata
from urllib.parse import urlsplit

from . import ber
from .base import built, write_file

OK, NO_SUCH_OBJECT, EXISTS = 0, 32, 68
SYNTAX = "1.3.6.1.4.1.1466.115.121.1."
OID = "1.3.6.1.4.1.32473.7."  # the arc for examples (RFC 5612)

# name -> equality rule, syntax, what its values are made of
TYPES = {
    "tnIgnore": ("caseIgnoreMatch", SYNTAX + "15", "text"),
    "tnExact": ("caseExactMatch", SYNTAX + "15", "text"),
    "tnIgnoreIA5": ("caseIgnoreIA5Match", SYNTAX + "26", "ascii"),
    "tnExactIA5": ("caseExactIA5Match", SYNTAX + "26", "ascii"),
    "tnInteger": ("integerMatch", SYNTAX + "27", "integer"),
    "tnNumeric": ("numericStringMatch", SYNTAX + "36", "numeric"),
    "tnPhone": ("telephoneNumberMatch", SYNTAX + "50", "phone"),
    "tnTime": ("generalizedTimeMatch", SYNTAX + "24", "time"),
    "tnBoolean": ("booleanMatch", SYNTAX + "7", "boolean"),
    "tnOctets": ("octetStringMatch", SYNTAX + "40", "ascii"),
    "tnName": ("distinguishedNameMatch", SYNTAX + "12", "name"),
}
USUAL = {"cn": "commonName", "ou": "organizationalUnitName", "uid": "userid", "mail": "rfc822Mailbox",
         "displayName": "2.16.840.1.113730.3.1.241", "serialNumber": "2.5.4.5"}
USUAL_KIND = {"mail": "ascii"}

ODD_BLANK = "libldap takes a blank behind an escaped backslash for an escaped one; only octet strings show it"


def is_octets(text):
    number = sorted(TYPES).index("tnOctets") + 1
    return "tnoctets" in text.lower() or OID + "%d=" % number in text.replace(" ", "")


# Where we differ from a server on purpose: what is said of the pair, and why.
WANTED = [
    ("389ds", "we keep apart", lambda a, b: re.search(r"[\u1f80-\u1fff]", a + b),
     "Greek with an iota below: Samba keeps these letters apart, and one table serves both"),
    ("samba", "we keep apart", lambda a, b: re.search("[\u018e\u019f\u01c4-\u01cc\u01f1-\u01f3\u03c2\u2160-\u217f\u24b6-\u24e9\u0218-\u021b]", a + b),
     "letters that 389 Directory Server keeps apart; AD writes members as it writes the entry"),
    ("389ds", "we join", lambda a, b: "\\" in a + b,
     "389 compares some escapes as they are written; nobody means another person by them, and who shares a name waits"),
    ("openldap", "we join", lambda a, b: is_octets(a + b) and "\\\\ " in a + b, ODD_BLANK),
    ("openldap", "we keep apart", lambda a, b: is_octets(a + b) and "\\\\ " in a + b, ODD_BLANK),
]

LETTERS = ["a", "b", "A", "B", "n", "o", "I", "i", "s", "S", "K", "1", "é", "É", "ß", "ss", "SS", "ς", "σ", "Σ",
           "İ", "ı", "i̇", "ﬁ", "fi", "Ａ", "ａ", "ℂ", "C", "c", "²", "2", "ǅ", "ǆ", "Ǆ", "Å", "å", "Ω", "ω", "Ж",
           "ж", "ẞ", "Ⅷ", "ⅷ", "Ⓐ", "가", "ｶﾞ", "ガ", "\u00ad", "\u200b", "\u00a0", "\u3000", "\ufe0f", "ŉ", "ʼn",
           "𐐀", "𐐨", "Ა", "ა", "ｆ", "+", ",", "#", "=", "\\", "\"", "<", ";", "＋", "＃", "，", " ", "  ", "-", "'",
           "\t", "\x01", "\x7f", "ΐ", "µ", "μ", "ͅ", "İ", "ϐ", "β", "Կ", "կ", "Ⴀ", "ⴀ"]


class Client:
    """Binds and adds; each add gives its result code."""

    def __init__(self, server):
        parts = urlsplit(server.ldaps_uri)
        context = ssl.create_default_context(cafile=server.ca_file)
        raw = socket.create_connection((parts.hostname, parts.port or 636), timeout=30)
        self.socket = context.wrap_socket(raw, server_hostname=parts.hostname)
        self.number = 0
        self.data = b""
        code = self.ask(ber.sequence(ber.integer(3), ber.octets(server.env["BIND_DN"]),
                                     ber.octets(server.env["BIND_PW"], 0x80), tag=0x60))
        if code:
            raise AssertionError("the bind was refused: %d" % code)

    def ask(self, operation):
        self.number += 1
        self.socket.sendall(ber.sequence(ber.integer(self.number), operation))
        while True:
            head = ber.header(self.data)
            if head and head[2] <= len(self.data):
                break
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError("the server hung up")
            self.data += more
        message, self.data = self.data[head[1]:head[2]], self.data[head[2]:]
        reader = ber.Reader(message)
        reader.next()
        content = ber.Reader(reader.next()[1])
        return int.from_bytes(content.next()[1], "big")

    def add(self, dn, object_class):
        attributes = ber.sequence(ber.sequence(ber.octets("objectClass"), ber.set_of(ber.octets(object_class))))
        return self.ask(ber.sequence(ber.octets(dn), attributes, tag=0x68))


def definitions():
    """The attribute types as a server gives them, each with an alias and an OID."""
    rows = []
    for number, (name, (rule, syntax, _)) in enumerate(sorted(TYPES.items()), 1):
        rows.append("( %s%d NAME ( '%s' '%sAlias' ) EQUALITY %s SYNTAX %s )" % (OID, number, name, name, rule, syntax))
    rows.append("( %s99 NAME 'tnBelow' SUP tnExact )" % OID)
    return rows


def install(server):
    """Teaches the server the types and a class that may be named by each; the class's name."""
    if server.kind == "samba":
        return "container"
    allowed = " $ ".join(sorted(TYPES) + ["tnBelow"] + sorted(USUAL))
    thing = "( %s200 NAME 'tnThing' SUP top STRUCTURAL MAY ( %s ) )" % (OID, allowed)
    if server.kind == "openldap":
        server.add("dn: cn=tn,cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: tn\n" +
                   "".join("olcAttributeTypes: %s\n" % row for row in definitions()) + "olcObjectClasses: %s\n\n" % thing)
    else:
        for row in definitions():
            server.modify("dn: cn=schema\nchangetype: modify\nadd: attributeTypes\nattributeTypes: %s\n\n" % row)
        server.modify("dn: cn=schema\nchangetype: modify\nadd: objectClasses\nobjectClasses: %s\n\n" % thing)
    return "tnThing"


def server_schema(server):
    """What the server says its attribute types are."""
    if server.kind == "samba":
        base = server.search(base="", scope="base", attributes=["subschemaSubentry"])[0].text("subschemaSubentry")
    else:
        base = {"openldap": "cn=Subschema", "389ds": "cn=schema"}[server.kind]
    found = server.search("(objectClass=subschema)", ["attributeTypes"], base=base, scope="base")
    return found[0].texts("attributeTypes")


def keys(folder, schema, by_case, dns):
    """rosterd's key of each DN, None where it takes it for none."""
    path = write_file(folder + "/names.schema", "\n".join(schema) + "\n")
    done = subprocess.run([built("tests/lab/dn-keys"), "--schema", path] + (["--case"] if by_case else []),
                          input="".join(dn + "\n" for dn in dns).encode("utf-8"), stdout=subprocess.PIPE, check=True)
    lines = done.stdout.decode("utf-8").split("\n")[:-1]
    if len(lines) != len(dns):
        raise AssertionError("%d keys of %d names" % (len(lines), len(dns)))
    return [None if line == "-" else line for line in lines]


class Speller:
    """Random names, and other spellings of them that may or may not be the same name."""

    def __init__(self, seed, kind):
        self.random = random.Random(seed)
        self.kind = kind

    def type(self):
        if self.kind == "samba":
            return "cn"
        return self.random.choice(sorted(TYPES) + ["tnBelow"] + sorted(USUAL) * 2)

    def kind_of(self, name):
        return "text" if name == "tnBelow" else TYPES[name][2] if name in TYPES else USUAL_KIND.get(name, "text")

    def value(self, name):
        pick, kind = self.random, self.kind_of(name)
        if kind == "integer":
            return str(pick.choice([0, 7, -7, 10, 123456789012345678901234567890]))
        if kind == "numeric":
            return "".join(pick.choice("0123 ") for _ in range(pick.randint(1, 6))) + "1"
        if kind == "phone":
            return "".join(pick.choice("0123 -x().") for _ in range(pick.randint(1, 6))) + "1"
        if kind == "time":
            return "2020010203%s%sZ" % (pick.choice(["", "00", "0405"]), pick.choice(["", ".5", ".50"]))
        if kind == "boolean":
            return pick.choice(["TRUE", "FALSE"])
        if kind == "name":
            return "cn=%s,dc=X" % pick.choice("aAbé")
        letters = [x for x in LETTERS if x.isascii() and x.isprintable()] if kind == "ascii" else LETTERS
        return "".join(pick.choice(letters) for _ in range(pick.randint(1, 5)))

    def respell_value(self, name, value):
        pick = self.random
        changes = [str.upper, str.lower, str.swapcase, lambda v: v.replace("ß", "ss"), lambda v: v.replace("ς", "σ"),
                   lambda v: unicodedata.normalize(pick.choice(["NFC", "NFD", "NFKC", "NFKD"]), v),
                   lambda v: v.replace(" ", "  "), lambda v: v.replace("-", ""), lambda v: v.replace(" ", ""),
                   lambda v: " " + v, lambda v: v + " ", lambda v: v.replace("\u00ad", ""), lambda v: v.replace("00Z", "Z"),
                   lambda v: v.casefold(), lambda v: v[:1] + pick.choice(LETTERS) + v[1:], lambda v: v.replace("=", " = "),
                   lambda v: v.title(), lambda v: re.sub("[\u200b\ufe0f\x01\x7f]", "", v), lambda v: v]
        return pick.choice(changes)(value)

    def write(self, value):
        """RFC 4514, with more escapes than are needed now and then."""
        out = []
        for at, letter in enumerate(value):
            edge = letter == " " and at in (0, len(value) - 1) or letter == "#" and at == 0
            if ord(letter) < 0x20 or letter == "\x7f" or self.random.random() < 0.05:
                out.append("".join("\\%02x" % byte for byte in letter.encode("utf-8")))
            elif letter in ",+\"\\<>;" or edge:
                out.append("\\" + letter)
            else:
                out.append(letter)
        return "".join(out)

    def write_type(self, name):
        pick = self.random
        known = sorted(TYPES)
        names = [name, name, name.upper(), name.lower()]
        if name in TYPES:
            names += [name + "Alias", OID + str(known.index(name) + 1)]
        elif name in USUAL:
            names.append(USUAL[name])
        return pick.choice(names)

    def write_rdn(self, rdn):
        pairs = list(rdn)
        self.random.shuffle(pairs)
        gap = self.random.choice(["", "", "", " "])
        return "+".join(gap + self.write_type(name) + gap + "=" + gap + self.write(value) + gap for name, value in pairs)

    def pair(self):
        """Two spellings (leaf, parent) each."""
        depth = self.random.choice([1, 1, 2])
        first = []
        for _ in range(depth):
            names = {self.type() for _ in range(self.random.choice([1, 1, 1, 2]))}
            first.append([(name, self.value(name)) for name in sorted(names)])
        second = [[(name, self.respell_value(name, value)) for name, value in rdn] for rdn in first]
        return [self.write_rdn(rdn) for rdn in first], [self.write_rdn(rdn) for rdn in second]


def is_wanted(kind, what, a, b):
    return any(kind == server and what == said and applies(a, b) for server, said, applies, _ in WANTED)


def compare(server, folder, seed, rounds):
    """(pairs that the server took, names that it took for one, the differences that nobody wants)."""
    object_class = install(server)
    schema = server_schema(server)
    client = Client(server)
    speller = Speller(seed, server.kind)
    top = "ou=names,%s" % server.base
    if client.add(top, "organizationalUnit"):
        raise AssertionError("%s cannot be added" % top)
    rows = []
    for number in range(rounds):
        first, second = speller.pair()
        place = "ou=n%d,%s" % (number, top)
        client.add(place, "organizationalUnit")
        below = place
        for rdn in reversed(first[1:]):
            below = "%s,%s" % (rdn, below)
            client.add(below, object_class)
        a = ",".join(first + [place])
        b = ",".join(second + [place])
        if client.add(a, object_class) != OK:
            continue
        code = client.add(b, object_class)
        if code in (OK, NO_SUCH_OBJECT, EXISTS):
            rows.append((a, b, code == EXISTS))
    made = keys(folder, schema, server.kind != "openldap", [dn for a, b, _ in rows for dn in (a, b)])
    wrong = []
    for number, (a, b, same) in enumerate(rows):
        ours = made[2 * number] is not None and made[2 * number] == made[2 * number + 1]
        if ours != same and not is_wanted(server.kind, "we join" if ours else "we keep apart", a, b):
            wrong.append("%s\n    %s\n    %s: the server holds %s" % (server.kind, a, b, "one" if same else "two"))
    return len(rows), sum(same for _, _, same in rows), wrong
