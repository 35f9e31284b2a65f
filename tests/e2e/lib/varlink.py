"""A small Varlink client, written from the specification (varlink.org): it stands for varlinkctl."""

import json
import re
import socket


class Refused(Exception):
    def __init__(self, error, parameters):
        super().__init__("%s %r" % (error, parameters))
        self.error, self.parameters = error, parameters


class Varlink:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.bytes = b""

    def send(self, method, parameters=None, **flags):
        message = dict({"method": method}, **flags)
        if parameters is not None:
            message["parameters"] = parameters
        self.socket.sendall(json.dumps(message).encode() + b"\0")

    def receive(self):
        while b"\0" not in self.bytes:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("the service closed the connection")
            self.bytes += more
        message, _, self.bytes = self.bytes.partition(b"\0")
        answer = json.loads(message)
        if "error" in answer:
            raise Refused(answer["error"], answer.get("parameters", {}))
        return answer.get("parameters", {})

    def call(self, method, parameters=None):
        self.send(method, parameters)
        return self.receive()


def members(text):
    """The names of a struct's members: what stands before a colon at its own level."""
    level, names, word = 0, [], ""
    for c in text:
        level += {"(": 1, ")": -1}.get(c, 0)
        if level == 0 and c == ":":
            names.append(word.strip())
        word = "" if level == 0 and c in ",:" else word + c
    return names


class Interface:
    """methods: name -> (names of parameters, names of members of the answer); errors: name -> names;
    optional: method -> the members of its answer that may be left out."""

    def __init__(self, description):
        text = re.sub(r"#.*", "", description)
        self.name = re.search(r"interface\s+([A-Za-z0-9.-]+)", text).group(1)
        self.methods, self.errors, self.optional = {}, {}, {}
        for chunk in re.split(r"\n(?=method |error |type )", text):
            method = re.match(r"method\s+(\w+)\s*\((.*)\)\s*->\s*\((.*)\)\s*$", chunk.strip(), re.S)
            error = re.match(r"error\s+(\w+)\s*\((.*)\)\s*$", chunk.strip(), re.S)
            if method:
                self.methods[method.group(1)] = (members(method.group(2)), members(method.group(3)))
                self.optional[method.group(1)] = set(re.findall(r"(\w+)\s*:\s*\?", method.group(3)))
            elif error:
                self.errors[error.group(1)] = members(error.group(2))
