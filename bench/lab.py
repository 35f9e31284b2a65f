"""What the measurements share: a directory of N people, a tenant, a rosterd; built on tests/e2e/lib.

Every command prints one line, the figure first. Servers are throw-away ones on loopback; ROSTERD_BUILD names the
build (default: build/). Two cores are few for three busy programs: figures of such a machine say more as ratios.
"""

import argparse
import calendar
import contextlib
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

__all__ = ["HERE", "arguments", "at_the_tenant", "base", "daemon_for", "directory", "ground", "percentile", "statistics", "subprocess", "time",
           "wait_for"]

SUFFIX = "dc=example,dc=com"


def arguments(text, **options):
    """name=(default, help) become --name; integers."""
    parser = argparse.ArgumentParser(description=text)
    for name, (default, explanation) in options.items():
        parser.add_argument("--" + name, type=int, default=default,
                            help="%s (default %d)" % (explanation, default))
    return parser.parse_args()


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


def directory(t, count):
    """An OpenLDAP that holds them."""
    path = t.path("people.ldif")
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(people_ldif(count))
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
                     guard={"max_update": "unlimited"}, **sections)


def at_the_tenant(row):
    """When the simulator took a request, in seconds since the epoch."""
    day, fraction = re.fullmatch(r"(.*?)(\.\d+)?Z", row["time"]).groups()
    return calendar.timegm(time.strptime(day, "%Y-%m-%dT%H:%M:%S")) + float(fraction or 0)


def percentile(values, share):
    """The value that `share` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(len(ordered) * share + 0.5) - 1))]
