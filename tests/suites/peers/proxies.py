"""The programs of the table, and how each is told where it listens and where its upstream is.

They have their defaults, but for what a row cannot do without: a tunnel, HTTP/2 without TLS, HTTP/1.1 to the upstream.
"""

import os

from scripted.program import Peer

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log /dev/null;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    upstream target {{ server {upstream}; keepalive 8; }}
    server {{
        listen {listen};
        listen {http2} http2;
        proxy_http_version 1.1;
        location / {{
            proxy_pass http://target;
            proxy_set_header Connection "";
        }}
        location /tunnel/ {{
            proxy_pass http://target;
            proxy_set_header Connection upgrade;
            proxy_set_header Upgrade $http_upgrade;
        }}
    }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout tunnel 30s
listen all
    bind {listen}
    bind {http2} proto h2
    server target {upstream}
"""

CADDY = """
{{
    admin off
    auto_https off
    servers {http2} {{
        protocols h1 h2 h2c
    }}
}}
http://:{port}, http://:{port2} {{
    bind 127.0.0.1
    reverse_proxy {upstream}
}}
"""

TRAEFIK = """
http:
  routers:
    all:
      rule: PathPrefix(`/`)
      service: target
  services:
    target:
      loadBalancer:
        servers:
          - url: http://{upstream}
"""

NGHTTPX = "--frontend={host},{port};no-tls --backend={host},{upstream_port} --workers=1"


PEERS = [
    Peer("nginx", "nginx -p {folder} -c {file}", "-v", NGINX),
    Peer("HAProxy", "haproxy -q -db -f {file}", "-v", HAPROXY),
    Peer("Caddy", "caddy run --adapter caddyfile --config {file}", "version", CADDY, {"GODEBUG": "http2xconnect=1"}),
    Peer(
        "Traefik",
        "traefik --global.checknewversion=false --global.sendanonymoususage=false --log.level=FATAL"
        " --entrypoints.web.address={listen} --entrypoints.two.address={http2} --providers.file.filename={file}",
        "version",
        TRAEFIK,
    ),
    Peer("nghttpx", f"nghttpx --conf=/dev/null --log-level=FATAL {NGHTTPX}", "--version"),
]


def named_outside():
    """PEERS_MORE: `name=command`, and more of them after semicolons."""
    for each in filter(None, map(str.strip, os.environ.get("PEERS_MORE", "").split(";"))):
        name, _, command = each.partition("=")
        yield Peer(name, command)
