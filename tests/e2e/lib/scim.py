"""A service of SCIM 2.0, strict, written from RFC 7643 and RFC 7644 and from nothing of rosterd: what they forbid is
refused, what they leave open is what a test asks for (see ScimService)."""

import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import base

CORE = "urn:ietf:params:scim:schemas:core:2.0:"
USER, GROUP = CORE + "User", CORE + "Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MESSAGES = "urn:ietf:params:scim:api:messages:2.0:"
# RFC 7643, 4.1 and 4.3: sub-attributes of what is complex, None for what is simple.
SCHEMA = {
    "userName": None, "displayName": None, "nickName": None, "title": None, "active": None, "password": None,
    "externalId": None, "name": {"formatted", "familyName", "givenName", "middleName"},
    "emails": {"value", "type", "primary", "display"}, "phoneNumbers": {"value", "type", "primary", "display"},
    ENTERPRISE: {"employeeNumber", "costCenter", "organization", "division", "department"},
}
READ_ONLY = {"id", "meta", "groups"}
MANY = {"emails", "phoneNumbers", "members"}


class Refusal(Exception):
    def __init__(self, status, kind=None, detail=""):
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail


def parse_path(path):
    """RFC 7644, 3.5.2: (attribute, (sub-attribute, value) of a filter or None, sub-attribute or None)."""
    if path.startswith(ENTERPRISE):
        rest = path[len(ENTERPRISE):]
        return ENTERPRISE, None, rest[1:] if rest.startswith(":") else None
    found = re.fullmatch(r'(\w+)(?:\[(\w+) eq ("(?:[^"\\]|\\.)*")\])?(?:\.(\w+))?', path)
    if not found:
        raise Refusal(400, "invalidPath", path)
    attribute, name, value, sub = found.groups()
    return attribute, (name, json.loads(value)) if name else None, sub


def check_value(attribute, sub, value, schema):
    if attribute in READ_ONLY:
        raise Refusal(400, "mutability", attribute + " is read-only")
    if attribute not in schema or (sub and sub not in (schema[attribute] or ())):
        raise Refusal(400, "invalidPath", "%s.%s" % (attribute, sub))
    if attribute == "active" and value is not None and not isinstance(value, bool):
        raise Refusal(400, "invalidValue", "active is a boolean")
    if attribute in MANY and not sub:
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, dict) or set(item) - schema[attribute]:
                raise Refusal(400, "invalidValue", "%s: %r" % (attribute, item))
    elif schema[attribute] and not sub and (not isinstance(value, dict) or set(value) - schema[attribute]):
        raise Refusal(400, "invalidValue", "%s: %r" % (attribute, value))
    elif attribute != "active" and (sub or schema[attribute] is None) and not isinstance(value, str):
        raise Refusal(400, "invalidValue", "%s: %r is no string" % (attribute, value))


def remove(resource, attribute, where, sub):
    if where:
        kept = [item for item in resource.get(attribute, []) if item.get(where[0]) != where[1]]
        resource[attribute] = kept
    elif sub:
        resource.get(attribute, {}).pop(sub, None)
    else:
        resource.pop(attribute, None)
    if not resource.get(attribute, True):
        resource.pop(attribute)


def put(resource, op, attribute, where, sub, value):
    if where:
        items = [item for item in resource.get(attribute, []) if item.get(where[0]) == where[1]]
        if not items:
            raise Refusal(400, "noTarget", "no %s has that %s" % (attribute, where[0]))
        for item in items:
            item.update({sub: value} if sub else value)
    elif sub:
        resource.setdefault(attribute, {})[sub] = value
    elif attribute in MANY and op == "add":
        there = resource.setdefault(attribute, [])
        for item in value if isinstance(value, list) else [value]:
            if item not in there:
                there.append(item)
    else:
        resource[attribute] = value


