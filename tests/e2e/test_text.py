"""Text from the directory that is not what it should be: the one person waits with a reason, the others go on."""

import json

from lib import ScriptedServer, Slapd, need, templates

AT_ONCE = {"leave_grace": "0"}
AGENTS = {"Agents": {"when": "(objectClass=inetOrgPerson)", "team": "Sales"}}
USER = {"work_phone": "${telephoneNumber}"}


def follow(t, server, ground=None, **sections):
    tenant = t.simulator()
    options = {"lifecycle": AT_ONCE, "rules": AGENTS, "user": USER, "notify": {"alarm_after": "0"}}
    options.update(sections)
    tls = server.tls if isinstance(server, ScriptedServer) else "ldaps"
    return t.rosterd(server, tenant, ground, directory_keys={"feed": "poll", "poll_interval": "1s"}, tls=tls,
                     **options), tenant


def disabled(tenant):
    return sorted(login for login, user in tenant.users().items() if user["disabled"])


def log_is_clean(daemon):
    """No line of the log can have been written by the directory."""
    with open(daemon.log_file, "rb") as data:
        lines = data.read().split(b"\n")
    for line in lines:
        need(not any(byte < 32 or byte == 127 for byte in line), "no control character in the log", line)
        need(not line or line.startswith((b"rosterd: ", b"--- ", b"/")), "every line is our own", line)
        line.decode("utf-8")  # and it is text
    with open(daemon.audit_file, "rb") as data:
        for row in data.read().splitlines():
            json.loads(row.decode("utf-8"))
            need(not any(byte < 32 or byte == 127 for byte in row), "nor in the audit", row)


BAD = {
    "invalid UTF-8": {"sn": b"M\xfcller"},
    "overlong UTF-8": {"sn": b"a\xc0\xafb"},
    "surrogate": {"sn": b"a\xed\xa0\x80b"},
    "binary": {"givenName": bytes(range(256))},
    "NUL": {"sn": b"Smith\x00Jones"},
    "new line": {"sn": b"Smith\nrosterd: notice: everything is fine"},
    "escape": {"sn": b"\x1b[31mred\x1b[0m"},
    "return": {"givenName": b"a\r\nLocation: https://evil.example/"},
    "delete": {"sn": b"Smi\x7fth"},
    "1 MB": {"sn": b"x" * 1000000},
    "empty": {"sn": None},
    "no first name": {"givenName": None},
    "blank": {"sn": b"   "},
    "no login": {"uid": None},
}


def add_bad(server):
    """One person for each of them; their DNs by name."""
    dns = {}
    for i, (what, attributes) in enumerate(BAD.items()):
        dn = "cn=bad%02d,ou=people,%s" % (i, server.suffix)
        dns[what] = server.person("bad%02d" % i, dn=dn)
        server.replace(dn, **attributes)
    return dns


def reason(daemon, dn):
    rows = daemon.state_query("SELECT coalesce((SELECT reason FROM operations o WHERE o.entry_id = p.entry_id AND "
                              "reason NOT NULL), bucket_code) FROM people p JOIN entries ON entries.id = p.entry_id "
                              "WHERE entries.dn = ?", dn)
    return rows[0][0] if rows else None


def test_bad_newcomers(t):
    """T39 T41: people whose values cannot be used get no user and a reason with DN and attribute; the rest does."""
    server = t.server(ScriptedServer)
    good = ["ada", "bob", "zoe"]
    for uid in good[:2]:
        server.person(uid)
    dns = add_bad(server)
    server.person(good[2])
    daemon, tenant = follow(t, server)
    daemon.configure(log={"level": "debug"})
    daemon.once()
    tenant.wait_users(good)
    skips = {row["person"]["dn"]: row for row in daemon.audit(event="skip")}
    for what, dn in dns.items():
        row = skips.get(dn)
        need(row, "an audit row", what)
        attribute = list(BAD[what])[0]
        need(attribute in json.dumps(row, ensure_ascii=False), "it names the attribute", what, row)
        need(reason(daemon, dn), "and the state knows why", what)
    log_is_clean(daemon)
    # Mended, they become users one by one.
    server.replace(dns["invalid UTF-8"], sn="Müller")
    server.replace(dns["1 MB"], sn="Short")
    daemon.once()
    users = tenant.users()
    need(sorted(users) == ["ada", "bad00", "bad09", "bob", "zoe"], "those who were mended", sorted(users))
    need(users["bad00"]["lastName"] == "Müller", "with their names", users["bad00"])


