"""The measurements of bench/: each command works; their figures are nobody's business here."""

import json
import os
import subprocess

from lib import base, deadline, need


@deadline(300)
def test_benches_work(t):
    """bench/all in its small form measures everything that docs/performance.md shows."""
    out = t.path("figures.json")
    done = subprocess.run([os.path.join(base.ROOT, "bench", "all"), "--smoke", "--json", out], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=290, check=False)
    need(done.returncode == 0, "all of them work", done.stderr[-4000:])
    with open(out, encoding="utf-8") as text:
        figures = json.load(text)
    with open(os.path.join(base.ROOT, "bench", "all"), encoding="utf-8") as text:
        titles = [line.split('"')[1] for line in text if line.startswith('    ("')]
    need(sorted(figures) == sorted(titles) and len(titles) >= 10, "every row of bench/all has figures", sorted(figures))
    need(all(row["figures"] and all(value >= 0 for value in row["figures"].values()) for row in figures.values()),
         "figures", figures)
