"""status as an operator reads it: what waits for a person, how far a load is, what comes next; STATUS= and the log."""

import re
import subprocess

from lib import Slapd, base, life, need, wait_for
from lib.life import AGENTS, crowd, settled


def status_of(d):
    return d.ctl("status", "--json", code=None).json


def test_long_load(t):
    """Done, total, rate and time left while it goes on; a line of the log at each tenth; STATUS= counts; then nothing."""
    people = ["p%03d" % i for i in range(160)]
    ground, group, tenant = crowd(t, people)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    tenant_keys={"max_rate": "20"}).start()

    def under_way():
        seen = status_of(d)
        return seen if seen["progress"] and seen["progress"]["done"] > 30 else None

    seen = wait_for(under_way, 40, "a load that is under way")
    progress, made = seen["progress"], len(tenant.users())
    need(progress["total"] <= len(people) + 1 and progress["done"] <= made + 1, "counts what is done", progress, made)
    need(1 < progress["rate"] <= 60 and progress["left_seconds"], "rate and time left", progress)
    need(seen["queue"]["by_lane"]["newcomers"] > 0 and seen["queue"]["by_lane"]["revocations"] == 0, "lanes", seen)
    text = d.ctl("status", code=None).out
    need(re.search(r"^Loading +\[#+\.*\] +\d+ of \d+ ", text, re.M), "a bar", text)
    d.wait_status(r"\d+ users.*, \d+ of \d+ written")
    tenant.wait_users(people)
    settled(d, 40)
    wait_for(lambda: status_of(d)["progress"] is None, 10, "it is over")
    tenths = [(int(a), int(b)) for a, b in re.findall(r"(\d+) of (\d+) changes are written", d.log())]
    need(len(tenths) >= 4 and tenths == sorted(tenths), "tenths in order", tenths)
    need(len({10 * a // b for a, b in tenths}) == len(tenths), "one line for each", tenths)
    need("160 changes were written in" in d.log(), "the end", d.log()[-500:])


def test_what_comes_first(t):
    """Parked, paused and observing stand at the top with the verb; the leaver's hour is told; budgets are of now (D6)."""
    people = ["a%d" % i for i in range(9)]
    ground, group, tenant = crowd(t, people)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, lifecycle={"leave_grace": "2h"},
                    guard={"max_team_change": "1"}).start()
    tenant.wait_users(people)
    settled(d)
    budget = next(b for b in status_of(d)["budgets"] if b["kind"] == "create")
    need((budget["spent"], budget["pending"]) == (9, 0), "as it is now", budget)
    ground.leave(group, "a0")
    seen = wait_for(lambda: status_of(d)["next"], 20, "something comes next")
    need((seen["kind"], seen["login"]) == ("disable", "a0") and seen["at"], "the leaver", seen)
    text = d.ctl("status", code=None).out
    need(re.search(r"^Next +\d{4}-\d\d-\d\d .*disable a0$", text, re.M), "as text", text)
    d.ctl("pause")
    text = d.ctl("status", code=None).out
    need(re.search(r"^! it is paused.* rosterctl resume$", text, re.M), "paused first", text)
    d.wait_status("paused")


def test_watch(t):
    """--watch shows it again and again, and shows what changed between."""
    ground = t.shared(Slapd).fresh()
    ground.person("ada")
    group = ground.group("crowd", ["ada"])
    tenant = t.simulator()
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_user("ada")
    settled(d)
    watch = subprocess.Popen([base.built("rosterctl"), "--socket", d.socket, "status", "--watch"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    t.cleanup(watch.wait)
    t.cleanup(watch.terminate)
    heads = 0
    paused = False
    for line in watch.stdout:
        heads += line.startswith("Health")
        if heads == 1 and not paused:
            paused = True
            d.ctl("pause")
        if line.startswith("! it is paused"):
            break
    need(heads >= 1 and paused, "it was seen to be paused", heads)


def test_pace_without_a_limit(t):
    """max_rate = 0: status says that nothing limits the pace, and the pace that was found once the tenant asks to wait."""
    people = ["p%03d" % i for i in range(30)]
    ground, group, tenant = crowd(t, people, rate=10)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, tenant_keys={"max_rate": "0"}).start()

    def pace():
        return re.search(r"requests? in flight, pace (.*)$", d.ctl("status", code=None).out, re.M).group(1)

    need(pace() == "not limited" or re.fullmatch(r"[\d.]+ a second", pace()), "a pace in any case", pace())
    found = wait_for(lambda: status_of(d)["tenant"]["requests_throttled"] and re.fullmatch(r"([\d.]+) a second", pace()), 30,
                     "the pace that the tenant bears", pace)
    need(0 < float(found.group(1)) < 1000, "a number", found)
    tenant.settings(rate=0)
    tenant.wait_users(people, seconds=40)
