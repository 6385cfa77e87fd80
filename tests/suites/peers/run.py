"""What a proxy does at the edges of HTTP: ours and others, in front of the same upstream, one row a behaviour.

Covers fields, framing, tunnels, streams, those who leave, and deadlines, by raw sockets on both sides. Judges ours
alone, and of the others tells what was seen. PEERS_MORE="name=command; …" puts more programs into the table, with
{listen} and {upstream} in the command for the two addresses.
"""

import contextlib
import os
import pathlib
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import deadlines
import fields
import framing
import leaving
import streams
import tunnels
from harness import Checks, Proxy
from proxies import PEERS, named_outside
from scripted.program import HOST, serves
from scripted.scene import Scene
from scripted.upstream import Upstream

ROWS = fields.ROWS + framing.ROWS + tunnels.ROWS + streams.ROWS + leaving.ROWS + deadlines.ROWS

checks = Checks()


def others(running, folder, upstream):
    """A name and a scene for each that can be had."""
    for peer in [*PEERS, *named_outside()]:
        if not peer.program():
            checks.skip(peer.name, "it is not on this machine")
            continue
        process, scene = peer.start(folder / peer.name, upstream)
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
