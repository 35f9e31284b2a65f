"""The report that an operator hands over: whole, inert, and right."""

import csv
import os
import re
from html.parser import HTMLParser

from lib import Slapd, need, wait_for

HOSTILE = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Headings, table rows and everything that would load or run something."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.forbidden, self.text, self.cells = [], {}, [], "", None
        self.section = None
        self.feed(text)
        need(not self.open, "every tag is closed", self.open)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in ("script", "link", "img", "iframe", "object", "embed") or any(name.startswith("on") for name in given) or \
                "src" in given or not given.get("href", "#").startswith("#"):
            self.forbidden.append((tag, attrs))
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag == "h2":
            self.section = given.get("id")
        if tag == "tr":
            self.cells = []
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        need(self.open and self.open.pop() == tag, "tags nest", tag)
        if tag == "tr" and self.cells:
            self.rows.setdefault(self.section, []).append(self.cells)

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


def test_report(t):
    """Text, HTML and CSV of one life say the same; hostile names are inert in each; nothing is loaded from elsewhere."""
    ground = t.shared(Slapd).fresh()
    ground.persons({"ann": {}, "bob": {"givenName": HOSTILE, "sn": '=HYPERLINK("http://x")'}, "cyd": {}})
    seniors = ground.group("seniors", ["ann", "cyd"])
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"poll_interval": "1s"}, lifecycle={"leave_grace": "0"},
                       rules={"All": {"team": "Sales", "roles": "Agent"}, "Seniors": {"group": seniors, "roles": "Supervisor"}})
    daemon.start()
    tenant.wait_users(["ann", "bob", "cyd"])
    ground.leave(seniors, "ann")
    tenant.wait_user("ann", roles=["Agent"])
    ground.remove("cyd")
    tenant.wait_user("cyd", disabled=True)
    wait_for(lambda: daemon.audit(event="outcome", operation="disable", code="done"), 10, "on record")
    daemon.stop()
    page_file, folder = t.path("report.html"), t.path("csv")
    daemon.ctl("audit", "report", "--html", page_file, "--csv", folder, daemon.audit_file)
    with open(page_file, encoding="utf-8") as data:
        text = data.read()
    page = Page(text)
    need(not page.forbidden, "nothing runs or loads", page.forbidden)
    need("http://" not in re.sub(r"<td>.*?</td>", "", text, flags=re.S), "no address outside of values")
    need("The audit is whole" in page.text and text.index("The evidence") < text.index("What happened"), "the verdict is first")
    need({row[3].split()[0] for row in page.rows["joiners"]} == {"ann", "bob", "cyd"}, "joiners", page.rows["joiners"])
    need([row[3].split()[0] for row in page.rows["leavers"]] == ["cyd"], "leavers", page.rows["leavers"])
    need(any("- role:Supervisor" in row[4] for row in page.rows["roles"]), "a role that was taken", page.rows["roles"])
    need(HOSTILE in page.text and HOSTILE not in text, "a hostile name is text", text.count(HOSTILE))
    need("<svg" in text and 'lang="en"' in text and "prefers-color-scheme:dark" in text and "@media print" in text, "its form")
    for name, rows in page.rows.items():
        with open(os.path.join(folder, name + ".csv"), encoding="utf-8-sig", newline="") as data:
            table = list(csv.reader(data))[1:]
        need([[cell.lstrip("'") for cell in row] for row in table] == [[cell.lstrip("'") for cell in row] for row in rows],
             "CSV and page say the same", name)
        need(not any(cell[:1] in "=+-@" for row in table for cell in row if cell), "formulas are inert", name, table)
    shown = daemon.ctl("audit", "report", daemon.audit_file).out
    need("The audit is whole" in shown and "Joiners" in shown and "bob" in shown, "text", shown)
    need("None." in Page(open_report(daemon, t, "--until", "2000")).text, "an empty time")
    # A finding comes first and fails.
    with open(daemon.audit_file, "rb") as data:
        lines = data.read().split(b"\n")
    lines[2] = lines[2].replace(b'"ev":"', b'"ev":"x', 1)
    with open(daemon.audit_file, "wb") as out:
        out.write(b"\n".join(lines))
    need("tampered" in Page(open_report(daemon, t, code=2)).text, "a finding")


def open_report(daemon, t, *arguments, code=0):
    path = t.path("other.html")
    daemon.ctl("audit", "report", "--html", path, *arguments, daemon.audit_file, code=code)
    with open(path, encoding="utf-8") as data:
        return data.read()
