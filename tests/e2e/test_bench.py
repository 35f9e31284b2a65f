"""The measurements of bench/: each command works; their figures are nobody's business here."""

import json
import os
import subprocess

from lib import base, deadline, need


@deadline(240)
def test_benches_work(t):
    """bench/all in its small form measures everything that docs/performance.md shows."""
    out = t.path("figures.json")
    done = subprocess.run([os.path.join(base.ROOT, "bench", "all"), "--smoke", "--json", out], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=220, check=False)
    need(done.returncode == 0, "all of them work", done.stderr[-4000:])
    with open(out, encoding="utf-8") as text:
        figures = json.load(text)
    need(len(figures) == 10 and all(row["figures"] and all(value >= 0 for value in row["figures"].values())
                                    for row in figures.values()), "figures", figures)
