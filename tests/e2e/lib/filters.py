"""Random filters over random entries, asked of a real server and of rosterd's evaluator.

The server is asked for FILTER and for (!FILTER): what neither finds is Undefined for it, so the
three values of RFC 4511 4.5.1.7 are compared, not only who is found.  WANTED is the list of the
differences that are meant; everything else is a fault, of one side or the other.
"""

import json
import os
import random
import re
import subprocess

from . import base
from .ldif import entry_ldif

ARC = "1.3.6.1.4.1.4203.666.78."
STRING, IA5, NUMERIC, INTEGER, BOOLEAN, DN, TIME, OCTETS, POSTAL, PHONE = (
    "1.3.6.1.4.1.1466.115.121.1.%d" % n for n in (15, 26, 36, 27, 7, 12, 24, 40, 41, 50))

# name, what values it takes, the definition after the name
TYPES = [
    ("xCIS", "text", "EQUALITY caseIgnoreMatch ORDERING caseIgnoreOrderingMatch "
                     "SUBSTR caseIgnoreSubstringsMatch SYNTAX " + STRING),
    ("xCIEq", "text", "EQUALITY caseIgnoreMatch SYNTAX " + STRING),
    ("xCES", "text", "EQUALITY caseExactMatch ORDERING caseExactOrderingMatch "
                     "SUBSTR caseExactSubstringsMatch SYNTAX " + STRING),
    ("xSub", "text", "SUP xCIS"),
    ("xSubSub", "text", "SUP xSub"),
    ("xCI5", "ascii", "EQUALITY caseIgnoreIA5Match SUBSTR caseIgnoreIA5SubstringsMatch SYNTAX " + IA5),
    ("xCE5", "ascii", "EQUALITY caseExactIA5Match SUBSTR caseExactIA5SubstringsMatch SYNTAX " + IA5),
    ("xTel", "phone", "EQUALITY telephoneNumberMatch SUBSTR telephoneNumberSubstringsMatch SYNTAX " + PHONE),
    ("xNum", "numeric", "EQUALITY numericStringMatch ORDERING numericStringOrderingMatch "
                        "SUBSTR numericStringSubstringsMatch SYNTAX " + NUMERIC),
    ("xInt", "integer", "EQUALITY integerMatch ORDERING integerOrderingMatch SYNTAX " + INTEGER),
    ("xIntEq", "integer", "EQUALITY integerMatch SYNTAX " + INTEGER),
    ("xBool", "boolean", "EQUALITY booleanMatch SYNTAX " + BOOLEAN),
    ("xDN", "dn", "EQUALITY distinguishedNameMatch SYNTAX " + DN),
    ("xTime", "time", "EQUALITY generalizedTimeMatch ORDERING generalizedTimeOrderingMatch SYNTAX " + TIME),
    ("xOct", "octets", "EQUALITY octetStringMatch ORDERING octetStringOrderingMatch SYNTAX " + OCTETS),
    ("xOctNo", "octets", "SYNTAX " + OCTETS),
    ("xList", "postal", "EQUALITY caseIgnoreListMatch SUBSTR caseIgnoreListSubstringsMatch SYNTAX " + POSTAL),
    ("xUUID", "uuid", "EQUALITY UUIDMatch ORDERING UUIDOrderingMatch SYNTAX 1.3.6.1.1.16.1"),
]
STANDARD = [("cn", "text"), ("sn", "text"), ("displayName", "text"), ("telephoneNumber", "phone"),
            ("postalAddress", "postal"), ("mail", "ascii"), ("employeeNumber", "text"), ("title", "text"),
            ("givenName", "text"), ("manager", "dn")]
# Of Active Directory, which has neither options nor an own schema here; those of the second list have one value.
AD = [("postalAddress", "postal"), ("otherTelephone", "phone"), ("otherMailbox", "text"), ("carLicense", "text"),
      ("proxyAddresses", "ascii")]
AD_SINGLE = [("sn", "text"), ("displayName", "text"), ("telephoneNumber", "phone"), ("mail", "ascii"),
             ("employeeNumber", "text"), ("title", "text"), ("givenName", "text"), ("info", "text"),
             ("countryCode", "integer"), ("primaryInternationalISDNNumber", "numeric")]
