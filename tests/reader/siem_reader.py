"""Oracles for `rosterctl audit export`, which share no code with it: a checker for the part of JSON Schema that the
schemas in tests/data/audit-export use, and a reader of ArcSight's Common Event Format, written from its rules.

    siem_reader.py SCHEMA FILE     checks each line of FILE
    siem_reader.py cef FILE        prints each line's fields as JSON"""

import json
import os
import re
import sys

TYPES = {"object": dict, "array": list, "string": str}
# The fields of CEF's header, each with the size that the standard gives it; None: a number.
HEADER = {"version": None, "vendor": 63, "product": 63, "product_version": 31, "class": 1023, "name": 512, "severity": None}


def dictionary():
    """The keys that may be in an event of CEF:0 whoever produces it: the type and the longest value."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "audit-export", "cef-27.tsv")
    with open(path, encoding="utf-8") as rows:
        fields = [row.rstrip("\n").split("\t") for row in rows if not row.startswith("#")]
    return {row[0]: (row[2], int(row[3]) if row[3].isdigit() else None) for row in fields if len(row) == 4}


KEYS = dictionary()


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def problems(schema, value, at="$"):
    """What is wrong with the value, each with its place."""
    found = []
    if "const" in schema and value != schema["const"]:
        return ["%s: %r is not %r" % (at, value, schema["const"])]
    if "enum" in schema and value not in schema["enum"]:
        return ["%s: %r is not allowed" % (at, value)]
    if "type" in schema and not is_type(value, schema["type"]):
        return ["%s: no %s" % (at, schema["type"])]
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0) or not re.search(schema.get("pattern", ""), value):
            found.append("%s: %r has another form" % (at, value))
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append("%s: %d is out of range" % (at, value))
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            found.append("%s: too few" % at)
        for n, item in enumerate(value):
            found += problems(schema.get("items", {}), item, "%s[%d]" % (at, n))
    if isinstance(value, dict):
        found += ["%s: %s is missing" % (at, name) for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            if name in schema.get("properties", {}):
                found += problems(schema["properties"][name], item, "%s.%s" % (at, name))
            elif schema.get("additionalProperties") is False:
                found.append("%s: %s is not in the schema" % (at, name))
    return found + combined(schema, value, at)


def combined(schema, value, at):
    found = []
    for part in schema.get("allOf", []):
        found += problems(part, value, at)
    if "anyOf" in schema and all(problems(part, value, at) for part in schema["anyOf"]):
        found.append("%s: none of what is needed is there" % at)
    if "oneOf" in schema:
        tried = [problems(part, value, at) for part in schema["oneOf"]]
        if sum(not one for one in tried) != 1:
            found.append("%s: fits %d of the classes: %s" % (at, sum(not one for one in tried), min(tried, key=len)))
    if "if" in schema and not problems(schema["if"], value, at):
        found += problems(schema.get("then", {}), value, at)
    return found


def unescape(text, allowed):
    """The text behind its escapes; a backslash before anything else, or at the end, is an error."""
    def one(match):
        if match.group(1) not in allowed:
            raise ValueError("%r is no escape here" % match.group(0))
        return allowed[match.group(1)]
    return re.sub(r"\\(.?)", one, text, flags=re.S)


def value_of(key, text):
    """A value as its type in the dictionary has it, or ValueError."""
    kind, longest = KEYS[key]
    if kind in ("integer", "long", "timestamp"):  # a time is milliseconds since 1970
        bits = 31 if kind == "integer" else 63
        if not re.fullmatch(r"0|-?[1-9]\d*", text) or not -2 ** bits <= int(text) < 2 ** bits:
            raise ValueError("%s: %r is no %s" % (key, text, kind))
        return text
    if kind != "string":
        raise ValueError("%s: this reader knows nothing of %s" % (key, kind))
    text = unescape(text, {"=": "=", "\\": "\\", "n": "\n", "r": "\r"})
    if len(text) > longest or len(text.encode()) > longest:  # who counts bytes is right, too
        raise ValueError("%s: longer than %d" % (key, longest))
    return text


def cef(line):
    """(header, extension) of a line without its newline, or ValueError."""
    fields = re.match(r"((?:[^\\|]|\\.)*)\|" * len(HEADER), line)
    if not fields or not line.startswith("CEF:0|"):
        raise ValueError("no header of seven fields")
    if re.search("[\x00-\x1f\x7f]", line):
        raise ValueError("a control character")
    header = dict(zip(HEADER, [unescape(text, {"|": "|", "\\": "\\"}) for text in fields.groups()]))
    for name, longest in HEADER.items():
        if not header[name] or (longest and len(header[name].encode()) > longest):
            raise ValueError("%s is empty, or longer than %s" % (name, longest))
    if not re.fullmatch(r"\d|10", header["severity"]):
        raise ValueError("the severity is no number from 0 to 10")
    rest, extension = line[fields.end():], {}
    # A key stands at the beginning or behind a blank, and before an equals sign that is not escaped.
    starts = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", rest))
    if not starts or starts[0].start() != 0:
        raise ValueError("the extension does not begin with a key")
    if rest.endswith(" "):
        raise ValueError("blanks at the end of the last value are not kept")
    for this, following in zip(starts, starts[1:] + [None]):
        value = rest[this.end():following.start() if following else len(rest)]
        if re.search(r"(?<!\\)(?:\\\\)*=", value):
            raise ValueError("an equals sign that is not escaped: %r" % value)
        key = this.group(1)
        if key in extension or key not in KEYS:
            raise ValueError("the key %s" % key)
        extension[key] = value_of(key, value)
    labels = [text for key, text in extension.items() if key.endswith("Label")]
    if len(labels) != len(set(labels)):
        raise ValueError("two fields have one label")
    for key in extension:
        if re.fullmatch(r"c(s|n|fp|6a)\d", key) and key + "Label" not in extension:
            raise ValueError("%s has no label" % key)
        if key.endswith("Label") and key[:-5] not in extension:
            raise ValueError("%s labels nothing" % key)
    return header, extension


def main(kind, path):
    with open(path, encoding="utf-8", newline="\n") as text:
        lines = text.read().split("\n")[:-1]
    if kind == "cef":
        print("\n".join(json.dumps(cef(line), ensure_ascii=False) for line in lines))
        return 0
    with open(kind, encoding="utf-8") as text:
        schema = json.load(text)
    found = ["line %d: %s" % (n, problem) for n, line in enumerate(lines, 1) for problem in problems(schema, json.loads(line))]
    print("\n".join(found) or "%d lines fit" % len(lines))
    return 2 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
