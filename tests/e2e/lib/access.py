"""Taking the right to see an attribute away from everybody but the administrator, on the real
servers, and giving it back."""

import base64
import struct
import uuid

from .ldif import entry_ldif

# schemaIDGUID of attributes of Active Directory
GUIDS = {"member": "bf9679c0-0de6-11d0-a285-00aa003049e2",
         "memberOf": "bf967991-0de6-11d0-a285-00aa003049e2"}
WITHOUT_SACL = "!1.2.840.113556.1.4.801=::MAMCAQc="


def hide(server, attribute, dn=None, value=None):
    """From now on the reader does not see the attribute of the entry dn (None: of any), or only
    not this value of it (slapd). Returns a function that undoes it."""
    return {"openldap": hide_slapd, "389ds": hide_389, "samba": hide_samba}[server.kind](
        server, attribute, dn, value)


def hide_slapd(server, attribute, dn, value):
    database = server.database()
    what = "attrs=%s" % attribute
    if value:
        rule = "distinguishedNameMatch." if attribute != "memberUid" else ""
        what += ' val%s="%s"' % ("/" + rule + "exact" if rule else ".exact", value)
    if dn:
        what = 'dn.exact="%s" %s' % (dn, what)
    server.modify("dn: %s\nchangetype: modify\nadd: olcAccess\nolcAccess: {0}to %s by * none\n" % (database, what))
    return lambda: server.modify("dn: %s\nchangetype: modify\ndelete: olcAccess\nolcAccess: {0}\n" % database)


def hide_389(server, attribute, dn, value):
    assert value is None, "a whole attribute"
    rule = {"aci": '(targetattr = "%s")(version 3.0; acl "hide"; deny (read, search, compare) userdn = "ldap:///%s";)'
            % (attribute, server.reader_dn)}

    def change(how):
        server.modify(entry_ldif(dn or server.base, dict({"changetype": "modify", how: "aci"}, **rule)))

    change("add")
    return lambda: change("delete")


def hide_samba(server, attribute, dn, value):
    assert dn and value is None, "of one object, a whole attribute"
    before = read_descriptor(server, dn)
    sid = server.search(base=server.reader_dn, scope="base", attributes=["objectSid"])[0]["objectsid"][0]
    write_descriptor(server, dn, with_denial(before, GUIDS[attribute], sid))
    return lambda: write_descriptor(server, dn, before)


def read_descriptor(server, dn):
    found = server.search(base=dn, scope="base", attributes=["nTSecurityDescriptor"], options=["-E", WITHOUT_SACL])
    return found[0]["ntsecuritydescriptor"][0]


def write_descriptor(server, dn, descriptor):
    server.modify("dn: %s\nchangetype: modify\nreplace: nTSecurityDescriptor\nnTSecurityDescriptor:: %s\n"
                  % (dn, base64.b64encode(descriptor).decode()))


def with_denial(descriptor, guid, sid):
    """MS-DTYP 2.4.6: the descriptor with an ACCESS_DENIED_OBJECT_ACE (read property) in front."""
    control, owner, group, acl = struct.unpack_from("<2xHII4xI", descriptor)
    revision, size, count = struct.unpack_from("<BxHH2x", descriptor, acl)
    body = uuid.UUID(guid).bytes_le + sid
    ace = struct.pack("<BBHII", 6, 0, 12 + len(body), 0x10, 1) + body
    aces = ace + descriptor[acl + 8:acl + size]
    parts = [a_sid(descriptor, owner), a_sid(descriptor, group),
             struct.pack("<BxHHH", revision, 8 + len(aces), count + 1, 0) + aces]
    at = [20, 20 + len(parts[0]), 20 + len(parts[0]) + len(parts[1])]
    return struct.pack("<BBHIIII", 1, 0, control, at[0], at[1], 0, at[2]) + b"".join(parts)


def a_sid(descriptor, offset):
    return descriptor[offset:offset + 8 + 4 * descriptor[offset + 1]]
