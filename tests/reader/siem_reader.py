"""Oracles for `rosterctl audit export`, which share no code with it: a checker for the part of JSON Schema that the
schemas in tests/data/audit-export use, and a reader of ArcSight's Common Event Format, written from its rules.

    siem_reader.py SCHEMA FILE     checks each line of FILE
    siem_reader.py cef FILE        prints each line's fields as JSON"""

import json
import re
import sys

TYPES = {"object": dict, "array": list, "string": str}
HEADER = ["version", "vendor", "product", "product_version", "class", "name", "severity"]
# Key: the longest value that the dictionary allows (characters or, for numbers, None).
KEYS = {"rt": None, "externalId": 40, "cat": 1023, "act": 63, "outcome": 63, "reason": 1023, "suid": 1023, "suser": 1023,
        "sproc": 1023, "duid": 1023, "duser": 1023, "msg": 1023}
KEYS.update({"cs%d" % n: 4000 for n in range(1, 7)}, **{"cs%dLabel" % n: 1023 for n in range(1, 7)})
KEYS.update({"cn%d" % n: None for n in range(1, 4)}, **{"cn%dLabel" % n: 1023 for n in range(1, 4)})


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


def cef(line):
    """(header, extension) of a line without its newline, or ValueError."""
    fields = re.match(r"((?:[^\\|]|\\.)*)\|" * 7, line)
    if not fields or not line.startswith("CEF:0|"):
        raise ValueError("no header of seven fields")
    header = dict(zip(HEADER, [unescape(text, {"|": "|", "\\": "\\"}) for text in fields.groups()]))
    if not re.fullmatch(r"\d|10", header["severity"]):
        raise ValueError("the severity is no number from 0 to 10")
    rest, extension = line[fields.end():], {}
    # A key stands at the beginning or behind a blank, and before an equals sign that is not escaped.
    starts = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", rest))
    if not starts or starts[0].start() != 0:
        raise ValueError("the extension does not begin with a key")
    for this, following in zip(starts, starts[1:] + [None]):
        value = rest[this.end():following.start() if following else len(rest)]
        if re.search(r"(?<!\\)(?:\\\\)*=", value):
            raise ValueError("an equals sign that is not escaped: %r" % value)
        value = unescape(value, {"=": "=", "\\": "\\", "n": "\n", "r": "\r"})
        key = this.group(1)
        if key in extension or key not in KEYS:
            raise ValueError("the key %s" % key)
        if KEYS[key] is None and not re.fullmatch(r"\d+", value) or KEYS[key] and len(value) > KEYS[key]:
            raise ValueError("%s: %r" % (key, value))
        extension[key] = value
    for key in extension:
        if re.fullmatch(r"c[sn]\d", key) and key + "Label" not in extension:
            raise ValueError("%s has no label" % key)
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
