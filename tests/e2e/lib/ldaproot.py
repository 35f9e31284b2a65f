"""rootDSE and schema of the scripted server."""

from .ldapdata import Entry

START_TLS = "1.3.6.1.4.1.1466.20037"
_TEXT, _IA5 = "1.3.6.1.4.1.1466.115.121.1.15", "1.3.6.1.4.1.1466.115.121.1.26"


def _ignoring_case(oid, names, syntax=_TEXT, rule="caseIgnoreMatch", more=""):
    names = names.split()
    name = "'%s'" % names[0] if len(names) == 1 else "( %s )" % " ".join("'%s'" % n for n in names)
    return "( %s NAME %s EQUALITY %s SYNTAX %s%s )" % (oid, name, rule, syntax, more)


SCHEMA = [
    _ignoring_case("2.5.4.0", "objectClass", "1.3.6.1.4.1.1466.115.121.1.38", "objectIdentifierMatch"),
    _ignoring_case("2.5.4.3", "cn commonName"),
    _ignoring_case("2.5.4.4", "sn surname"),
    _ignoring_case("2.5.4.42", "givenName gn"),
    _ignoring_case("2.5.4.12", "title"),
    _ignoring_case("2.5.4.20", "telephoneNumber", "1.3.6.1.4.1.1466.115.121.1.50", "telephoneNumberMatch"),
    _ignoring_case("0.9.2342.19200300.100.1.1", "uid userid"),
    _ignoring_case("0.9.2342.19200300.100.1.3", "mail rfc822Mailbox", _IA5, "caseIgnoreIA5Match"),
    _ignoring_case("0.9.2342.19200300.100.1.41", "mobile", "1.3.6.1.4.1.1466.115.121.1.50", "telephoneNumberMatch"),
    _ignoring_case("2.16.840.1.113730.3.1.3", "employeeNumber", more=" SINGLE-VALUE"),
    _ignoring_case("2.16.840.1.113730.3.1.4", "employeeType"),
    _ignoring_case("2.16.840.1.113730.3.1.2", "departmentNumber"),
    _ignoring_case("2.5.4.31", "member", "1.3.6.1.4.1.1466.115.121.1.12", "distinguishedNameMatch"),
    _ignoring_case("2.5.4.50", "uniqueMember", "1.3.6.1.4.1.1466.115.121.1.34", "uniqueMemberMatch"),
    _ignoring_case("1.3.6.1.1.1.1.12", "memberUid", _IA5, "caseExactIA5Match"),
    _ignoring_case("1.3.6.1.1.16.4", "entryUUID", "1.3.6.1.1.16.1", "UUIDMatch"),
]


def rootdse(server):
    """The rootDSE as of this moment, in the server's flavour."""
    root = Entry("", {"objectClass": "top", "namingContexts": [server.suffix], "supportedLDAPVersion": ["3"],
                      "supportedControl": sorted(server.controls | server.listed_only),
                      "supportedExtension": [START_TLS] if server.tls == "starttls" else []})
    if server.schema:
        root.set("subschemaSubentry", "cn=Subschema")
    {"openldap": _openldap, "389": _389, "ad": _ad}[server.flavor](server, root)
    return root


def _openldap(server, root):
    root.set("objectClass", ["top", "OpenLDAProotDSE"])
    root.set("configContext", "cn=config")


def _389(server, root):
    root.set("vendorName", "389 Project")
    root.set("vendorVersion", "389-Directory/2.3.1 B2024.000.0000")
    root.set("firstchangenumber", server.sync.log_start)
    root.set("lastchangenumber", server.csn)
    root.set("dataversion", "020260101000000")


def _ad(server, root):
    root.set("supportedCapabilities", ["1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670",
                                       "1.2.840.113556.1.4.1791"])
    root.set("defaultNamingContext", server.suffix)
    root.set("rootDomainNamingContext", server.suffix)
    root.set("configurationNamingContext", "CN=Configuration," + server.suffix)
    root.set("schemaNamingContext", "CN=Schema,CN=Configuration," + server.suffix)
    root.set("dsServiceName", server.ntds)
    root.set("dnsHostName", "dc1." + ".".join(part[3:] for part in server.suffix.split(",")))
    root.set("highestCommittedUSN", server.usn)
    root.set("supportedSASLMechanisms", ["GSSAPI", "EXTERNAL"])
    root.set("isGlobalCatalogReady", "TRUE")
