"""What rosterctl prints with --json, held against docs/schema by a validator that is not ours: python3-jsonschema."""

import functools
import json
import os

from . import base

FOLDER = os.path.join(base.ROOT, "docs", "schema")
LONG = 60  # of a longer list the two ends are looked at: the validator is slow


@functools.lru_cache(None)
def jsonschema():
    try:
        import jsonschema as found  # pylint: disable=import-outside-toplevel
    except ImportError:
        raise base.Missing("python3-jsonschema is not installed") from None
    return found


@functools.lru_cache(None)
def schema(name):
    with open(os.path.join(FOLDER, name + ".json"), encoding="utf-8") as text:
        return json.load(text)


@functools.lru_cache(None)
def validator(name):
    found = jsonschema()
    resolver = found.RefResolver("file://%s/" % FOLDER, schema(name),
                                 store={"file://%s/common.json" % FOLDER: schema("common")})
    return found.Draft202012Validator(schema(name), resolver=resolver,
                                      format_checker=found.FormatChecker(formats=["date-time"]))


def name_of(arguments):
    """The schema of a command line of rosterctl; None: it prints no JSON of ours."""
    words = [word for word in arguments if not word.startswith("-")]
    verbs = [name[:-5] for name in os.listdir(FOLDER)]
    verb = next((word for word in words if word in verbs or word == "audit"), None)
    if verb != "audit":
        return verb
    what = words[words.index("audit") + 1] if words.index("audit") + 1 < len(words) else ""
    if "--proof" in arguments:
        return "audit-proof"
    return None if what in ("prove", "export") else "audit-" + what


def shortened(value):
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in (value if len(value) <= LONG else value[:LONG // 2] + value[-LONG // 2:])]
    return value


def complaints(name, answer):
    return ["%s: %s" % ("/".join(str(step) for step in problem.absolute_path), problem.message)
            for problem in validator(name).iter_errors(shortened(answer))]


def check(arguments, text):
    """Every document in the text is as its schema says; a failure is as the schema of failures says."""
    if "--json" not in arguments or "--help" in arguments or not text.strip():
        return
    name = name_of(arguments)
    if name is None and any(word in arguments for word in ("prove", "export")):
        return
    lines = text.splitlines() if name == "audit-show" and not text.startswith("{\n") else [text]
    for line in lines:
        answer = json.loads(line)
        kind = "error" if "error" in answer and "message" in answer else name
        base.need(kind is not None, "there is a schema for rosterctl %s" % " ".join(arguments), line[:2000])
        found = complaints(kind, answer)
        base.need(not found, "rosterctl %s prints what docs/schema/%s.json says" % (" ".join(arguments), kind),
                  *found[:10])
