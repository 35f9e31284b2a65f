"""LDIF in and out: enough of RFC 2849 for what ldapsearch prints and ldapmodify reads."""

import base64


def _line(name, value):
    if isinstance(value, str):
        value = value.encode("utf-8")
    plain = (value == b"" or (all(32 <= byte < 127 for byte in value)
                              and value[:1] not in (b" ", b":", b"<") and not value.endswith(b" ")))
    if plain:
        return "%s: %s" % (name, value.decode("ascii"))
    return "%s:: %s" % (name, base64.b64encode(value).decode("ascii"))


def entry_ldif(dn, attributes):
    """One entry as LDIF; attributes maps a name to a value or a list, str or bytes."""
    lines = [_line("dn", dn)]
    for name, values in attributes.items():
        for value in values if isinstance(values, (list, tuple)) else [values]:
            lines.append(_line(name, value))
    return "\n".join(lines) + "\n\n"


def unfold(text):
    """The logical lines of LDIF, comments left out."""
    lines = []
    for line in text.splitlines():
        if line.startswith(" ") and lines:
            lines[-1] += line[1:]
        else:
            lines.append(line)
    return [line for line in lines if not line.startswith("#")]


class Entry(dict):
    """An entry as read: lower-case attribute name to list of bytes; .dn is the name."""

    def __init__(self, dn):
        super().__init__()
        self.dn = dn

    def texts(self, name):
        return [value.decode("utf-8", "replace") for value in self.get(name.lower(), [])]

    def text(self, name, default=None):
        values = self.texts(name)
        return values[0] if values else default


def parse_ldif(text):
    """The entries of LDIF content, as a list of Entry."""
    entries, entry = [], None
    for line in unfold(text):
        if not line.strip():
            entry = None
            continue
        name, colon, value = line.partition(":")
        if not colon or name == "version":
            continue
        if value.startswith(":"):
            data = base64.b64decode(value[1:].strip())
        else:
            data = value.lstrip(" ").encode("utf-8")
        if name == "dn":
            entry = Entry(data.decode("utf-8", "replace"))
            entries.append(entry)
        elif entry is not None:
            entry.setdefault(name.lower(), []).append(data)
    return entries
