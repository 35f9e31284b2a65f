"""A terminal to run programs in: real rows and columns, keys, and what stands on the screen."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

from . import base

# Movements, colours and modes of the terminal; what a person does not read.
CONTROLS = re.compile(r"\x1b\[[0-9;?>=]*[A-Za-z@]|\x1b[()][A-Z0-9]|\x1b[=>78]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\r|\x07|\x0f")


class Terminal:
    def __init__(self, command, env, columns=80, rows=24, cwd=None):
        self.raw = ""
        self.code = None
        self._decode = codecs.getincrementaldecoder("utf-8")("replace")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                if cwd:
                    os.chdir(cwd)
                os.execvpe(command[0], command, env)
            finally:
                os._exit(127)
        base.register(self.pid)

    @property
    def text(self):
        return CONTROLS.sub("", self.raw)

    def send(self, keys):
        os.write(self.fd, keys.encode())

    def _read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            data = b""
        self.raw += self._decode.decode(data)
        return bool(data)

    def wait(self, pattern, seconds=20):
        """Until the pattern is on the screen."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            base.need(time.monotonic() < end and self._read(0.2), "the terminal shows %r" % pattern, self.text[-3000:])
        return self.text

    def forget(self):
        self.raw = ""

    def end(self, seconds=20):
        """Until the program ended; its exit code."""
        end = time.monotonic() + seconds
        while self._read(0.2):
            base.need(time.monotonic() < end, "the program ends", self.text[-3000:])
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.fd)
        return self.code

    def close(self):
        if self.code is None:
            os.close(self.fd)
            os.kill(self.pid, 9)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
