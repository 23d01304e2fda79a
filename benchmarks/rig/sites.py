"""Sites of any size: the same backends or hosts as each proxy wants to have them written down."""

import hashlib
import json
from collections.abc import Sequence
from typing import Final

Address = tuple[str, int]
HOSTS_A_SERVICE: Final = 250

NGINX: Final = """user @USER@;
worker_processes 1;
daemon off;
pid @FOLDER@/nginx.pid;
error_log @FOLDER@/error.log warn;
worker_rlimit_nofile @FILES@;
events { worker_connections @FILES@; }
http {
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    server_names_hash_max_size 65536;
    server_names_hash_bucket_size 128;
    client_body_temp_path @FOLDER@/client_body;
    proxy_temp_path @FOLDER@/proxy;
    fastcgi_temp_path @FOLDER@/fastcgi;
    uwsgi_temp_path @FOLDER@/uwsgi;
    scgi_temp_path @FOLDER@/scgi;
    upstream app {
        least_conn;
%(backends)s
        keepalive 16384;
        keepalive_requests 1000000000;
        keepalive_timeout 600s;
    }
%(servers)s
}
"""
NGINX_SERVER: Final = """    server {
        listen 127.0.0.1:@PORT@ backlog=4096;
        server_name %s;
        location / {
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
        }
    }
"""
NGINX_OTHERS: Final = """    server {
        listen 127.0.0.1:@PORT@ default_server;
        return 404;
    }
"""
HAPROXY: Final = """global
    nbthread 1
    maxconn 16384
    no strict-limits

defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 600s
    timeout server 60s
    timeout http-keep-alive 600s
    default-server pool-purge-delay 600s

frontend in
    bind 127.0.0.1:@PORT@ backlog 4096
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %%[req.hdr(Host)]
%(routes)s

backend app
    balance leastconn
%(backends)s
"""
# A probe is not what is measured: each backend has its first one, and the next after the run.
SEAWALL: Final = """max-connections = 16384
keep-alive-timeout = "10m"
backend = %(backends)s

[defaults]
"health.interval" = "1h"
"slow-start" = "0s"
"timeout.keep-alive" = "10m"
"""


def addresses(count: int, port: int) -> list[Address]:
    """So many addresses of 127.0.0.0/8 with one port: 127.1.0.1, 127.1.0.2, … 250 to a network of 256."""
    return [(f"127.1.{number // 250}.{number % 250 + 1}", port) for number in range(count)]


def hosts(count: int) -> list[str]:
    """So many host names."""
    return [f"h{number}.example.com" for number in range(count)]


def nginx(backends: Sequence[Address], names: Sequence[str]) -> str:
    """nginx.conf; without names every host is served."""
    servers = NGINX_SERVER % ("\n            ".join(names) or "_") + (NGINX_OTHERS if names else "")
    lines = "\n".join(f"        server {host}:{port};" for host, port in backends)
    return NGINX % {"backends": lines, "servers": servers}


def haproxy(backends: Sequence[Address], names: Sequence[str]) -> str:
    """haproxy.cfg; the names are looked up in the map of `haproxy_map`, which haproxy keeps as a tree."""
    found = "    use_backend app if { req.hdr(Host),lower,map(@FOLDER@/hosts.map) -m found }"
    lines = "\n".join(f"    server s{number} {host}:{port}" for number, (host, port) in enumerate(backends))
    return HAPROXY % {"backends": lines, "routes": found if names else "    default_backend app"}


def haproxy_map(names: Sequence[str]) -> str:
    """One line a host."""
    return "".join(f"{name} app\n" for name in names)


def seawall(backends: Sequence[Address]) -> str:
    """seawall.toml with static backends, which take every host; hosts come by the labels of `containers`."""
    urls = [f"http://{host}:{port}" for host, port in backends]
    return SEAWALL % {"backends": json.dumps(urls)}


def containers(names: Sequence[str], port: int, backends: int) -> list[dict[str, object]]:
    """What an engine says of containers with these host rules: as few services as can have them, so many backends each.

    A label takes 256 hosts, and an address is one container's.
    """
    services = [names[first : first + HOSTS_A_SERVICE] for first in range(0, len(names), HOSTS_A_SERVICE)]
    places = iter(addresses(len(services) * backends, port))
    return [
        _container(f"app{number}", f"app{number}-{count}", next(places), asked)
        for number, asked in enumerate(services)
        for count in range(backends)
    ]


def _container(service: str, name: str, backend: Address, names: Sequence[str]) -> dict[str, object]:
    host, port = backend
    labels = {
        "seawall.enable": "true",
        "seawall.service": service,
        "seawall.port": str(port),
        "seawall.host": ",".join(names),
    }
    return {
        "Id": hashlib.sha256(name.encode()).hexdigest(),
        "Name": f"/{name}",
        "Created": "2026-01-01T00:00:00Z",
        "State": {"Status": "running", "Running": True, "StartedAt": "2026-01-01T00:00:00Z"},
        "Config": {"Labels": labels, "Hostname": name, "ExposedPorts": {}},
        "HostConfig": {"NetworkMode": "bridge"},
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": host}}},
        "Mounts": [],
    }