ALIASES = {"cn": ["commonName", "2.5.4.3", "CN"], "sn": ["surname", "2.5.4.4"], "mail": ["rfc822Mailbox"],
           "givenName": ["gn"], "xCIS": [ARC + "1", "XCIS"]}
LETTERS = ["a", "b", "A", "B", "n", "N", " ", " ", "  ", "ä", "Ä", "ß", "ss", "é", "e\u0301", "ﬁ", "fi", "ｅ",
           "ı", "i", "I", "İ", "ς", "σ", "Σ", "\u00a0", "\u00ad", "-", "1", "10", "9", "*", "(", ")", "\\", "$"]


class Source:
    """Values and assertions of each kind, from one seed."""

    def __init__(self, seed, own_schema=True, ad=False):
        self.random = random.Random(seed)
        self.types = AD + AD_SINGLE if ad else STANDARD + ([row[:2] for row in TYPES] if own_schema else [])
        self.ad = ad
        self.own_schema = own_schema

    def pick(self, items):
        return items[self.random.randrange(len(items))]

    def chance(self, n):
        return self.random.randrange(n) == 0

    def text(self):
        value = "".join(self.pick(LETTERS) for _ in range(self.random.randrange(1, 6)))
        return self.pick(["Anna", "anna", "Straße", "STRASSE", "x y", "x  y", value, value, value, value])

    def value(self, kind):
        n = self.random.randrange
        if kind == "text":
            return self.text()
        if kind == "ascii":
            return "".join(self.pick(["a", "B", "b", " ", "@", ".", "x", "X"]) for _ in range(n(1, 6)))
        if kind == "phone":
            return self.pick(["+34 600", "+34600", "ext. 12", "EXT.12", "600-12", "- 1", "6 0 0"])
        if kind == "numeric":
            return self.pick(["1", "12 34", "1 2", "0", "34", "1234", " 1"])
        if kind == "integer":
            return str(self.pick([0, 1, 2, 3, 9, 10, -1, -10, 514, 512, 1 << 40]))
        if kind == "boolean":
            return self.pick(["TRUE", "FALSE"])
        if kind == "dn":
            own = ["xCES=A,dc=x", "xCES=a,dc=x", "XCES=a,DC=X", ARC + "3=a,dc=x", "xInt=7,dc=x", "xInt=007,dc=x",
                   "xTel=6 0-0,dc=x", "xTel=600,dc=x", "xNum=1 2,dc=x", "xNum=12,dc=x", "xDN=cn\\=A\\,dc\\=x,dc=x",
                   "xDN=cn\\=a\\,dc\\=X,dc=x", "cn=a+xCES=B,dc=x", "xCES=B+cn=A,dc=x", "xCES=b+cn=a,dc=x",
                   "xOctNo=a,dc=x", "xBool=TRUE,dc=x"] if self.own_schema else []
            return self.pick(["cn=a,dc=x", "CN=A, dc=x", "cn=b,dc=x", "cn=a\\, b,dc=x", "cn=ß,dc=x", "cn=ss,dc=x",
                              "commonName=a,dc=x", "2.5.4.3=a,0.9.2342.19200300.100.1.25=x", "cn=x  y,dc=x", "cn=x y,dc=x",
                              "cn=e\u0301,dc=x", "cn=é,dc=x", "cn=a+sn=b,dc=x", "SN=B+CN=a,dc=x", "employeeNumber=007,dc=x",
                              "employeeNumber=7,dc=x", "cn=\\41,dc=x", "cn=#04014a,dc=x"] + own)
        if kind == "time":
            return self.pick(["20261124120000Z", "20261124120000.5Z", "202611241200Z", "20200101000000Z",
                              "2026112412Z"])
        if kind == "octets":
            return self.pick([b"a", b"A", b"\x00\xff", b"ab", b"\xff"])
        if kind == "postal":
            return self.pick(["a$b", "a $ b", "A  x$b", "a$ b", "a", "ab$"])
        return self.pick(["550e8400-e29b-41d4-a716-446655440000", "550E8400-E29B-41D4-A716-446655440000",
                          "00000000-0000-0000-0000-000000000001"])

    def assertion(self, kind):
        """Mostly of the attribute's kind; sometimes something that it cannot be."""
        if self.chance(12):
            return self.pick(["", " ", "abc", "007", "true", "é", "-0", "x=y"])
        value = self.value(kind)
        if isinstance(value, str) and self.chance(4):
            value = self.pick([value.upper(), value.lower(), " " + value, value + "  "])
        return value

    def ad_entry(self):
        attributes = {"objectClass": "user", "userAccountControl": self.pick(["544", "546", "66080"])}
        for name, kind in self.types:
            if not self.chance(2):
                values = [self.value(kind)]
                if (name, kind) in AD and self.chance(3):
                    values.append("second " + self.value(kind))
                attributes[name] = [value for value in values if value.strip()]
        return {name: values for name, values in attributes.items() if values}

    def entry(self):
        attributes = {"objectClass": ["inetOrgPerson"] + (["xThing"] if self.own_schema else [])}
        if self.chance(3):
            attributes["objectClass"].append("posixAccount")
            attributes.update(uidNumber=["5"], gidNumber=["6"], homeDirectory=["/home/a"])
        for name, kind in self.types:
            if name not in ("cn", "sn") and self.chance(2):
                continue
            single = name in ("displayName", "employeeNumber")
            values = [self.value(kind)]
            if kind == "text" and not single and self.chance(3):
                values.append("second " + self.value(kind))  # two that are surely not equal
            attributes[name] = values
            if kind == "text" and not single and self.chance(4):
                attributes[name + self.pick([";lang-de", ";lang-en", ";lang-de-at"])] = [self.value(kind)]
        return attributes


