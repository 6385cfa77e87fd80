"""What a proxy does at the edges of HTTP: ours and others, in front of the same upstream, one row a behaviour.

Covers fields, framing, tunnels, streams, those who leave, and deadlines, by raw sockets on both sides. Judges ours
alone, and of the others tells what was seen. PEERS_MORE="name=command; …" puts more programs into the table, with
{listen} and {upstream} in the command for the two addresses.
"""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import deadlines
import fields
import framing
import leaving
import streams
import tunnels
from harness import Checks, Process, Proxy, free_port
from proxies import PEERS, named_outside
from scene import Scene
from upstream import Upstream
from wire import Ended

ROWS = fields.ROWS + framing.ROWS + tunnels.ROWS + streams.ROWS + leaving.ROWS + deadlines.ROWS
HOST = "127.0.0.1"

checks = Checks()


def start(peer, folder, upstream):
    """The program, and where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    port, port2 = free_port(), free_port()
    file = folder / "configuration.yml"
    values = {"folder": folder, "file": file, "host": HOST, "port": port, "port2": port2, "upstream": upstream.address}
    values |= {"listen": f"{HOST}:{port}", "http2": f"{HOST}:{port2}", "upstream_port": upstream.port}
    file.write_text(peer.configuration.format(**values))
    # What some write into a home goes there.
    environment = {"HOME": folder, "PATH": "/usr/bin:/bin", "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
    environment |= peer.environment
    process = Process(*peer.words(values), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process, Scene((HOST, port), (HOST, port2 if peer.has_another_port() else port), upstream)


def serves(scene, seconds=20):
    """Waits for it: some listen before they know of their upstream."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, Ended):
            if scene.is_ready():
                return True
        time.sleep(0.1)
    return False


def others(running, folder, upstream):
    """A name and a scene for each that can be had."""
    for peer in [*PEERS, *named_outside()]:
        if not peer.program():
            checks.skip(peer.name, "it is not on this machine")
            continue
        process, scene = start(peer, folder / peer.name, upstream)
        running.enter_context(process)
        if serves(scene):
            yield peer.name + peer.version(), scene
        else:
            checks.skip(peer.name, "it does not serve with what it is told here")


def judged(row, cell):
    passed = re.fullmatch(row.wanted, cell) is not None
    checks.check(row.name, passed, cell if passed else f"{cell}, not {row.wanted}")
    return cell if passed else f"**FAILED**: {cell}"


def line(*cells):
    print("|", " | ".join(cell.replace("|", "\\|") for cell in cells), "|", flush=True)


def main(folder):
    # Packages of Python's put programs there.
    os.environ["PATH"] += f":{folder / 'bin'}"
    upstream = Upstream()
    with contextlib.ExitStack() as running:
        ours = running.enter_context(Proxy(upstream.address, "--upgrade", "websocket"))
        address = (HOST, ours.port)
        columns = {"deadline-proxy": Scene(address, address, upstream), **dict(others(running, folder, upstream))}
        # Each at its own pace: they spend their time waiting.
        with ThreadPoolExecutor(len(columns)) as pool:
            own, *rest = pool.map(lambda scene: [scene.cell(row) for row in ROWS], columns.values())
    own = [judged(row, cell) for row, cell in zip(ROWS, own)]
    line("", *columns)
    line(*["---"] * (1 + len(columns)))
    for row, *cells in zip(ROWS, own, *rest):
        line(row.name, *cells)
    checks.exit()


main(pathlib.Path(sys.argv[1]).resolve())