def test_users_whose_values_go_bad(t):
    """T39 T41: users whose values cannot be used any more are held, not disabled and not changed."""
    server = t.server(ScriptedServer)
    dns = {}
    for i, what in enumerate(BAD):
        dns[what] = server.person("bad%02d" % i, dn="cn=bad%02d,ou=people,%s" % (i, server.suffix))
    ada = server.person("ada")
    daemon, tenant = follow(t, server, guard={"attribute_vanish": "100%", "max_disable": "unlimited"})
    daemon.once()
    before = tenant.users()
    need(len(before) == len(BAD) + 1, "all are users", sorted(before))
    for what, dn in dns.items():
        server.replace(dn, **BAD[what])
    server.replace(ada, sn="Changed")
    server.person("zoe")
    daemon.once(code=None)
    users = tenant.users()
    for i, what in enumerate(BAD):
        login = "bad%02d" % i
        need(users[login] == before[login], "neither changed nor disabled", what, users[login])
        need(reason(daemon, dns[what]) == "entry-invalid", "held", what, reason(daemon, dns[what]))
    need(users["ada"]["lastName"] == "Changed" and "zoe" in users, "the others go on")
    holds = {row["person"]["dn"]: row for row in daemon.audit(event="hold")}
    for what, dn in dns.items():
        row = holds.get(dn)
        need(row and list(BAD[what])[0] in json.dumps(row), "the audit names the attribute", what, row)
    log_is_clean(daemon)
    for what, dn in dns.items():
        server.replace(dn, sn="Tester", givenName="Well", uid="bad%02d" % list(BAD).index(what))
    daemon.once()
    need(daemon.state_query("SELECT count(*) FROM operation WHERE state IN (OPERATION_PARKED, OPERATION_HELD)")[0][0] == 0, "released")
    need(disabled(tenant) == [], "nobody was disabled", disabled(tenant))


def test_text_that_slapd_takes(t):
    """T38 T39 T41: what a real server lets through: line breaks, long values, right-to-left, odd DNs."""
    ground = t.shared(Slapd).fresh()
    server = ground.server
    ground.person("ada", sn="Lovelace\nrosterd: err: forged")
    ground.person("long", telephoneNumber="1" * 5000)
    ground.person("rtl", givenName="\u202eevil", sn="\u0627\u0644\u062e\u0637\u064a\u0628")
    ground.person("zoe", sn="O'Neil \"Z\" <z@x> ${uid} %s %n \\ & ; | `id`")
    odd = "cn=\\#odd\\, \\\"x\\\"\\+y \\<z\\>\\;,%s" % ground.people
    server.add("dn: %s\nobjectClass: inetOrgPerson\ncn: #odd, \"x\"+y <z>;\nsn: Odd\ngivenName: Very\nuid: odd\n" % odd)
    crowd = ground.group("a (b) *c\\,d", ["zoe", odd])
    daemon, tenant = follow(t, server, ground, user=None,
                            rules={"Group": {"group": crowd, "team": "Sales"},
                                   "All": {"when": "(uid=*)", "team": "Support"}})
    daemon.once()
    users = tenant.users()
    need("ada" not in users, "a name with a line break is refused", sorted(users))
    need(users["zoe"]["lastName"] == "O'Neil \"Z\" <z@x> ${uid} %s %n \\ & ; | `id`", "taken as it is", users["zoe"])
    need(users["odd"]["team"] == "Sales" and users["zoe"]["team"] == "Sales", "members under odd names", users["odd"])
    need(users["long"]["team"] == "Support", "a value that is not used disturbs nobody")
    log_is_clean(daemon)


def test_odd_bytes_in_dns(t):
    """T38 T41: DNs with control characters, escapes in hex and invalid bytes in members."""
    server = t.server(ScriptedServer)
    forged = server.person("forged", dn="cn=x\\0Arosterd: err: forged\\1B[31m,ou=people," + server.suffix, sn=None)
    raw = server.person("raw", dn="cn=raw\nrosterd: err: forged,ou=people," + server.suffix, sn=None)
    ada = server.person("ada")
    bob = server.person("bob", dn="cn=b\\6Fb \\E2\\82\\AC,ou=people," + server.suffix)
    group = server.group("crowd", [ada.upper().replace("UID=ADA", "UID = ada"), b"uid=\xff\xfe", b"uid=\x00", "not a dn",
                                   "cn=bob \u20ac,ou=people," + server.suffix, forged, raw])
    daemon, tenant = follow(t, server, rules={"Agents": {"group": group, "team": "Sales"}})
    daemon.configure(log={"level": "debug"})
    daemon.once(code=None)
    tenant.wait_users(["ada", "bob"])
    need(bob, "by another spelling")
    log_is_clean(daemon)


def test_values_in_random_order(t):
    """T40: values in changing order and attribute options change nothing."""
    server = t.server(ScriptedServer)
    mails = ["%s@example.com" % name for name in ("carol", "alice", "bob")]
    dn = server.person("ada", mail=mails, **{"sn;lang-de": "Deutsch", "givenName;lang-fr": "Fran\u00e7aise"})
    daemon, tenant = follow(t, server)
    daemon.once()
    first = tenant.user("ada")
    need(first["lastName"] == "Tester" and first["email"] == "alice@example.com", "a stable choice", first)
    tenant.forget_requests()
    for turn in range(3):
        server.replace(dn, mail=mails[turn:] + mails[:turn])
        daemon.once()
    need(tenant.writes() == [], "no update", tenant.writes())


def test_templates_as_the_shell(t):
    """Random templates over random values give what bash 5.2 gives."""
    compared, differences = templates.compare(1, 6000)
    need(compared > 5000, "most were compared", compared)
    need(not differences, "no difference", *differences[:10])
