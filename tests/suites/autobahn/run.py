"""Autobahn|Testsuite's WebSocket cases, against a server and against the same server through the program.

Covers that a tunnel changes nothing: no case may go worse through it. Whether the server itself is right is not asked.
Leaves out the cases about speed (9) and about compression (12, 13), which are the same bytes to a tunnel.
"""

import json
import pathlib
import subprocess
import sys

import install
from harness import Checks, Process, Proxy

CASES = 247
LEFT_OUT = ["9.*", "12.*", "13.*"]
# From the best to the worst, in the suite's words.
RANKS = ["OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "UNCLEAN", "WRONG CODE", "FAILED BY CLIENT", "FAILED"]


def rank(word):
    return RANKS.index(word) if word in RANKS else len(RANKS)


def run(folder, servers):
    """The outcome of each case, by the name of the server."""
    reports = folder / "reports"
    wanted = [{"agent": name, "url": f"ws://{address}"} for name, address in servers.items()]
    asked = {"outdir": str(reports), "servers": wanted, "cases": ["*"], "exclude-cases": LEFT_OUT}
    described = folder / "asked.json"
    described.write_text(json.dumps({**asked, "exclude-agent-cases": {}}))
    command = [*install.wstest(folder), "-m", "fuzzingclient", "-s", str(described)]
    with (folder / "client.log").open("w") as log:
        subprocess.run(command, env=install.environment(folder), stdout=log, stderr=log, cwd=folder, check=True)
    return json.loads((reports / "index.json").read_text())


def worse(direct, through):
    words = [(direct[word], through.get(word, "absent")) for word in ("behavior", "behaviorClose")]
    return [f"{before}, then {after}" for before, after in words if rank(after) > rank(before)]


def main(folder):
    checks = Checks()
    command = [install.interpreter(folder), pathlib.Path(__file__).with_name("server.py")]
    with (folder / "server.log").open("w") as log:
        options = {"env": install.environment(folder), "stdout": subprocess.PIPE, "stderr": log, "text": True}
        serving = Process(*command, **options)
    with serving:
        server = f"127.0.0.1:{int(serving.process.stdout.readline())}"
        with Proxy(server) as proxy:
            outcomes = run(folder, {"direct": server, "through": proxy.address})
    direct, through = outcomes.get("direct", {}), outcomes.get("through", {})
    good = sum(rank(case["behavior"]) <= rank("INFORMATIONAL") for case in direct.values())
    checks.check("direct: the cases run", len(direct) == CASES, f"{len(direct)} cases, {good} go well")
    bad = {case: worse(outcome, through.get(case, {})) for case, outcome in direct.items()}
    bad = {case: words for case, words in bad.items() if words}
    figures = f"{len(through)} cases, {len(bad)} worse"
    figures += "".join(f"; {case}: {words[0]}" for case, words in list(bad.items())[:3])
    checks.check("through: none goes worse", direct and not bad, figures)
    checks.exit()


main(pathlib.Path(sys.argv[1]).resolve())
