"""What an idle connection costs: resident memory of the program, of nginx and of HAProxy, in one run.

Covers ten thousand connections that have asked once and are kept open, and the same after each of them has asked for
more at the same time as many others. All stand in front of the same upstream, with a process or a thread for each
core. Does not cover connections that are busy.
"""

import pathlib
import resource
import shutil
import socket
import subprocess
import sys
import time

from harness import Checks, Process, Proxy, free_port, wait_for_port
from peers import HAPROXY, NGINX

WANTED = 10_000
# How many ask at the same time in the burst, how often, and for how much.
AT_ONCE, TIMES, SIZE = 500, 4, 16_384
# In bytes a connection: twice what the program was seen to need, so that a leak shows and noise does not.
AT_MOST, AT_MOST_AFTER = 25_000, 40_000

checks = Checks()


def resident(process):
    """Of a process and its children, in bytes. What they share with one another is counted once."""
    total, waiting = 0, [process]
    while waiting:
        each = waiting.pop()
        text = pathlib.Path(f"/proc/{each}/smaps_rollup").read_text()
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024
        waiting += map(int, pathlib.Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return total


def settled(process):
    """The memory once it no longer changes: what is freed may be given back a little later."""
    before = resident(process)
    for _ in range(10):
        time.sleep(0.5)
        now = resident(process)
        if abs(now - before) < 100_000:
            break
        before = now
    return now


def ask(connection, size):
    connection.sendall(f"GET /{size} HTTP/1.1\r\nHost: a\r\n\r\n".encode())


def take(connection):
    """Reads one answer."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = connection.recv(65_536)
        if not part:
            raise RuntimeError("a connection was closed")
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    missing = int(fields[b"content-length"]) - len(body)
    while missing:
        missing -= len(connection.recv(missing))
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"answered {head[:40]!r}")


def connect(port, count):
    connections = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), 30)
        ask(connection, 128)
        take(connection)
        connections.append(connection)
    return connections


def burst(connections):
    for _ in range(TIMES):
        for at in range(0, len(connections), AT_ONCE):
            some = connections[at : at + AT_ONCE]
            for connection in some:
                ask(connection, SIZE)
            for connection in some:
                take(connection)


def open_still(connections):
    count = 0
    for connection in connections:
        connection.setblocking(False)
        try:
            count += bool(connection.recv(1))
        except BlockingIOError:
            count += 1
    return count


def measure(name, process, port, count, bounds=None):
    """The two figures of one proxy, which has to keep to the bounds where there are any."""
    # Buffers and threads that the first requests make are nobody's connection.
    warm = connect(port, 64)
    burst(warm)
    for connection in warm:
        connection.close()
    before = settled(process)
    connections = connect(port, count)
    idle = settled(process) - before
    burst(connections)
    after = settled(process) - before
    still = open_still(connections)
    for connection in connections:
        connection.close()
    gone = settled(process)
    each, each_after = idle / count, after / count
    figures = f"{each / 1024:.1f} KiB each idle, {each_after / 1024:.1f} KiB after a burst, {still} of {count} open"
    kept = bounds is None or (each <= bounds[0] and each_after <= bounds[1])
    figures += f"; {before / 2**20:.1f} MiB before them, {gone / 2**20:.1f} MiB after"
    checks.check(name, kept and still == count, figures)


def ours(upstream, count):
    with Proxy(upstream) as proxy:
        measure("deadline-proxy", proxy.process.pid, proxy.port, count, (AT_MOST, AT_MOST_AFTER))


def peer(program, template, arguments, folder, upstream, count):
    if not shutil.which(program):
        checks.skip(program, "it is not on this machine")
        return
    port, described = free_port(), folder / f"{program}.conf"
    values = {"folder": folder, "port": port, "upstream": upstream}
    described.write_text(template.format(**values, files=2 * count, connections=count + 200))
    with Process(program, *arguments, described) as started:
        wait_for_port(port)
        measure(program, started.process.pid, port, count)


def room():
    """How many connections this machine lets a process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # As many again, for the side of the upstream, and a few of its own.
    return min(WANTED, (most - 1000) if most != resource.RLIM_INFINITY else WANTED)


def main(folder):
    count = room()
    if count < WANTED:
        checks.skip(f"{WANTED} connections", f"a process may have no more than {count} here")
    server = pathlib.Path(__file__).with_name("upstream.py")
    with Process(sys.executable, server, stdout=subprocess.PIPE, text=True) as serving:
        upstream = f"127.0.0.1:{int(serving.process.stdout.readline())}"
        with checks.no_error("deadline-proxy"):
            ours(upstream, count)
        with checks.no_error("nginx"):
            peer("nginx", NGINX, ["-p", folder, "-c"], folder, upstream, count)
        with checks.no_error("haproxy"):
            peer("haproxy", HAPROXY, ["-q", "-db", "-f"], folder, upstream, count)
    checks.exit()


main(pathlib.Path(sys.argv[1]).resolve())
