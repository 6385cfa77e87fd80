"""Puts Autobahn|Testsuite, and the Python 2.7 that it is written for, into one folder.

The interpreter is Debian's last, from the mirror that this system names, unpacked and not installed. What is pinned
here are the last versions for it.
"""

import os
import pathlib
import re
import subprocess
import sys

# The last release of Debian with a Python 2.7.
RELEASE = "bullseye"
PACKAGES = ["libffi7", "libpython2.7-minimal", "libpython2.7-stdlib", "libssl1.1", "python2.7-minimal", "python2.7"]

PIP = "pip==20.3.4"
TOOLS = ["setuptools==44.1.1", "wheel==0.37.1"]
# Nothing is compiled but what compiles without headers.
WHEELS = ["cffi", "cryptography", "markupsafe", "zope.interface"]
NEEDED = """
Twisted==19.10.0 Werkzeug==1.0.1 cryptography==3.3.2 incremental==16.10.1 jinja2==2.11.3 klein==17.10.0
markupsafe==1.1.1 pyOpenSSL==19.1.0 service_identity==18.1.0 six==1.16.0 unittest2==1.1.0 zope.interface==4.6.0
""".split()
# Without what they ask for: some of that is a matter of speed alone, and has to be compiled.
SUITE = ["autobahntestsuite==25.10.1", "autobahn==0.10.9", "txaio==2.1.0"]


def environment(folder):
    """What the interpreter and the suite run in."""
    libraries = ":".join(map(str, folder.glob("system/usr/lib/*-linux-gnu*")))
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**inherited, "LD_LIBRARY_PATH": libraries, "PYTHONUSERBASE": str(folder / "site")}


def interpreter(folder):
    return str(folder / "system/usr/bin/python2.7")


def wstest(folder):
    return [interpreter(folder), str(folder / "site/bin/wstest")]


def older_sources():
    """The system's own sources of packages, for the older release."""
    release = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M)
    sources = pathlib.Path("/etc/apt")
    for path in sorted(sources.glob("sources.list.d/*.sources")):
        for stanza in path.read_text().split("\n\n"):
            if release and re.search(rf"^Suites:\s*{release[1]}(\s|$)", stanza, re.M):
                return ".sources", re.sub(r"^Suites:.*$", f"Suites: {RELEASE}", stanza, flags=re.M) + "\n"
    for path in [sources / "sources.list", *sorted(sources.glob("sources.list.d/*.list"))]:
        for line in path.read_text().splitlines() if path.exists() else []:
            if release and re.match(rf"deb\s.*\s{release[1]}\s", line):
                return ".list", re.sub(rf"\s{release[1]}\s", f" {RELEASE} ", line) + "\n"
    raise SystemExit("this system names no source of Debian's packages")


def unpack_interpreter(folder):
    apt, packages = folder / "apt", folder / "packages"
    for each in [apt / "lists/partial", apt / "cache/archives/partial", packages]:
        each.mkdir(parents=True, exist_ok=True)
    kind, text = older_sources()
    sources = apt / f"older{kind}"
    sources.write_text(text)
    (apt / "status").touch()
    settings = {
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
    }
    apt_get = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in settings.items())]
    subprocess.run([*apt_get, "update"], check=True)
    subprocess.run([*apt_get, "download", *PACKAGES], check=True, cwd=packages)
    for package in packages.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, folder / "system"], check=True)


def install_suite(folder):
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder / "pip", PIP]
    subprocess.run(download, check=True)
    variables = environment(folder)
    variables["PYTHONPATH"] = str(next(folder.glob("pip/*.whl")))
    install = [interpreter(folder), "-m", "pip", "install", "-q", "--user", "--no-warn-script-location"]
    install += ["--no-python-version-warning", "--disable-pip-version-check"]
    for asked in [TOOLS, [f"--only-binary={','.join(WHEELS)}", *NEEDED], ["--no-deps", *SUITE]]:
        subprocess.run([*install, *asked], check=True, env=variables)


def works(folder):
    asked = [*wstest(folder), "--help"]
    try:
        return subprocess.run(asked, env=environment(folder), capture_output=True).returncode == 0
    except OSError:
        return False


def main(folder):
    if works(folder):
        return
    unpack_interpreter(folder)
    install_suite(folder)
    if not works(folder):
        raise SystemExit("wstest does not run")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
