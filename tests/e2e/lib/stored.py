"""Enums that the state file holds as numbers, by the names that the headers of src give them."""

import glob
import os
import re

from . import base


def read_enums():
    """{"operation_state": {"OPERATION_READY": 1, …}, …}"""
    enums = {}
    for folder in ("model", "state"):
        for path in glob.glob(os.path.join(base.ROOT, "src", folder, "*.h")):
            with open(path, encoding="utf-8") as text:
                for name, body in re.findall(r"\benum (\w+) \{(.*?)\n\}", text.read(), re.S):
                    enums[name] = {constant: int(n) for constant, n in re.findall(r"^\s*([A-Z_]+) = (\d+)\b", body, re.M)}
    return enums


ENUMS = read_enums()
NUMBERS = {constant: n for enum in ENUMS.values() for constant, n in enum.items()}


def in_sql(sql):
    """The statement with a number where it says OPERATION_HELD, LINK_ACTIVE or the like."""
    return re.sub(r"\b(?:OPERATION|LINK|ENTRY|MEMBER)_[A-Z_]+\b", lambda name: str(NUMBERS[name.group()]), sql)


def word(enum, number):
    """"held" for the number of OPERATION_HELD among "operation_state"."""
    return next(constant for constant, n in ENUMS[enum].items() if n == number).split("_", 1)[1].lower()
