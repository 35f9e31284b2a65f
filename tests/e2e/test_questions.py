"""Questions to rosterd while everything changes: each answer is of one moment, says what was done before it, and in the end
what the state file says."""

import json
import random
import threading
import time

from lib import life, need, wait_for
from lib.life import AGENTS, PARKED, crowd, settled
from lib.varlink import Refused, Varlink


class Asker(threading.Thread):
    """Asks in random order; what does not fit together within one answer is a fault."""

    def __init__(self, socket, seed):
        super().__init__(daemon=True)
        self.socket, self.chance = socket, random.Random(seed)
        self.ended, self.faults, self.n = threading.Event(), [], 0
        self.start()

    def run(self):
        client, last = Varlink(self.socket), 0
        while not self.ended.is_set():
            method = self.chance.choice(["Status", "Status", "Plan", "Holds", "Explain"])
            if self.chance.random() < 0.1:  # a client that does not wait for its answer
                impatient = Varlink(self.socket)
                impatient.send("org.rosterd." + method, {})
                impatient.socket.close()
                continue
            try:
                answer = client.call("org.rosterd." + method, {"person": "p01"} if method == "Explain" else {})
            except Refused as e:
                self.faults.append(str(e))
                continue
            self.n += 1
            if method == "Status":
                self.check_status(answer, last)
                last = answer["audit"]["last_seq"]
            elif method == "Plan":
                logins = {(o["number"], o["kind"]) for o in answer["operations"]}
                if len(logins) != len(answer["operations"]) or sum(answer["summary"].values()) != len(logins):
                    self.faults.append(answer)

    def check_status(self, s, last):
        queue = s["queue"]
        parts = {state: sum(kind[state] for kind in queue["by_kind"].values()) for state in ("ready", "parked", "held", "started")}
        ready = queue["ready"] + queue["waiting"]
        fits = (parts["ready"] == ready == sum(queue["by_lane"].values()) and parts["parked"] == queue["parked"]
                and parts["held"] == queue["held"] and s["audit"]["last_seq"] >= last)
        if not fits:
            self.faults.append(s)


def change(ground, crew, sales, chance, n):
    """Something happens in the directory."""
    uid = "p%02d" % chance.randrange(30)
    what = chance.randrange(4)
    if what == 0:
        ground.persons(["new%03d" % n])
        ground.join(crew, "new%03d" % n)
    elif what == 1:
        ground.replace(uid, sn="Changed%d" % n)
    elif what == 2:
        ground.server.modify("dn: %s\nchangetype: modify\nreplace: member\n%s\n" % (sales, "".join(
            "member: %s\n" % ground.member_dn("p%02d" % i) for i in chance.sample(range(30), 12))))
    else:
        ground.server.modify("dn: %s\nchangetype: modify\nadd: member\nmember: uid=nobody%d,%s\n\n" % (crew, n, ground.people))


def check_own_words(client):
    """What was said is in the next answer, whoever else asks. Whether a plan was approved."""
    for method, paused in (("Pause", True), ("Resume", False)):
        client.call("org.rosterd." + method, {})
        need(client.call("org.rosterd.Status", {})["paused"] is paused, "the pause is known at once")
    plan = client.call("org.rosterd.Plan", {})
    waits = {o["number"] for o in plan["operations"] if o["state"] == "parked"}
    if not waits:
        return 0
    both = [{"method": "org.rosterd.Approve", "parameters": {"hash": plan["hash"]}}, {"method": "org.rosterd.Plan"}]
    client.socket.sendall(b"".join(json.dumps(message).encode() + b"\0" for message in both))  # nothing happens in between
    try:
        client.receive()
    except Refused as e:  # the plan changed in between
        need("StaleHash" in str(e), "a plan that is another one by now", str(e))
        client.receive()
        return 0
    left = {o["number"] for o in client.receive()["operations"] if o["state"] == "parked"}
    need(not waits & left, "what was approved waits no more", (waits, left))
    return 1


def by_hand(d, ground):
    """What the directory and the state file say, read by other programs' hands."""
    there = [len(ground.server.search("(objectClass=%s)" % name, ["1.1"], base=ground.dn)) for name in ("inetOrgPerson", "groupOfNames")]
    return there + list(d.state_query(
        "SELECT (SELECT count(*) FROM members WHERE key NOT IN (SELECT dn_key FROM entries WHERE gone_usec = 0)),"
        " (SELECT count(*) FROM link WHERE status = LINK_ACTIVE), (SELECT count(*) FROM operation), (SELECT max(seq) FROM trail)")[0])


def test_random_questions(t):
    """T53: status, plan, holds and explain from three clients while people come, change and move, and a person pauses, approves."""
    chance = random.Random(7)
    ground, crew, tenant = crowd(t, ["p%02d" % i for i in range(30)])
    sales = life.group(ground, "sales")
    rules = {"Sales": {"group": sales, "team": "Sales"}, "Agents": dict(AGENTS, group=crew)}
    d = life.daemon(t, ground, tenant, rules, guard={"max_team_change": "2"}, tenant_keys={"max_rate": "0"}).start()
    tenant.wait_users(["p%02d" % i for i in range(30)])
    askers = [Asker(d.socket, seed) for seed in range(3)]
    client, begun, n = Varlink(d.socket), time.monotonic(), 0
    while n < 16 or time.monotonic() - begun < 3:
        change(ground, crew, sales, chance, n)
        if n % 4 == 3:
            check_own_words(client)
        n += 1
    for asker in askers:
        asker.ended.set()
        asker.join(20)
        need(not asker.is_alive() and not asker.faults and asker.n > 10, "every answer is of one moment", asker.faults[:1], asker.n)
    settled(d)
    ground.server.modify("dn: %s\nchangetype: modify\nreplace: member\n%s\n" % (sales, "".join(
        "member: %s\n" % ground.member_dn("p%02d" % i) for i in range(n % 2, 30, 2))))
    wait_for(lambda: life.operations(d, state=PARKED), 20, "moves that wait")
    settled(d)
    need(check_own_words(client), "a plan is approved while nobody else asks")
    settled(d)
    status, plan = client.call("org.rosterd.Status", {}), client.call("org.rosterd.Plan", {})
    people, groups, unresolved, linked, operations, seq = by_hand(d, ground)
    told = status["directory"]
    need((told["people"], told["groups"], told["members_unresolved"]) == (people, groups, unresolved), "entries", told,
         (people, groups, unresolved))
    need(status["tenant"]["users_linked"] == linked, "links", status["tenant"], linked)
    need(len(plan["operations"]) == operations and status["audit"]["last_seq"] == seq, "operations and lines", plan, operations, seq)
    need({o["login"] for o in life.operations(d, state=PARKED)}
         == {o["person"]["login"] for o in plan["operations"] if o["state"] == "parked"}, "who waits for approval", plan)
    wait_for(lambda: client.call("org.rosterd.Status", {})["queue"]["ready"] == 0, 10, "all is done")
    d.stop()


def test_stops_with_questions(t):
    """rosterd ends while it is asked: nobody waits for an answer for ever, and the state file is left in good order."""
    ground, crew, tenant = crowd(t, ["p%02d" % i for i in range(5)])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=crew)}).start()
    tenant.wait_users(["p%02d" % i for i in range(5)])
    clients = [Varlink(d.socket) for _ in range(12)]
    for client in clients:
        for _ in range(3):
            client.send("org.rosterd.Plan", {})
    d.stop()
    for client in clients:
        try:
            while True:
                client.receive()
        except (EOFError, OSError, Refused):
            pass
    d.start().stop()
