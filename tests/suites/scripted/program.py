"""A proxy as a program: how it is started, and where it is then."""

import contextlib
import re
import shutil
import subprocess
import time
from typing import NamedTuple

from harness import Process, free_port
from scripted.scene import Scene
from scripted.wire import Ended

HOST = "127.0.0.1"


class Peer(NamedTuple):
    name: str
    # A command line, with words of its own for what the configuration has too, and for where that is: {file}.
    command: str
    asked: str = ""
    configuration: str = ""
    environment: dict = {}

    def program(self):
        return shutil.which(self.command.split()[0])

    def version(self):
        """As it says itself."""
        if not self.asked:
            return ""
        said = subprocess.run([self.program(), self.asked], capture_output=True, text=True, timeout=20)
        found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
        return f" {found[0]}" if found else ""

    def has_another_port(self):
        """For HTTP/2 without TLS."""
        told = self.command + self.configuration
        return "{http2}" in told or "{port2}" in told

    def words(self, values):
        words = [word.format(**values) for word in self.command.split()]
        return [self.program(), *words[1:]]

    def start(self, folder, upstream, more=None):
        """The process, and the scene that it makes. `more` are words of a suite's own for the configuration."""
        folder.mkdir(parents=True, exist_ok=True)
        port, port2 = free_port(), free_port()
        file = folder / "configuration.yml"
        values = {"folder": folder, "file": file, "host": HOST, "port": port, "port2": port2}
        values |= {"upstream": upstream.address, "upstream_port": upstream.port, **(more or {})}
        values |= {"listen": f"{HOST}:{port}", "http2": f"{HOST}:{port2}"}
        file.write_text(self.configuration.format(**values))
        # What some write into a home goes there.
        environment = {"HOME": folder, "PATH": "/usr/bin:/bin", "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
        environment |= self.environment
        process = Process(*self.words(values), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return process, Scene((HOST, port), (HOST, port2 if self.has_another_port() else port), upstream)


def serves(scene, seconds=20):
    """Waits for it: some listen before they know of their upstream."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, Ended):
            if scene.is_ready():
                return True
        time.sleep(0.1)
    return False
