"""The report that an operator hands over: whole, inert, and right; read as text, in the browser and as CSV."""

import csv
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

from lib import Slapd, auditlines, base, deadline, need, wait_for
from lib.base import Missing
from lib.signed import Key, Writer

SCRIPT = "<script>document.title='taken'</script>"
IMAGE = "<img src=x onerror=document.title='taken'>"
LISTS = ["joiners", "leavers", "privileged", "roles", "movers", "approvals", "waiting", "configuration", "drift", "comparisons",
         "alarms", "erasures"]


class Page(HTMLParser):
    """Headings in their order, rows by section, ids, links, and everything that would load or run something."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.forbidden, self.text, self.cells = [], {}, [], "", None
        self.section, self.title, self.ids, self.links, self.levels, self.scrolled = None, "", [], [], [], []
        self.feed(text)
        need(not self.open, "every tag is closed", self.open)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in ("script", "link", "img", "iframe", "object", "embed") or any(name.startswith("on") for name in given) or \
                "src" in given or not given.get("href", "#").startswith("#"):
            self.forbidden.append((tag, attrs))
        if tag not in ("meta", "br", "wbr"):
            self.open.append(tag)
        if tag == "h2":
            self.section = given.get("id")
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "tr":
            self.cells = []
        if tag in ("td", "th") and given.get("scope") != "col":
            self.cells.append("")
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"][1:]] if "href" in given else []
        if given.get("class") == "wide":
            self.scrolled.append(given)

    def handle_endtag(self, tag):
        need(self.open and self.open.pop() == tag, "tags nest", tag)
        if tag == "tr" and self.cells:
            self.rows.setdefault(self.section, []).append(self.cells)
            self.cells = None

    def handle_data(self, data):
        self.text += data
        if "title" in self.open:
            self.title += data
        if self.cells and ("td" in self.open or "th" in self.open):
            self.cells[-1] += data


def read(path, **how):
    with open(path, encoding="utf-8", **how) as data:
        return data.read()


def tables(folder):
    found = {}
    for name in LISTS + ["delays"]:
        with open(os.path.join(folder, name + ".csv"), encoding="utf-8-sig", newline="") as data:
            found[name] = list(csv.reader(data))
    return found


def in_browser(t, page, *more):
    """What Chromium makes of the page: the document after it was loaded and drawn."""
    if not shutil.which("chromium"):
        raise Missing("chromium is not installed")
    done = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
                           "--user-data-dir=" + t.path("browser"), *(more or ["--dump-dom"]), "file://" + page],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=80, check=False, cwd=t.folder,
                          env={**os.environ, "HOME": t.folder})
    need(done.returncode == 0, "the browser ends well", done.stderr[-2000:])
    return done.stdout.decode("utf-8")


def parked(daemon, n):
    plan = {}

    def waits():
        plan.update(daemon.ctl("plan", "--json", code=None).json)
        return len([o for o in plan["operations"] if o["state"] == "parked"]) == n
    wait_for(waits, 20, "%d wait for approval" % n, lambda: plan)
    return plan["hash"]


def bare(rows):
    """Without what makes a cell inert in a spreadsheet."""
    return [[cell.lstrip("'") for cell in row] for row in rows]


@deadline(150)
def test_report(t):
    """Text, page and CSV of one life say the same; hostile names are inert in each, also in the browser; nothing is loaded
    from elsewhere; delays are those of the lines; privileged roles, approvals and their words are told."""
    ground = t.shared(Slapd).fresh()
    ground.persons({"ann": {}, "bob": {"givenName": SCRIPT, "sn": '=HYPERLINK("http://x")'}, "cyd": {"sn": IMAGE},
                    "dan": {"givenName": None}})
    seniors, leads = ground.group("seniors", ["ann", "cyd"]), ground.group("leads", ["ann", "bob"])
    tenant = t.simulator(roles=["Agent", "Supervisor", "Wallboard"])
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"poll_interval": "1s"}, lifecycle={"leave_grace": "0"},
                       guard={"max_disable": "0", "privileged_roles": "Administrator, supervisor"},
                       rules={"All": {"team": "Sales", "roles": "Agent"}, "Seniors": {"group": seniors, "roles": "Wallboard"},
                              "Leads": {"group": leads, "roles": "Supervisor"}})
    daemon.start()
    daemon.ctl("approve", parked(daemon, 2), "--reason", "CHG-7")
    tenant.wait_users(["ann", "bob", "cyd"])
    ground.leave(seniors, "cyd")
    tenant.wait_user("cyd", roles=["Agent"])
    ground.leave(leads, "ann")
    tenant.wait_user("ann", roles=["Agent", "Wallboard"])
    ground.remove("cyd")
    daemon.ctl("approve", parked(daemon, 1), "--reason", "leaver")
    tenant.wait_user("cyd", disabled=True)
    wait_for(lambda: daemon.audit(event="outcome", operation="disable", code="done"), 10, "on record")
    daemon.stop()
    page_file, folder = t.path("report.html"), t.path("csv")
    daemon.ctl("audit", "report", "--html", page_file, "--csv", folder, daemon.audit_file)
    text = read(page_file)
    page, found = Page(text), tables(folder)
    check_page(page, text)
    check_contrast(text)
    check_narrow(t, page_file)
    check_lists(page.rows, found)
    check_delays(daemon, page.rows["delays"], found["delays"])
    drawn = Page(in_browser(t, page_file))
    need(drawn.title == "Audit report of rosterd" and not drawn.forbidden, "nothing ran in the browser", drawn.title, drawn.forbidden)
    need({name: drawn.rows[name] for name in page.rows if name} == {name: page.rows[name] for name in page.rows if name},
         "the browser shows what was written")
    need(SCRIPT in drawn.text and IMAGE in drawn.text, "hostile names are text there")
    in_browser(t, page_file, "--print-to-pdf=" + t.path("report.pdf"), "--no-pdf-header-footer")
    with open(t.path("report.pdf"), "rb") as data:
        need(data.read(5) == b"%PDF-", "it prints")
    shown = daemon.ctl("audit", "report", daemon.audit_file).out
    need("The audit is whole" in shown and "Joiners" in shown and "bob" in shown, "text", shown)


FRAME = """<!DOCTYPE html><body style="margin:0"><iframe id="f" src="%s" style="width:320px;height:900px;border:0"></iframe>
<script>f.onload = () => { const d = f.contentDocument.documentElement;
document.title = d.scrollWidth + "/" + d.clientWidth }</script>"""


def check_narrow(t, page_file):
    """On a telephone of 320 pixels only tables and the chart scroll sideways, not the page."""
    bare_file, frame = t.path("bare.html"), t.path("frame.html")
    with open(bare_file, "w", encoding="utf-8") as out: # a page that runs nothing may not be looked into from outside
        out.write(re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", read(page_file)))
    with open(frame, "w", encoding="utf-8") as out:
        out.write(FRAME % os.path.basename(bare_file))
    title = Page(in_browser(t, frame, "--allow-file-access-from-files", "--virtual-time-budget=3000", "--dump-dom")).title
    wide, shown = (int(n) for n in title.split("/"))
    need(wide <= shown, "no sideways scrolling at 320 pixels", title)


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(digits[i:i + 2], 16) / 255 for i in (0, 2, 4)]
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def check_contrast(text):
    """WCAG 2.2, AA, in both colour schemes: 4.5 for texts, 3 for the parts of the chart."""
    blocks = [dict(re.findall(r"--(\w+):(#\w+)", block)) for block in re.findall(r":root\{([^}]*)\}", text)]
    need(len(blocks) == 2, "light and dark", blocks)
    for colours in (blocks[0], {**blocks[0], **blocks[1]}):
        for name, least in (("ink", 4.5), ("soft", 4.5), ("good", 4.5), ("bad", 4.5), ("link", 4.5), ("in", 3), ("out", 3), ("other", 3)):
            for below in ("page", "box"):
                low, high = sorted((luminance(colours[name]), luminance(colours[below])))
                need((high + 0.05) / (low + 0.05) >= least, "contrast", name, below, colours)


def check_page(page, text):
    need(not page.forbidden, "nothing runs or loads", page.forbidden)
    need("http://" not in re.sub(r"<td.*?</td>", "", text, flags=re.S), "no address outside of values")
    need("The audit is whole" in page.text and text.index("The evidence") < text.index("What happened"), "the verdict is first")
    need(SCRIPT in page.text and SCRIPT not in text and IMAGE not in text, "a hostile name is text", text.count(SCRIPT))
    need("<svg" in text and 'lang="en"' in text and "prefers-color-scheme:dark" in text and "@media print" in text, "its form")
    # For the keyboard and for readers of the screen: order, headings without a jump, what scrolls can be reached.
    need([name for name in page.ids if name in LISTS] == LISTS and page.ids[0] == "main", "the order", page.ids)
    need(len(page.ids) == len(set(page.ids)) and set(page.links) <= set(page.ids), "links lead somewhere",
         set(page.links) - set(page.ids))
    need(page.levels[0] == 1 and page.levels.count(1) == 1 and max(page.levels) == 2, "headings", page.levels)
    need(page.scrolled and all(one["tabindex"] == "0" and one["role"] == "group" and one["aria-label"] for one in page.scrolled),
         "scrolled tables can be reached and are named", page.scrolled)
    need("no rule gives a team" in page.text or "a mandatory value is missing" in page.text, "codes are explained")


def check_lists(rows, found):
    def people(name):
        return sorted(row[3].split()[0] for row in rows.get(name, []))
    need(people("joiners") == ["ann", "bob", "cyd"], "joiners", rows["joiners"])
    need(people("leavers") == ["cyd"] and "approved by root, line" in rows["leavers"][0][4] or os.getuid(), "leavers", rows["leavers"])
    need(people("privileged") == ["ann", "ann", "bob"], "privileged roles, at the create and later", rows.get("privileged"))
    need("+role:Supervisor" in rows["privileged"][0][4] and rows["privileged"][2][4] == "-role:Supervisor", "given, then taken")
    need(people("roles") == ["cyd"] and rows["roles"][0][4] == "-role:Wallboard", "other roles", rows["roles"])
    need({row[7] for row in rows["approvals"]} == {"CHG-7", "leaver"}, "reasons", rows["approvals"])
    need(any(row[3].startswith("uid=dan") or "dan" in row[3] for row in rows["waiting"]), "who is left out", rows["waiting"])
    need(all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row[1]) for name in LISTS for row in rows.get(name, [])), "times")
    for name in LISTS:
        need(bare(found[name][1:]) == bare(rows.get(name, [])), "CSV and page say the same", name, found[name], rows.get(name))
        need(not any(cell[:1] in "=+-@" for row in found[name] for cell in row if cell), "formulas are inert", name)


def check_delays(daemon, shown, table):
    """From the lines alone, by the second reader: the k-th smallest of n, as many as are at or below it."""
    chain = auditlines.reader.read([daemon.audit_file])
    approved, lags = set(), {"Joiners": [], "Movers": [], "Leavers": [], "Revocations": []}
    kinds = {"create": "Joiners", "adopt": "Joiners", "enable": "Joiners", "disable": "Leavers", "delete": "Leavers"}
    for row in auditlines.reader.long_form(chain):
        if row["event"] == "approve" and "number" in row:
            approved.add(row["number"])
        if row["event"] == "intent" and "lag_ms" in row and row["number"] not in approved:
            lags["Revocations" if row.get("code") == "revoked" else kinds.get(row["operation"], "Movers")].append(row["lag_ms"])
    need(len(lags["Joiners"]) == 1 and len(lags["Movers"]) == 2 and len(approved) == 3, "what was on record", lags, approved)
    for name, n, median, _, worst, _ in table[1:]:
        here = sorted(lags[name])
        need(int(n) == len(here) and int(worst) == max(here, default=0) and
             int(median) == (here[(len(here) + 1) // 2 - 1] if here else 0), "delays of " + name, here, table)
    need([row[:2] for row in shown] == [row[:2] for row in table[1:]], "the page has them", shown)


def test_report_of_times_and_damage(t):
    """A time without anything, a time that begins later, and a damaged file, which comes first and fails."""
    ground = t.shared(Slapd).fresh()
    ground.persons({"ann": {}, "bob": {}})
    daemon = t.rosterd(ground.server, t.simulator(), ground)
    daemon.audit_is_spoilt = True
    daemon.once()

    def page(*arguments, code=0):
        path = t.path("other.html")
        daemon.ctl("audit", "report", "--html", path, *arguments, daemon.audit_file, code=code)
        return Page(read(path))

    need("None." in page("--until", "2000").text and not page("--until", "2000").rows.get("joiners"), "an empty time")
    need(len(page("--since", "2000").rows["joiners"]) == 2, "a time that has all")
    lines = read(daemon.audit_file, newline="").split("\n")
    row = json.loads(lines[2])
    lines[2] = lines[2].replace('"ev":"%s"' % row["ev"], '"ev":"x%s"' % row["ev"], 1)
    with open(daemon.audit_file, "w", encoding="utf-8", newline="") as out:
        out.write("\n".join(lines))
    broken = page(code=2)
    need("tampered" in broken.text and broken.text.index("tampered") < broken.text.index("What happened"), "a finding comes first")


def reported(t, *words, code=0):
    """(the page's text, the text) of a report."""
    said = []
    for more in (("--html", t.path("page.html")), ()):
        done = subprocess.run([base.built("rosterctl"), "audit", "report", *more, *words], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False, env={"LANG": "C.UTF-8", "COLUMNS": "100000"})
        need(done.returncode == code, "it answers", words, done)
        said.append(Page(read(t.path("page.html"))).text if more else done.stdout)
    return [" ".join(text.split()) for text in said]


def test_what_the_files_tell_of(t):
    """An empty list means that nothing happened only where the files tell of that time; and a report is verified with the key and the
    checkpoint that an auditor knows."""
    key, writer = Key("a"), Writer()
    for day in (3, 5, 9):
        writer.add(day, "start" if day == 3 else "skip", {"code": "no-mail"}, {"id": "id-1", "say": "x"})
        writer.checkpoint(key)
    whole, late = writer.write(t.path("whole.jsonl")), writer.write(t.path("late.jsonl"), 2)
    before, missing, unread = "Before it there was no audit.", "What happened before is not covered.", "What happened after it is not covered."
    for words, expected in (((whole,), ()), (("--since", "2026-01-04", "--until", "2026-01-01T12", whole), ()), (("--since", "2025", whole), (before,)),
                            (("--since", "2025", late), (missing,)), (("--until", "2027", late), (unread,)), (("--since", "2026-01-06", late), ())):
        for text in reported(t, *words):
            need([one for one in (before, missing, unread) if one in text] == list(expected), "which time", words, text[:700])
            need("The lines cover the time from 2026-01-0" in text and ("Lines before 3 are not in these files." in text) == (late in words), "whose", words, text[:700])
    kept, other = t.write("kept.note", writer.notes[max(writer.notes)]), Key("b")
    need(all("fits: up to line 5 " in text for text in reported(t, "--key", key.vkey, "--checkpoint", kept, whole)), "compared")
    need("verified with the key that was given" in reported(t, "--key", key.vkey, whole)[0], "by that key")
    for text in reported(t, "--key", other.vkey, whole, code=2):
        need("tampered" in text and "another key" in text, "by no other key", text[:700])
    for text in reported(t, "--checkpoint", kept, writer.write(t.path("cut.jsonl"), last=-2), code=2):
        need("tampered" in text and "cut: " in text, "the end is gone", text[:700])