class ScimService:
    """.users and .groups are what it holds.  keeps: DELETE only disables.  shows_groups: a user is shown with its groups.
    page: most resources of one answer.  races: so many writes find that somebody was faster.  shifts: so many pages of a
    list are followed by a change of the order.  fails: statuses of the next answers, after the request was done.  busy: so
    many changes of groups are refused, since another one is under way.  whole: a group that was changed is shown, with
    all its members.  endless: a list says that it goes on, and shows its last page again.  odd: what the ids end in.
    mixed: the next answers to a create show somebody else.  nameless: so many groups of a user are shown without a name.
    path: where its endpoints lie; others of the same host are other organisations, of which this one knows nothing.
    inventive: each page of a list names users that were never there, and says that more follow.
    ids: what becomes of externalId: it is "kept", "lost", or no filter may name it ("unfiltered").  moves: so many users
    who were made with an answer that failed have another login before anybody reads them.  exact: a filter compares logins
    by case, though no two users have one that differs in nothing else.  stolen: so many creates fail
    and are not done, and somebody else makes the user instead."""

    client_id = "api.user"

    def __init__(self, groups=(), keeps=False, shows_groups=True, page=3):
        self.lock = threading.RLock()
        self.token, self.keeps, self.shows_groups, self.page = "t0ken-of-the-lab", keeps, shows_groups, page
        self.races, self.shifts, self.fails, self.number = 0, 0, [], 0
        self.busy, self.whole, self.endless, self.odd, self.mixed = 0, False, False, "", 0
        self.path = "/a/scim/v2"
        self.nameless, self.inventive, self.invented = 0, False, 0
        self.ids, self.moves, self.stolen = "kept", 0, 0
        self.exact = False
        self.users, self.groups, self.requests = {}, {}, []
        for name in groups:
            self.add_group(name)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def client(self):
        """What [tenant] of rosterd.conf needs."""
        return {"kind": "scim2", "scim_path": "/a/scim/v2", "url": self.url, "tls": "no", "client_id": self.client_id,
                "client_secret": self.token, "max_rate": 1000, "max_concurrent": 4}

    # --- what a test asks ---

    def user(self, login):
        with self.lock:
            for user in self.users.values():
                if user["userName"].lower() == login.lower():
                    return json.loads(json.dumps(self.shown(user)))
        return None

    def roles(self, login):
        user = self.user(login)
        with self.lock:
            return sorted(g["displayName"] for g in self.groups.values()
                          if any(m["value"] == user["id"] for m in g["members"]))

    def writes(self):
        with self.lock:
            return [r for r in self.requests if r[0] != "GET"]

    def add_group(self, name):
        with self.lock:
            return self.store(self.groups, {"schemas": [GROUP], "displayName": name, "members": []})

    def add_user(self, login, **more):
        with self.lock:
            return self.store(self.users, dict({"schemas": [USER], "userName": login, "active": True}, **more))

    def edit(self, login, **more):
        with self.lock:
            user = self.users[self.user(login)["id"]]
            user.update(more)
            self.touch(user)

    def join(self, login, group):
        """By hand."""
        with self.lock:
            next(g for g in self.groups.values() if g["displayName"] == group)["members"].append(
                {"value": self.user(login)["id"]})

    def wait(self, condition, what, seconds=20):
        base.wait_for(condition, seconds, what, lambda: (self.users, self.groups, self.requests[-12:]))

    # --- resources ---

    def store(self, table, resource):
        self.number += 1
        resource["id"] = "%x-%d%s" % (self.number * 2654435761 % 2**32, self.number, self.odd)
        resource["meta"] = {"resourceType": "User" if table is self.users else "Group", "version": 'W/"0"'}
        table[resource["id"]] = resource
        return resource

    def touch(self, resource):
        resource["meta"]["version"] = 'W/"%d"' % (int(re.sub(r"\D", "", resource["meta"]["version"])) + 1)

    def shown(self, resource, only=None):
        resource = {k: v for k, v in resource.items() if k != "password"}
        if USER in resource["schemas"] and self.shows_groups:
            groups = [{"value": g["id"], "display": g["displayName"], "type": "direct"} for g in self.groups.values()
                      if any(m["value"] == resource["id"] for m in g["members"])]
            for group in groups[:self.nameless]:
                del group["display"]    # RFC 7643, 4.1.2: it is optional
            if groups:
                resource["groups"] = groups
        return {k: v for k, v in resource.items() if not only or k in only | {"id", "schemas"}}

    def find_login(self, login, but=None):
        return [u for u in self.users.values() if u["userName"].lower() == login.lower() and u is not but]

    def create(self, table, body):
        if table is not self.users:
            raise Refusal(501)
        if USER not in body.get("schemas", ()):
            raise Refusal(400, "invalidSyntax", "schemas lacks " + USER)
        if ENTERPRISE in body and ENTERPRISE not in body["schemas"]:
            raise Refusal(400, "invalidSyntax", "schemas lacks " + ENTERPRISE)
        for name, value in body.items():
            if name != "schemas":
                check_value(name, None, value, SCHEMA)
        if not body.get("userName"):
            raise Refusal(400, "invalidValue", "userName is required")
        if self.find_login(body["userName"]):
            raise Refusal(409, "uniqueness", "userName is taken")
        if self.stolen or self.ids == "lost":
            body = {k: v for k, v in body.items() if k != "externalId"}
        made = self.store(table, dict({"active": True}, **body))
        if self.stolen:
            self.stolen -= 1
            raise Refusal(500)
        if self.mixed:
            self.mixed, made = self.mixed - 1, next(iter(table.values()))
        return 201, self.shown(made)

    def patch(self, table, resource, body, condition):
        if self.races and table is self.users:
            self.races -= 1
            self.touch(resource)
        if self.busy and table is self.groups:
            self.busy -= 1
            raise Refusal(409, None, "the group is being changed")
        if condition and condition != resource["meta"]["version"]:
            raise Refusal(412, None, "the resource has changed")
        if body.get("schemas") != [MESSAGES + "PatchOp"] or not body.get("Operations"):
            raise Refusal(400, "invalidSyntax", "no PatchOp")
        schema = SCHEMA if table is self.users else {"displayName": None, "members": {"value", "display", "type", "$ref"}}
        after = json.loads(json.dumps(resource))
        for operation in body["Operations"]:
            op, path = operation["op"].lower(), operation.get("path")
            if op not in ("add", "replace", "remove") or not path:
                raise Refusal(400, "noTarget" if op == "remove" else "invalidSyntax", repr(operation))
            attribute, where, sub = parse_path(path)
            if attribute not in schema or attribute in READ_ONLY:
                check_value(attribute, sub, None, schema)
            if op == "remove":
                remove(after, attribute, where, sub)
                continue
            if not where or sub:
                check_value(attribute, sub, operation.get("value"), schema)
            put(after, op, attribute, where, sub, operation["value"])
        if table is self.users and self.find_login(after["userName"], but=resource):
            raise Refusal(409, "uniqueness", "userName is taken")
        for member in after.get("members", ()):
            if member["value"] not in self.users:
                raise Refusal(400, "invalidValue", "no such member")
        if table is self.groups:
            after.setdefault("members", [])
        resource.clear()
        resource.update(after)
        self.touch(resource)
        return (200, self.shown(resource)) if table is self.users or self.whole else (204, None)

    def delete(self, table, resource):
        if self.keeps:
            resource["active"] = False
            self.touch(resource)
        else:
            del table[resource["id"]]
            for group in self.groups.values():
                group["members"] = [m for m in group["members"] if m["value"] != resource["id"]]
        return 204, None

    def list(self, table, query):
        rows = list(table.values())
        if "filter" in query:
            found = re.fullmatch(r'(userName|displayName|externalId) eq ("(?:[^"\\]|\\.)*")', query["filter"])
            ours = found and found.group(1) == "externalId"
            if not found or (ours and self.ids == "unfiltered"):
                raise Refusal(400, "invalidFilter", query["filter"])
            if ours and self.ids == "forbidden":
                raise Refusal(403, "", "externalId")
            name, value = found.group(1), json.loads(found.group(2))
            exact = name == "externalId" or self.exact  # RFC 7643, 3.1: caseExact
            rows = [r for r in rows if r.get(name) == value or
                    (not exact and r.get(name, "").lower() == value.lower())]
        start = max(int(query.get("startIndex", 1)), 1)
        count = min(max(int(query.get("count", self.page)), 0), self.page)
        page = rows[start - 1:start - 1 + count]
        if self.endless and "filter" not in query:
            page = page or rows[-count:]
            rows = rows + [None] * 10**6
        if self.shifts and "filter" not in query and page:
            self.shifts -= 1
            table[page[0]["id"]] = table.pop(page[0]["id"])  # to the end
        if self.inventive and "filter" not in query and table is self.users:
            names = ["invented%d" % n for n in range(self.invented, self.invented + count * 1000)]
            self.invented += len(names)
            return 200, {"schemas": [MESSAGES + "ListResponse"], "totalResults": 10**9, "startIndex": start,
                         "itemsPerPage": len(names), "Resources": [{"id": n, "userName": n} for n in names]}
        only = set(query["attributes"].split(",")) if "attributes" in query else None
        return 200, {"schemas": [MESSAGES + "ListResponse"], "totalResults": len(rows), "startIndex": start,
                     "itemsPerPage": len(page), "Resources": [self.shown(r, only) for r in page]}

    # --- HTTP ---

    def answer(self, method, target, headers, body):
        if headers.get("Authorization") != "Bearer " + self.token:
            raise Refusal(401)
        parts = urllib.parse.urlsplit(target)
        found = re.fullmatch(re.escape(self.path) + "/(Users|Groups)(?:/([^/]+))?", parts.path)
        if not found:
            raise Refusal(404, None, "no such endpoint")
        table = self.users if found.group(1) == "Users" else self.groups
        if body is not None and headers.get("Content-Type") != "application/scim+json":
            raise Refusal(415)
        document = json.loads(body) if body else None
        if not found.group(2):
            query = dict(urllib.parse.parse_qsl(parts.query))
            if method not in ("GET", "POST"):
                raise Refusal(405)
            return self.list(table, query) if method == "GET" else self.create(table, document)
        resource = table.get(urllib.parse.unquote(found.group(2)))
        if resource is None:
            raise Refusal(404, None, "no such resource")
        if method == "GET":
            return 200, self.shown(resource)
        if method == "PATCH":
            return self.patch(table, resource, document, headers.get("If-Match"))
        if method == "DELETE":
            return self.delete(table, resource)
        raise Refusal(405)

    def handler(service):  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size) if size else None
                with service.lock:
                    try:
                        status, document = service.answer(self.command, self.path, self.headers, body)
                    except Refusal as no:
                        status = no.status
                        document = {"schemas": [MESSAGES + "Error"], "status": str(no.status), "detail": no.detail}
                        if no.kind:
                            document["scimType"] = no.kind
                    service.requests.append((self.command, self.path, body and body.decode(), status))
                    if service.fails and self.command != "GET":
                        if service.moves and self.command == "POST" and status == 201:
                            service.moves -= 1
                            service.edit(document["userName"], userName="moved." + document["userName"])
                        status, document = service.fails.pop(0), None
                text = json.dumps(document).encode() if document is not None else b""
                self.send_response(status)
                if text:
                    self.send_header("Content-Type", "application/scim+json")
                if status != 204:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_DELETE = do
        return Handler
