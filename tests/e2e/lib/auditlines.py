"""Audit lines for tests, through the second reader (tests/reader), which shares no code with rosterd."""

import importlib.util
import json
import os

from . import base

_checker = importlib.util.spec_from_file_location("format_check", os.path.join(base.ROOT, "tests", "reader", "format_check.py"))
form = importlib.util.module_from_spec(_checker)
_checker.loader.exec_module(form)
_spec = importlib.util.spec_from_file_location("audit_reader", os.path.join(base.ROOT, "tests", "reader", "audit_reader.py"))
reader = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reader)


def long_rows(lines):
    """Parsed rows under their long names, an outcome with what its intent said."""
    chain = reader.Chain()
    chain.lines = [(None, json.loads(line)) for line in lines]
    return reader.long_form(chain)


def need_whole(*paths, signatures=True):
    """The chain, the signatures and the commitments by the document's words alone."""
    chain = reader.read(paths, signatures)
    base.need(not chain.problems, "the second reader finds all whole", chain.problems[:5])
    return chain
