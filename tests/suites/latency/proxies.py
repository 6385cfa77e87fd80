"""The upstream and the proxies that are measured, each on one core with one worker, as nobody could say otherwise.

They keep connections to the upstream for as long as they are used, and write no access log.
"""

import contextlib
import os
import shutil

from harness import Process, Proxy, free_port, wait_for_port

UPSTREAM = """
daemon off;
pid {folder}/upstream.pid;
error_log stderr crit;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{ return 200 "{body}"; }}
    }}
}}
"""

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr crit;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    keepalive_requests 1000000000;
    upstream target {{
        server {upstream};
        keepalive 128;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass http://target;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
    maxconn 1000
defaults
    mode http
    timeout connect 5s
    timeout client 1m
    timeout server 1m
listen all
    bind 127.0.0.1:{port}
    http-reuse always
    server target {upstream}
"""

# What each is started with before the path of its file.
PEERS = {"nginx": (NGINX, ["-p", "{folder}", "-c"]), "haproxy": (HAPROXY, ["-q", "-db", "-f"])}


class Cores:
    """The proxy has one for itself, and all else the others, where there is more than one."""

    def __init__(self):
        self.all = sorted(os.sched_getaffinity(0))
        self.proxy, self.rest = {self.all[0]}, set(self.all[1:]) or {self.all[0]}

    @contextlib.contextmanager
    def of(self, cores):
        """What is started within runs on these alone."""
        os.sched_setaffinity(0, cores)
        try:
            yield
        finally:
            os.sched_setaffinity(0, self.all)


def described(name, template, arguments, folder, **values):
    """A program that reads a file, once it listens; and its port."""
    port, file = free_port(), folder / f"{name}.conf"
    file.write_text(template.format(folder=folder, port=port, **values))
    program = "nginx" if name == "upstream" else name
    process = Process(program, *(word.format(folder=folder) for word in arguments), file)
    wait_for_port(port)
    return process, port


def upstream(folder, body):
    return described("upstream", UPSTREAM, PEERS["nginx"][1], folder, body=body)


def peer(name, folder, target):
    """Nothing where the machine does not have it."""
    if not shutil.which(name):
        return None
    template, arguments = PEERS[name]
    return described(name, template, arguments, folder, upstream=target)


def ours(target):
    proxy = Proxy(target, "--workers", "1")
    return proxy, proxy.port
