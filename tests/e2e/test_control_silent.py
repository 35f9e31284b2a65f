"""Clients of the control socket that say nothing."""

import os
import socket

from lib import life, need
from lib.life import AGENTS, crowd, settled


def test_silent_clients(t):
    """However many clients connect and stay silent, or stop in the middle of a message, the next one is answered."""
    ground, group, tenant = crowd(t, ["ada"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_user("ada")
    settled(d)
    clients = []
    for i in range(200):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        t.cleanup(client.close)
        client.connect(d.socket)
        clients.append(client)
        if i % 40 == 39:
            answer = d.ctl("status", "--json", code=None)
            need(answer.json.get("health") == "ok", "answered behind %d silent ones" % i, answer.json)
    for _ in range(3):  # as many as there may be, and more
        for _ in range(100):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            t.cleanup(client.close)
            client.connect(d.socket)
            client.sendall(b"{")
        need(d.ctl("status", "--json", code=None).json["health"] == "ok", "answered")
        need(len(os.listdir("/proc/%d/fd" % d.pid)) < 130, "and no more than 64 are kept", len(os.listdir("/proc/%d/fd" % d.pid)))
    settled(d)
