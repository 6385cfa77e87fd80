"""The four programs of the table, and what each is told.

They have their defaults, but for what a scene cannot do without: where a tunnel may be, HTTP/2 without TLS on both
sides, and a folder for each upstream that is not an ordinary one:

- `tunnel/`: the ordinary upstream, where a client may switch to a WebSocket.
- `reject/`: the ordinary upstream, where a wish to switch is refused, if the program knows that.
- `one/`: the ordinary upstream, with a single connection to it.
- `two/`: an upstream that speaks HTTP/2.
- `closed/`: a port where nobody listens.
- `rude/`: a port where every connection is accepted, and closed.
- `hole/`: a port where no connection is ever made, and none refused.
"""

import os

from scripted.program import Peer

OURS = """
admin = "127.0.0.1:{admin}"
# So that a single connection is one of the process.
workers = 1

[[listener]]
address = "{listen}"

[upstream.target]
targets = "http://{upstream}"

[upstream.one]
targets = "http://{upstream}"
connections = 1

[upstream.two]
targets = "http://{two}"
http = "2"

[upstream.closed]
targets = "http://{closed}"

[upstream.rude]
targets = "http://{rude}"

[upstream.hole]
targets = "http://{hole}"

[[route]]
upstream = "target"

[[route]]
prefix = "/tunnel"
upstream = "target"
upgrade = ["websocket"]

[[route]]
prefix = "/one"
upstream = "one"

[[route]]
prefix = "/two"
upstream = "two"

[[route]]
prefix = "/closed"
upstream = "closed"

[[route]]
prefix = "/rude"
upstream = "rude"

[[route]]
prefix = "/reject"
upstream = "target"
upgrade = "reject"

[[route]]
prefix = "/hole"
upstream = "hole"
"""

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
    upstream one {{ server {upstream} max_conns=1; keepalive 1; }}
    server {{
        listen {listen};
        listen {http2} http2;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        location / {{ proxy_pass http://target; }}
        location /one/ {{ proxy_pass http://one; }}
        location /two/ {{ grpc_pass grpc://{two}; }}
        location /closed/ {{ proxy_pass http://{closed}; }}
        location /rude/ {{ proxy_pass http://{rude}; }}
        location /hole/ {{ proxy_pass http://{hole}; }}
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
frontend all
    bind {listen}
    bind {http2} proto h2
    use_backend one if {{ path_beg /one/ }}
    use_backend two if {{ path_beg /two/ }}
    use_backend closed if {{ path_beg /closed/ }}
    use_backend rude if {{ path_beg /rude/ }}
    use_backend hole if {{ path_beg /hole/ }}
    default_backend target
backend target
    server target {upstream}
backend one
    server one {upstream} maxconn 1
backend two
    server two {two} proto h2
backend closed
    server closed {closed}
backend rude
    server rude {rude}
backend hole
    server hole {hole}
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
    reverse_proxy /one/* {upstream} {{
        transport http {{
            max_conns_per_host 1
        }}
    }}
    reverse_proxy /two/* h2c://{two}
    reverse_proxy /closed/* {closed}
    reverse_proxy /rude/* {rude}
    reverse_proxy /hole/* {hole}
    reverse_proxy {upstream}
}}
"""

PROXIES = [
    Peer("deadline-proxy", f"{os.environ['DEADLINE_PROXY']} run --config {{file}}", "--version", OURS),
    Peer("nginx", "nginx -p {folder} -c {file}", "-v", NGINX),
    Peer("HAProxy", "haproxy -q -db -f {file}", "-v", HAPROXY),
    # It has WebSockets over HTTP/2 by this variable only.
    Peer("Caddy", "caddy run --adapter caddyfile --config {file}", "version", CADDY, {"GODEBUG": "http2xconnect=1"}),
]
