"""What the measurements share: a directory of N people, a tenant, a rosterd; built on tests/e2e/lib.

Every command prints one line for each figure, or JSON with --json; --smoke is a small form that only shows that the
command works. Servers are throw-away ones on loopback; ROSTERD_BUILD names the build (default: build/). Two cores are
few for three busy programs: figures of such a machine say more as ratios.
"""

import argparse
import calendar
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, os.pardir, "tests", "e2e"))

from lib import Slapd, base, wait_for  # noqa: E402
from lib.context import Context, Shared  # noqa: E402

__all__ = ["HERE", "RULES", "SUFFIX", "at_the_tenant", "base", "bench", "cpu_of", "daemon_for", "directory", "load",
           "percentile", "people_ldif", "statistics", "subprocess", "time", "wait_for"]

SUFFIX = "dc=example,dc=com"


def bench(text, measure, smoke, promise=None, **options):
    """Runs measure(t, options) so many times in grounds of their own and prints the medians.

    promise(figures, given): a sentence about one round that does not hold what was promised, else None; then it ends
    with 1 after the figures.

    options: name=(default, help), integers, become --name; smoke: their values with --smoke. measure gives
    {figure: value}; a figure's name ends with its unit.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, (default, explanation) in options.items():
        parser.add_argument("--" + name, type=int, default=None, help="%s (default %d)" % (explanation, default))
    parser.add_argument("--times", type=int, default=1, help="how often; the medians are printed (default 1)")
    parser.add_argument("--smoke", action="store_true", help="small and once: does it work?")
    parser.add_argument("--json", action="store_true", help="for programs")
    given = parser.parse_args()
    for name, (default, _) in options.items():
        if getattr(given, name) is None:
            setattr(given, name, smoke.get(name, default) if given.smoke else default)
    rounds = []
    for _ in range(1 if given.smoke else given.times):
        with ground(os.path.basename(sys.argv[0])) as t:
            rounds.append(measure(t, given))
    broken = list(filter(None, (promise(figures, given) for figures in rounds))) if promise else []
    medians = {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
    if given.json:
        sizes = {name: getattr(given, name) for name in options}
        print(json.dumps({"figures": medians, "sizes": sizes, "rounds": rounds}))
    else:
        for name, value in medians.items():
            print("%12s  %s" % ("%.0f" % value if value >= 1000 else "%.4g" % value, name))
    if broken:
        sys.exit("%s: %s" % (os.path.basename(sys.argv[0]), broken[0]))


def cpu_of(pid):
    """Seconds of processor time so far, user and system, of the threads that there are."""
    total = 0
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, thread), encoding="ascii") as text:
            total += int(text.read().split()[0])
    return total / 1e9


def load(t, daemon, tenant, count):
    """A first load, to its last outcome; seconds."""
    begun = time.monotonic()
    daemon.start()
    wait_for(lambda: tenant.counters()["creates"] >= count, 3000, "everybody", daemon.log_tail, every=0.05)
    wait_for(lambda: daemon.state_query("SELECT count(*) FROM operation")[0][0] == 0, 120, "the last outcomes")
    return time.monotonic() - begun


@contextlib.contextmanager
def ground(name, seconds=1800):
    """A test's context: folder, servers, and their end."""
    base.core_dumps_off()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is ended also then
    t = Context(name, Shared(), seconds)
    failed = True
    try:
        yield t
        failed = False
    finally:
        t.disarm()
        problems = t.close(failed)
        base.remove_folder(t.folder)
        for problem in problems:
            print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)


def people_ldif(count):
    """People, groups of 50, and one group of all the others' kind: half in each of two."""
    yield "dn: ou=crowd,%s\nobjectClass: organizationalUnit\nou: crowd\n\n" % SUFFIX
    for i in range(count):
        yield ("dn: uid=p%06d,ou=crowd,%s\nobjectClass: inetOrgPerson\nuid: p%06d\ncn: Person %d\nsn: Number %d\n"
               "givenName: Person\nmail: p%06d@example.com\ntelephoneNumber: +1 555 %06d\nemployeeType: Staff\n"
               "departmentNumber: %d\n\n" % (i, SUFFIX, i, i, i, i, i, i % 97))
    for start in range(0, count, 50):
        yield "dn: cn=team%d,ou=crowd,%s\nobjectClass: groupOfNames\ncn: team%d\n" % (start // 50, SUFFIX, start // 50)
        yield "".join("member: uid=p%06d,ou=crowd,%s\n" % (i, SUFFIX) for i in range(start, min(start + 50, count)))
        yield "\n"
    for half in (0, 1):
        yield "dn: cn=half%d,ou=crowd,%s\nobjectClass: groupOfNames\ncn: half%d\n" % (half, SUFFIX, half)
        yield "".join("member: uid=p%06d,ou=crowd,%s\n" % (i, SUFFIX) for i in range(half, max(count, 2), 2))
        yield "\n"


def directory(t, count, more=()):
    """An OpenLDAP that holds them, and more entries."""
    path = t.path("people.ldif")
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(people_ldif(count))
        out.writelines(more)
    return t.server(Slapd, ldif=path, memberof=0)


RULES = {
    "First half": {"group": "cn=half0,ou=crowd," + SUFFIX, "team": "Customer Service", "roles": "Agent",
                   "skills": "English:80"},
    "Second half": {"group": "cn=half1,ou=crowd," + SUFFIX, "team": "Sales", "roles": "Agent",
                    "skills": "English:60, Spanish:40"},
    "Billing": {"when": "(departmentNumber=7)", "skills": "Billing:50"},
}


def daemon_for(t, server, tenant, rules=None, **sections):
    """As fast as it goes: no limit on the pace."""
    keys = {"max_rate": "0", "max_concurrent": "32"}
    keys.update(sections.pop("tenant_keys", {}))
    return t.rosterd(server, tenant, rules=rules or RULES, tenant_keys=keys, lifecycle={"verify_interval": "0"},
                     guard={"max_update": "unlimited", "max_team_change": "unlimited"}, **sections)


def at_the_tenant(row):
    """When the simulator took a request, in seconds since the epoch."""
    day, fraction = re.fullmatch(r"(.*?)(\.\d+)?Z", row["time"]).groups()
    return calendar.timegm(time.strptime(day, "%Y-%m-%dT%H:%M:%S")) + float(fraction or 0)


def percentile(values, share):
    """The value that `share` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(len(ordered) * share + 0.5) - 1))]
