"""The variants: one file for each of them, which differ by what is told of a request, and by nothing else."""

import contextlib
import os
import subprocess

from harness import Process, free_port, wait_for_port

BASE = """
workers = 1
admin = "127.0.0.1:0"
{top}
[[listener]]
address = "127.0.0.1:{port}"
[upstream.target]
targets = "http://{target}"
[policy.default]
timeout = "10s"
{policy}
{tables}
"""

# By name: what stands at the top, in the policy, and in tables of its own.
TOLD = {
    "the access log": ("", "", '[access_log]\nrequests = "full"\nformat = "json"\noutput = "{folder}/access.log"\n'),
    "traces": ("", "", '[traces]\nendpoint = "http://127.0.0.1:{sink}"\nprotocol = "http"\nsample = 1.0\n'),
    "the ledger": ("", 'ledger = "public"', ""),
    "what was stopped last": ("expired = 50", "", ""),
}
# What is there unless it is switched off.
WITHOUT = {"what was stopped last": ("expired = 0", "", "")}
OFF, ON, BEFORE = "nothing", "everything", "the build before"


def joined(*keys):
    return tuple("\n".join(parts) for parts in zip(*keys))


class Variants:
    """Those of one build. A key that it does not know is in none of its files."""

    def __init__(self, folder, target, sink):
        self.folder, self.values = folder, {"folder": folder, "target": target, "sink": sink}

    def all(self, checks):
        """The first is what the others are compared with."""
        told = {name: keys for name, keys in TOLD.items() if self._knows(name, keys, checks)}
        off = {name: keys for name, keys in WITHOUT.items() if name in told}

        def of(*names):
            return [keys for name, keys in told.items() if name in names], [
                keys for name, keys in off.items() if name not in names
            ]

        nothing = ("", "", "")
        made = {OFF: of(), **{name: of(name) for name in told}, ON: of(*told)}
        found = [self._variant(name, joined(nothing, *on, *off)) for name, (on, off) in made.items()]
        if "DEADLINE_PROXY_BEFORE" in os.environ:
            before = self._variant(BEFORE, nothing)
            before.program = os.environ["DEADLINE_PROXY_BEFORE"]
            found.insert(1, before)
        return found

    def _variant(self, name, keys):
        return Variant(name, self.folder, keys, self.values)

    def _knows(self, name, keys, checks):
        variant = self._variant(name, keys)
        said = subprocess.run([variant.program, "check", "--config", variant.file], capture_output=True, text=True)
        if said.returncode:
            checks.skip(name, said.stdout + said.stderr)
        return not said.returncode


class Variant:
    def __init__(self, name, folder, keys, values):
        self.name, self.folder, self.port = name, folder, free_port()
        self.program = os.environ["DEADLINE_PROXY"]
        top, policy, tables = (part.format(**values) for part in keys)
        self.file = folder / f"{name.replace(' ', '-')}.toml"
        self.file.write_text(BASE.format(top=top, policy=policy, tables=tables, port=self.port, **values))

    @contextlib.contextmanager
    def running(self, *before):
        """The process, as an argument of these words, once it listens."""
        command = [*before, self.program, "run", "--config", self.file]
        with Process(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
            wait_for_port(self.port, 60)
            yield started.process