def escape(value):
    data = value.encode("utf-8") if isinstance(value, str) else value
    return "".join(chr(byte) if byte < 128 and chr(byte) not in "*()\\\0" else "\\%02x" % byte for byte in data)


def filter_item(source):
    name, kind = source.pick(source.types + [("name", "text")])
    written = source.pick(ALIASES.get(name, [name]) + [name, name, name])
    if source.chance(10):
        written += source.pick([";lang-de", ";lang-", ";lang-de-", ";binary", ";x-foo"])
    what = source.random.randrange(12)
    value = escape(source.assertion(kind))
    if what < 4:
        return "(%s=%s)" % (written, value)
    if what < 7:
        parts = [escape(source.assertion(kind))[:6] for _ in range(source.random.randrange(1, 4))]
        parts = [part for part in parts if part and "\\" not in part[-2:]]
        return "(%s=%s)" % (written, source.pick(["*%s", "%s*", "*%s*"]) % "*".join(parts or ["a"]))
    if what == 7:
        return "(%s>=%s)" % (written, value)
    if what == 8:
        return "(%s<=%s)" % (written, value)
    if what == 9:
        return "(%s=*)" % written
    if what == 10:
        rule = source.pick(["caseIgnoreMatch", "caseExactMatch", "2.5.13.5", "integerMatch", "caseIgnoreIA5Match",
                            "1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804", "octetStringMatch",
                            "integerBitAndMatch", "numericStringMatch", ""])
        if rule.startswith(("1.2.", "integerBit")):
            value = str(source.pick([1, 2, 3, 512]))
        return "(%s:%s=%s)" % (written, rule and rule + ":", value)
    return source.pick(["(objectClass=person)", "(objectClass=2.5.6.6)", "(objectClass=inetOrg*)", "(noSuch=x)",
                        "(objectClass=posixAccount)", "(objectClass=*)", "(noSuch=*)", "(userPassword=a*)",
                        "(objectClass=top)", "(objectClass=NoSuchClass)", "(homeDirectory=/home/*)",
                        "(sAMAccountName=a)", "(memberOf=cn=x)", "(uidNumber>=1)", "(structuralObjectClass=person)"])


def filter_text(source, depth=0):
    if depth == 3 or not source.chance(4):
        return filter_item(source)
    operator = source.pick("&|!")
    if operator == "!":
        return "(!%s)" % filter_text(source, depth + 1)
    return "(%s%s)" % (operator, "".join(filter_text(source, depth + 1) for _ in range(source.random.randrange(0, 4))))


