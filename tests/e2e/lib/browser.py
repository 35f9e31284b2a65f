"""Chromium as a reader, a keyboard and a screen reader have it: over its own protocol (CDP) through two pipes."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

from .base import Failure, Missing, register

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--remote-debugging-pipe"]


class Browser:
    """One page. Use as a context; what is asked waits for its answer, at most `seconds`."""

    def __init__(self, t, seconds=60):
        if not shutil.which("chromium"):
            raise Missing("chromium is not installed")
        self.seconds, self.number, self.buffer, self.session, self.seen = seconds, 0, b"", None, []
        to_read, self.to = os.pipe()
        self.of, to_write = os.pipe()
        folder = t.path("browser-%d" % self.to)
        with open(folder + ".log", "wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", 'exec "$@" 3<&%d 4>&%d' % (to_read, to_write), "sh", "chromium", *ARGUMENTS,
                 "--user-data-dir=" + folder],
                pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=t.folder,
                env={**os.environ, "HOME": t.folder})
        register(self.process.pid)
        os.close(to_read)
        os.close(to_write)
        t.cleanup(self.close)
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Accessibility", "DOM", "Log", "Network"):
            self.ask(domain + ".enable")

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            os.close(self.to)
            os.close(self.of)
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def message(self, until):
        while b"\0" not in self.buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.of], [], [], left)[0]:
                raise Failure("the browser does not answer within %d s" % self.seconds)
            data = os.read(self.of, 1 << 20)
            if not data:
                raise Failure("the browser ended")
            self.buffer += data
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def ask(self, method, **parameters):
        self.number += 1
        text = {"id": self.number, "method": method, "params": parameters, **({"sessionId": self.session} if self.session else {})}
        data, until = json.dumps(text).encode() + b"\0", time.monotonic() + self.seconds
        while data:
            data = data[os.write(self.to, data):]
        while True:
            answer = self.message(until)
            if answer.get("id") != self.number:
                self.seen.append(answer)
                continue
            if "error" in answer:
                raise Failure("%s: %s" % (method, answer["error"]))
            return answer["result"]

    def open(self, path):
        """Loads the file; afterwards `requests()` is all that was asked for."""
        self.seen = []
        self.ask("Page.navigate", url="file://" + path)
        until = time.monotonic() + self.seconds
        while not any(one.get("method") == "Page.loadEventFired" for one in self.seen):
            self.seen.append(self.message(until))

    def requests(self):
        return [one["params"]["request"]["url"] for one in self.seen if one.get("method") == "Network.requestWillBeSent"]

    def complaints(self):
        return [one["params"]["entry"]["text"] for one in self.seen if one.get("method") == "Log.entryAdded"]

    def value(self, expression):
        """Of an expression in the page, as JSON."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise Failure("%s: %s" % (expression, answer["exceptionDetails"]))
        return answer["result"].get("value")

    def view(self, width=1200, height=900, scheme="light", media="screen"):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path, height=12000, top=0):
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": top, "width": size["width"], "height": min(size["height"], height), "scale": 1}
        with open(path, "wb") as out:
            out.write(base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]))

    def print(self, path):
        """As on paper, with the page's own rules for that."""
        self.ask("Emulation.setEmulatedMedia", media="", features=[])
        with open(path, "wb") as out:
            out.write(base64.b64decode(self.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]))

    def tab(self, back=False):
        """The key; what has the focus then: a name for people, of the kind "a#joiners"."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9, modifiers=8 if back else 0)
        return self.value("(() => { const e = document.activeElement; return e.tagName.toLowerCase() + "
                          "(e.getAttribute('href') || ''); })()")

    def key(self, name, code):
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code,
                     **({"text": "\r"} if name == "Enter" and kind == "keyDown" else {}))

    def tree(self):
        """What a screen reader is told: (role, name, {property: value}) in its order, without what is ignored."""
        nodes = {node["nodeId"]: node for node in self.ask("Accessibility.getFullAXTree")["nodes"]}
        order, waiting = [], [node_id for node_id, node in nodes.items() if "parentId" not in node]
        while waiting:
            node = nodes[waiting.pop(0)]
            waiting[:0] = [child for child in node.get("childIds", ()) if child in nodes]
            if not node.get("ignored"):
                order.append((node["role"]["value"], node.get("name", {}).get("value", ""),
                              {one["name"]: one["value"].get("value") for one in node.get("properties", ())}))
        return order
