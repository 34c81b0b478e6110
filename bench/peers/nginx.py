"""nginx as a pass-through: one worker, kept connections on both sides, nothing buffered, nothing logged."""

from __future__ import annotations

import shutil
from pathlib import Path


def program() -> str | None:
    """Returns where nginx is installed; None where it is not."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def command(upstream_port: int, port: int, directory: Path) -> tuple[str, ...]:
    """Returns what passes everything on a port to the upstream's; its files go to `directory`."""
    home = directory / "nginx"
    home.mkdir(exist_ok=True)
    path = home / "nginx.conf"
    path.write_text(
        f"""
daemon off;
worker_processes 1;
pid {home}/pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  client_max_body_size 64m;
  client_body_buffer_size 1m;
  keepalive_requests 1000000;
  upstream model {{ server 127.0.0.1:{upstream_port}; keepalive 4096; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 1h;
    }}
  }}
}}
"""
    )
    return str(program()), "-p", str(home), "-e", "stderr", "-c", str(path)
