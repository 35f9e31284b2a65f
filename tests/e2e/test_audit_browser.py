"""The report as its readers have it: by the keyboard, by a screen reader, on a telephone, in the dark, on paper."""

import json
import os
import random
import re
import subprocess

from lib import base, deadline, histories, need
from lib.browser import Browser
from test_audit_hostile import HOSTILE, write

SAMPLE = os.path.join(base.ROOT, "tests", "data", "audit-export", "sample.jsonl")
FOCUSABLE = "a[href], summary, [tabindex='0']"


def ctl(*arguments):
    done = subprocess.run([base.built("rosterctl"), *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                          check=False, env={"LANG": "C"})
    need(done.returncode == 0, "it answers", arguments, done)
    return done.stdout.decode("utf-8")


def make(t, files, **more):
    page = t.path("report.html")
    ctl("audit", "report", "--html", page, *files)
    return page, json.loads(ctl("--json", "audit", "report", *files))


def of_a_history(t):
    one = histories.History(random.Random(20261128), people=12, days=24)
    path = t.path("audit.jsonl")
    with open(path, "wb") as out:
        out.write(b"".join(line + b"\n" for line in one.writer.lines))
    return [path]


def check_keyboard(browser):
    """Tab visits everything that can be reached in the order of the page, the other way back, and shows where it is."""
    wanted = browser.value("[...document.querySelectorAll(\"%s\")].map(e => e.tagName.toLowerCase() + "
                           "(e.getAttribute('href') || ''))" % FOCUSABLE)
    need(wanted[0] == "a#main" and "summary" in wanted and "div" in wanted, "what can be reached", wanted)
    reached, shown = [], []
    for _ in wanted:
        reached.append(browser.tab())
        shown.append(browser.value("(() => { const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();"
                                   "return s.outlineStyle != 'none' && parseFloat(s.outlineWidth) >= 2 && r.bottom > 0 &&"
                                   "r.top < innerHeight && r.right > 0; })()"))
    need(reached == wanted, "Tab follows the page", reached, wanted)
    need(all(shown), "one sees where one is", [name for name, fine in zip(reached, shown) if not fine])
    back = [browser.tab(back=True) for _ in wanted[1:]]
    need(back == wanted[-2::-1], "and back", back)
    browser.key("Enter", 13)  # on the first link, past all others
    need(browser.value("location.hash") == "#main", "the link past the rest leads there")


def open_by_keyboard(browser, selector):
    for _ in range(200):
        if browser.tab() == selector:
            browser.key("Enter", 13)
            return
    need(False, "it is reached", selector)


def tables_of(tree):
    """[(name, headings, [cells of each row])], as a screen reader has them."""
    found = []
    for role, name, _ in tree:
        if role == "table":
            found.append((name, [], []))
        elif role == "columnheader":
            found[-1][1].append(name)
        elif role == "row":
            found[-1][2].append([])
        elif role in ("cell", "rowheader", "gridcell"):
            found[-1][2][-1].append((role, name))
    return [(name, heads, [row for row in rows if row]) for name, heads, rows in found]


def check_reader(browser, report):
    """Headings in order, tables with a name and headers, the chart with its numbers."""
    tree = browser.tree()
    levels = [properties["level"] for role, _, properties in tree if role == "heading"]
    need(levels[0] == 1 and levels.count(1) == 1 and set(levels) == {1, 2}, "headings", levels)
    need([role for role, *_ in tree].count("main") == 1, "one main part")
    names = [name for role, name, _ in tree if role in ("heading", "StaticText")]
    said = "The audit is whole" if report["verdict"]["checkpoints"] else "The lines fit together, but none is signed"
    verdict = next((i for i, name in enumerate(names) if name.startswith(said)), len(names))
    need(verdict < names.index("What happened"), "the verdict is heard first", names[:12])
    unnamed = [one for one in tree if not one[1] and one[0] in ("link", "image", "table", "navigation", "region", "figure")]
    need(not unnamed, "everything has a name", unnamed)
    for name, heads, rows in tables_of(tree):
        need(name and len(heads) > 2 and all(heads), "a table says what its columns are", name, heads)
        need(all(len(row) == len(heads) and row[0][0] == "rowheader" for row in rows), "and what its rows are", name, heads, rows)
    images = [name for role, name, _ in tree if role == "image"]
    need(len(images) == browser.value("document.querySelectorAll('svg').length") == 1, "each chart is an image", images)
    chart = next(rows for name, _, rows in tables_of(tree) if name == "Users changed")
    heard = {row[0][1]: [int(cell) for _, cell in row[1:]] for row in chart}
    days = {day: [counts.get(name, 0) for name in ("joiners", "others", "leavers")] for day, counts in report["days"].items()}
    need({day: counts for day, counts in heard.items() if any(counts)} == days, "the chart's numbers can be heard", heard, days)
    need(min(days) in images[0] and max(days) in images[0] and str(max(map(sum, days.values()))) in images[0],
         "the image says what it shows", images)


def check_bars(browser, report):
    """What is drawn is as high as the numbers are."""
    drawn = browser.value("[...document.querySelectorAll('svg rect')].map(r => [r.getAttribute('class'), "
                          "r.getBoundingClientRect().height])")
    names = {"in": "joiners", "other": "others", "out": "leavers"}
    for kind, name in names.items():
        heights = [height for one, height in drawn if one == kind]
        counts = [counts[name] for _, counts in sorted(report["days"].items()) if counts.get(name)]
        need(len(heights) == len(counts), "a bar for each", name, heights, counts)
        need(all(abs(a * counts[0] - b * heights[0]) < 2 * counts[0] + b for a, b in zip(heights, counts)), "its height", name,
             heights, counts)


def check_sizes(browser, t):
    """On 320 pixels, and on paper, nothing is cut off and the page does not scroll sideways."""
    browser.view(width=320, height=640)
    need(browser.value("document.documentElement.scrollWidth") <= 320, "no sideways scrolling at 320 pixels")
    browser.picture(t.path("narrow.png"))
    browser.view(width=680, media="print")  # A4 between its margins
    cut = browser.value("[...document.querySelectorAll('main, main *')].filter(e => e.getBoundingClientRect().right > 681)"
                        ".map(e => e.outerHTML.slice(0, 80))")
    need(cut == [], "nothing is cut off on paper", cut)
    browser.picture(t.path("print.png"))
    browser.print(t.path("report.pdf"))
    with open(t.path("report.pdf"), "rb") as data:
        text = data.read()
    pages = max(int(n) for n in re.findall(rb"/Count (\d+)", text))
    need(text.startswith(b"%PDF-") and 2 <= pages <= 60, "it prints", pages)


def check_paper(browser, t):
    """Beside long names no date and no word is torn."""
    path, _ = write(t.path("hostile.jsonl"), [text for text in HOSTILE if len(text) < 60])
    page, _ = make(t, [path])
    browser.view(width=680, media="print")
    browser.open(page)
    torn = browser.value("[...document.querySelectorAll('td.t, td.w')].filter(e => /^(\\d{4}-|User created$)/.test(e.textContent)).filter(e => {"
                         "const r = document.createRange(); r.selectNodeContents(e);"
                         "return new Set([...r.getClientRects()].map(x => x.top)).size > 2; }).map(e => e.textContent)")
    need(torn == [], "torn", torn[:5])


def check_schemes(browser, t):
    colours = {}
    for scheme in ("dark", "light"):
        browser.view(scheme=scheme)
        browser.picture(t.path(scheme + ".png"))
        colours[scheme] = browser.value("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    dark, light = ([sum(map(int, colour[4:-1].split(","))) for colour in colours[name]] for name in ("dark", "light"))
    need(dark[0] < 150 < 600 < dark[1] and light[1] < 150 < 600 < light[0], "dark is dark and light is light", colours)


@deadline(180)
def test_page_for_its_readers(t):
    """Chromium reads a history and the lines of every event: nothing is loaded or complained of, the keyboard reaches all,
    a screen reader hears headings, tables and the chart's numbers, and the page fits a telephone and paper."""
    with Browser(t) as browser:
        for files in ([SAMPLE], of_a_history(t)):
            page, report = make(t, files)
            browser.view()
            browser.open(page)
            need(browser.requests() == ["file://" + page] and not browser.complaints(), "nothing is loaded from elsewhere",
                 browser.requests(), browser.complaints())
            check_keyboard(browser)
            browser.open(page)
            open_by_keyboard(browser, "summary")
            check_reader(browser, report)
            check_bars(browser, report)
            check_schemes(browser, t)
            check_sizes(browser, t)
        check_paper(browser, t)
