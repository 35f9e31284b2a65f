"""BER as LDAP uses it (RFC 4511 section 5.1): definite lengths, low tag numbers."""

BOOLEAN, INTEGER, OCTETS, NULL, ENUM, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x05, 0x0A, 0x30, 0x31


class BerError(ValueError):
    pass


def tlv(tag, content):
    n = len(content)
    if n < 0x80:
        return bytes((tag, n)) + content
    length = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value, tag=INTEGER):
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def enum(value):
    return integer(value, ENUM)


def boolean(value, tag=BOOLEAN):
    return tlv(tag, b"\xff" if value else b"\x00")


def octets(value, tag=OCTETS):
    return tlv(tag, value.encode("utf-8") if isinstance(value, str) else bytes(value))


def sequence(*parts, tag=SEQUENCE):
    return tlv(tag, b"".join(parts))


def set_of(*parts):
    return tlv(SET, b"".join(parts))


def header(data, at=0):
    """(tag, start of content, end) of the element at `at`, None if its header is not all there."""
    if len(data) < at + 2:
        return None
    tag, first = data[at], data[at + 1]
    if first < 0x80:
        return tag, at + 2, at + 2 + first
    count = first & 0x7F
    if count == 0 or count > 4:
        raise BerError("length of %d bytes" % count)
    if len(data) < at + 2 + count:
        return None
    start = at + 2 + count
    return tag, start, start + int.from_bytes(data[at + 2:start], "big")


class Reader:
    """Walks through the elements of one constructed value."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def more(self):
        return self.at < len(self.data)

    def peek(self):
        return self.data[self.at] if self.more() else None

    def next(self, tag=None):
        """(tag, content) of the next element; its tag must be the one given."""
        head = header(self.data, self.at)
        if head is None or head[2] > len(self.data):
            raise BerError("cut short")
        if tag is not None and head[0] != tag:
            raise BerError("tag 0x%02x instead of 0x%02x" % (head[0], tag))
        self.at = head[2]
        return head[0], self.data[head[1]:head[2]]

    def enter(self, tag=SEQUENCE):
        return Reader(self.next(tag)[1])

    def octets(self, tag=OCTETS):
        return self.next(tag)[1]

    def text(self, tag=OCTETS):
        return self.octets(tag).decode("utf-8", "replace")

    def integer(self, tag=INTEGER):
        return int.from_bytes(self.next(tag)[1], "big", signed=True)

    def enum(self):
        return self.integer(ENUM)

    def boolean(self, tag=BOOLEAN):
        return self.next(tag)[1] != b"\x00"
