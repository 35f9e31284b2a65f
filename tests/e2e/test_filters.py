"""Filters mean here what they mean on the server."""

from lib import Slapd, deadline, filters, need, wait_for


@deadline(120)
def test_filters_as_openldap(t):
    """Random filters over random entries: found, not found, undefined, as slapd says it."""
    server = t.server(Slapd)
    filters.install_schema(server)
    compared, differences = filters.compare(server, 1, 3, 400)
    need(compared > 20000, "verdicts were compared", compared)
    need(not differences, "no difference that is not in the list of wanted ones", *differences[:10])


def people(t, server, names, when, **sections):
    """A ground with these people, and a daemon whose only rule is for whom the filter takes."""
    ground = server.fresh()
    ground.persons(names)
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, ground, rules={"x": {"when": when, "team": "Customer Service"}},
                       lifecycle={"leave_grace": "0"}, **sections)
    return ground, tenant, daemon


def test_filter_on_a_superior_attribute(t):
    """(name=ana) finds her by givenName, which is a subtype (RFC 4512 2.5.1), as ldapsearch does."""
    server = t.shared(Slapd)
    ground, tenant, daemon = people(t, server, ["ana", "bob"], "(name=ana)")
    need([e.text("uid") for e in server.search("(name=ana)", base=ground.people)] == ["ana"], "slapd finds her")
    daemon.start()
    tenant.wait_user("ana", team="Customer Service")
    ground.replace("bob", title="Ana")
    tenant.wait_user("bob", team="Customer Service")
    need(sorted(tenant.users()) == ["ana", "bob"], "both, once it is his title", tenant.users())


def test_filter_that_the_schema_cannot_decide(t):
    """T8: an attribute that the server does not have makes the filter Undefined: check calls it an
    error, and at run time everybody whom it would decide about stays as he is."""
    ground, tenant, daemon = people(t, t.shared(Slapd), ["ana", "bob"], "(uid=*)")
    daemon.start()
    tenant.wait_users(["ana", "bob"])
    tenant.forget_requests()
    daemon.configure(rules={"x": {"when": "(!(sAMAccountName=x))", "team": "Customer Service"}})
    daemon.reload()
    daemon.wait_log("no attribute 'sAMAccountName'")
    ground.person("cid")
    ground.replace("bob", sn="Changed")
    for uid in ("ana", "bob", "cid"):
        wait_for(lambda: explained(daemon, uid).get("code") == "filter-undecided", 10, "%s is held" % uid,
                 lambda: explained(daemon, uid))
    need(tenant.writes() == [], "nobody is changed, created or disabled", tenant.writes())
    answer = daemon.run("--check-connections", code=None)
    errors = [item["sentence"] for item in answer.json["items"] if item["level"] == "error"]
    need(any("no attribute 'sAMAccountName'" in text for text in errors), "check names it", answer.out)
    need(any("can never match" in text for text in errors), "and what follows", answer.out)


def explained(daemon, uid):
    return daemon.ctl("explain", uid, "--json", code=None).json["people"][0]


def test_filter_that_never_matches(t):
    """A filter that can be true for nobody is an error before anything starts."""
    for section, key in (("scope", "when"), ("user", "disabled_when")):
        ground, tenant, daemon = people(t, t.shared(Slapd), [], "(uid=*)", **{section: {key: "(uidNumber=abc)"}})
        answer = daemon.check(code=2)
        need("can never match" in answer.err, "the check says so", answer.err)
    ground, tenant, daemon = people(t, t.shared(Slapd), [], "(&(cn=*)(|))")
    need("can never match" in daemon.check(code=2).err, "a rule's when too")


def test_check_of_a_misspelt_base(t):
    """A base that does not exist is named, before anything that follows from it."""
    server = t.shared(Slapd)
    ground, tenant, daemon = people(t, server, ["ana"], "(uid=*)")
    daemon.configure(directory={"base": "ou=peple," + ground.dn})
    answer = daemon.run("--check-connections", code=1)
    errors = [item for item in answer.json["items"] if item["level"] == "error"]
    need(len(errors) == 1 and errors[0]["subject"] == "[directory] base", "one error", errors)
    need("ou=peple" in errors[0]["sentence"] and "No such object" in errors[0]["sentence"], "it says what", errors)
    need(not any("synchronisation" in item["sentence"] for item in answer.json["items"]), "and nothing else", answer.out)