def install_schema(server):
    """The types above, and an auxiliary class that may have them all."""
    lines = {"objectClass": "olcSchemaConfig", "cn": "compare",
             "olcAttributeTypes": ["( %s%d NAME '%s' %s )" % (ARC, i + 1, name, text)
                                   for i, (name, _, text) in enumerate(TYPES)],
             "olcObjectClasses": ["( %s100 NAME 'xThing' SUP top AUXILIARY MAY ( %s ) )"
                                  % (ARC, " $ ".join(row[0] for row in TYPES))]}
    server.add(entry_ldif("cn=compare,cn=schema,cn=config", lines))


def server_schema(server):
    found = server.search("(objectClass=subschema)", ["attributeTypes", "objectClasses"], base=server.search("(objectClass=*)", ["subschemaSubentry"], base="", scope="base")[0].text("subschemaSubentry"),
                          scope="base")[0]
    return found.texts("attributeTypes"), found.texts("objectClasses")


def ask_server(server, folder, dn, filters):
    """For each filter the names (first RDN values) that it finds."""
    path = os.path.join(folder, "filters.txt")
    with open(path, "w", encoding="utf-8") as text:
        text.write("\n".join(filters) + "\n")
    done = server.tool("ldapsearch", "-c", "-o", "ldif-wrap=no", "-b", dn, "-s", "one", "-f", path,
                       "(&(objectClass=*)%s)", "1.1", seconds=240, check=False)
    found, names = [], set()
    for line in done.stdout.splitlines():
        if line.startswith("dn: "):
            names.add(line[4:].split(",")[0].partition("=")[2])
        elif line.startswith("# search result"):
            found.append(names)
            names = set()
    base.need(len(found) == len(filters), "an answer to each filter", len(found), done.stderr)
    return found


def ask_rosterd(schema, classes, entries, filters):
    """For each filter a text of T, F and U, one for each entry; or "E"."""
    data = {"schema": schema, "classes": classes, "filters": filters,
            "entries": [{name: [value.hex() for value in values] for name, values in entry.items()}
                        for entry in entries]}
    done = subprocess.run([base.built("tests/lab/filter-verdict")], input=json.dumps(data), stdout=subprocess.PIPE,
                          universal_newlines=True, check=True, timeout=120)
    return done.stdout.split("\n")[:-1]


# Differences that are meant: (a word for it, filter -> bool).
WANTED = [
    ("DNs with values that the syntax of their attribute does not allow: Undefined there, nobody here",
     lambda text: re.search("(?i)#04014a|xInt=007", text)),
    ("classes that the schema lacks, and superiors of structuralObjectClass",
     lambda text: re.search("NoSuchClass|structural", text)),
]


# 389 Directory Server: who is found is compared, since it takes the negation of something undefined
# for true.
WANTED_389 = WANTED + [
    ("RFC 4512 2.5.1: a superior attribute finds its subtypes", lambda text: re.search(r"[(]name[;=:<>]", text)),
    ("RFC 4526: (&) is true", lambda text: "(&)" in text),
    ("RFC 4511 4.5.1.7.7: a rule that does not suit the attribute is undefined", lambda text: re.search(
        "integerMatch|numericStringMatch|octetStringMatch|113556|integerBit", text)),
    ("RFC 3866: ranges of languages", lambda text: re.search("lang-(de-)?[=:<>]", text)),
    ("letters that it puts in lower case by a table of its own", lambda text: re.search(r"\\c4\\b[01]|\\ef", text)),
    ("the order of telephone numbers and IA5 strings, of which it prepares the asserted one alone",
     lambda text: re.search("(telephoneNumber|mail|rfc822Mailbox)(;[^=<>]*)?[<>]=", text)),
    ("the order of texts with runs of blanks", lambda text: re.search("[<>]=( |[^)]*  )", text)),
    ("a blank as the last part of a substring assertion", lambda text: re.search(r"[*] +[)]", text)),
    ("names by any name of their types", lambda text: "manager" in text),
]


