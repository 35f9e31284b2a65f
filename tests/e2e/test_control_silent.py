"""Clients of the control socket that say nothing, or do not come to an end."""

import os
import socket
import time

from lib import deadline, life, need, wait_for
from lib.life import AGENTS, crowd, settled


def open_files(d):
    return len(os.listdir("/proc/%d/fd" % d.pid))


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


@deadline(120)
def test_message_that_does_not_end(t):
    """Whoever stops in the middle of a message, or goes on with it byte by byte, is left after half a minute; whoever asked before that, and is
    silent since, is not."""
    ground, group, tenant = crowd(t, ["ada"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    stopped, trickling, silent = (socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(3))
    for client in (stopped, trickling, silent):
        t.cleanup(client.close)
        client.connect(d.socket)
    stopped.sendall(b"{")
    begun = time.monotonic()
    trickling.settimeout(1)
    while True:  # each byte a second after the one before, until it is left
        try:
            trickling.sendall(b" ")
            if trickling.recv(1) == b"":
                break
        except socket.timeout:
            need(time.monotonic() - begun < 60, "it is left")
        except OSError:
            break
    stopped.settimeout(30)
    need(stopped.recv(1) == b"", "so is who stopped")
    silent.settimeout(0)
    try:
        need(silent.recv(1) != b"", "the silent one is left as well")
    except BlockingIOError:
        pass



@deadline(180)
def test_answers_that_are_hardly_read(t):
    """As many clients as there may be ask for a long answer and take a byte of it now and then: the next one is answered at
    once, however often, and none of them is kept for longer than a slow reader of such an answer needs."""
    ground, group, tenant = crowd(t, ["p%03d" % i for i in range(300)])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, sync={"mode": "observe"}).start()
    wait_for(lambda: len(life.operations(d, kind="create")) == 300, 30, "planned")
    size = len(d.ctl("plan", "--json", code=2).out)
    need(size > 400000, "a long answer", size)
    clients, few = [], open_files(d)
    for i in range(80):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        t.cleanup(client.close)
        client.connect(d.socket)
        client.settimeout(20)
        client.sendall(b'{"method":"org.rosterd.Plan"}\0')
        need(client.recv(1) == b"{", "it is answered")
        clients.append(client)
        if i >= 62:
            need(d.ctl("status", "--json", code=None).json["health"], "answered behind %d" % i)
    begun = time.monotonic()
    need(open_files(d) > few + 50, "they are kept", open_files(d), few)
    while open_files(d) > few + 5:
        need(time.monotonic() - begun < 30 + size / 131072 + 15, "none is kept for long", open_files(d), few)
        for client in clients:
            client.recv(1)
        time.sleep(1)
    need(time.monotonic() - begun > 20, "though for as long as one that is slow")
