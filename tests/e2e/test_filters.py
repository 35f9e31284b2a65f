"""Filters mean here what they mean on the server."""

from lib import Slapd, deadline, filters, need


@deadline(120)
def test_filters_as_openldap(t):
    """Random filters over random entries: found, not found, undefined, as slapd says it."""
    server = t.server(Slapd)
    filters.install_schema(server)
    compared, differences = filters.compare(server, 1, 3, 400)
    need(compared > 20000, "verdicts were compared", compared)
    need(not differences, "no difference that is not in the list of wanted ones", *differences[:10])