# Samba: who is found, likewise.
WANTED_AD = WANTED + [
    ("the order of texts, which is the server's own: by its language, or by folded bytes",
     lambda text: re.search(r"[(](?!countryCode)[^()=<>]*[<>]=", text)),
    ("integers with blanks around them, and parts of integers",
     lambda text: re.search(r"countryCode[<>]?=( |[^)]* [)]|[^)]*[*][^)])|countryCode=[^)]+[*]", text)),
    ("assertions that are no integers of 32 bits", lambda text: re.search(r"countryCode[<>]?=(-?[0-9]{10}|[^-0-9])", text)),
    ("attributes by their OID, which it does not know", lambda text: "(2.5.4." in text),
    ("bits of what is no integer", lambda text: re.search("ISDNNumber:1.2.840", text)),
    ("options, which it does not know", lambda text: re.search(r"[(][A-Za-z0-9.]+;", text)),
    ("blanks at the ends of a part of a substring assertion",
     lambda text: re.search(r"= +[^)]*[*]|[*] |[^(=]+ [*]", text)),
]


def wanted(text, differences=None):
    return next((words for words, is_it in differences or WANTED if is_it(text)), None)


class Round:
    """One ground full of entries, and filters asked of both."""

    def __init__(self, server, ground, seed, n_entries=24, own_schema=True):
        self.server, self.ground, self.source = server, ground, Source(seed, own_schema, server.kind == "samba")
        entries = [self.source.ad_entry() if self.source.ad else self.source.entry() for _ in range(n_entries)]
        server._feed("".join(self.ldif(i, entry) for i, entry in enumerate(entries)), "-a", "-c", check=False)
        self.entries = server.search(base=ground.people, scope="one", attributes=["*", "+"])
        base.need(len(self.entries) > n_entries // 2, "most entries are taken", len(self.entries))
        self.schema = server_schema(server)

    def ldif(self, i, entry):
        own = {"sAMAccountName": "e%d%s" % (i, self.ground.tag)} if self.source.ad else {}
        return entry_ldif("%s=e%d,%s" % ("CN" if self.source.ad else "uid", i, self.ground.people),
                          dict(entry, uid="e%d" % i, **own))

    def compare(self, n_filters):
        """(compared, differences that are not wanted)."""
        filters = [filter_text(self.source) for _ in range(n_filters)]
        ours = ask_rosterd(*self.schema, self.entries, filters)
        kept = [(text, row) for text, row in zip(filters, ours) if row != "E"]
        texts = [text for text, _ in kept]
        true = ask_server(self.server, self.server.folder, self.ground.people, texts)
        false = ask_server(self.server, self.server.folder, self.ground.people, ["(!%s)" % text for text in texts])
        found = []
        for (text, row), yes, no in zip(kept, true, false):
            theirs = "".join("T" if entry.text("uid") in yes else "F" if entry.text("uid") in no else "U"
                             for entry in self.entries)
            if theirs != row and not wanted(text):
                found.append(self.describe(text, row, theirs))
        return len(kept) * len(self.entries), found

    def compare_found(self, n_filters, differences):
        """The same of filters without negation, by who is found alone."""
        filters = [text for text in (filter_text(self.source) for _ in range(n_filters)) if "!" not in text]
        ours = ask_rosterd(*self.schema, self.entries, filters)
        kept = [(text, row.replace("U", "F")) for text, row in zip(filters, ours) if row != "E"]
        answers = ask_server(self.server, self.server.folder, self.ground.people, [text for text, _ in kept])
        found = []
        for (text, row), names in zip(kept, answers):
            theirs = "".join("T" if entry.text("uid") in names else "F" for entry in self.entries)
            if theirs != row and not wanted(text, differences):
                found.append(self.describe(text, row, theirs))
        return len(kept) * len(self.entries), found

    def describe(self, text, ours, theirs):
        i = next(i for i in range(len(ours)) if ours[i] != theirs[i])
        words = [word.partition("=")[0].strip("(&|!<>~:") for word in text.split("(") if "=" in word]
        shown = {name: values for name, values in self.entries[i].items()
                 if any(name.split(";")[0] == word.split(";")[0].split(":")[0].lower() for word in words)}
        return "%s: server %s, rosterd %s: %s" % (text, theirs[i], ours[i], shown)


def compare(server, seed, n_rounds, n_filters, own_schema=True):
    """Plays rounds against a server, with the schema of install_schema() or with its own; returns
    (verdicts compared, differences)."""
    compared, found = 0, []
    for i in range(n_rounds):
        n, differences = Round(server, server.fresh("f%d" % (seed + i)), seed + i,
                               own_schema=own_schema).compare(n_filters)
        compared += n
        found += ["seed %d: %s" % (seed + i, text) for text in differences]
    return compared, found
