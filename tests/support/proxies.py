"""Reverse proxies in front of a Jupyter server: nginx, JupyterHub's own, and a plain one of ours.

All keep the prefix, as JupyterHub has it: the server is told to be below it (``base_url``), and
whatever is not below it does not reach the server.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import socket
from urllib.parse import quote, unquote

from tests.support.waiting import wait_until

NGINX, HUBS, OWN = "nginx", "configurable-http-proxy", "own"
KINDS = (NGINX, HUBS, OWN)

_ROOT = Path(__file__).parents[2]
_PATHS = f"{os.environ['PATH']}:/usr/sbin:{_ROOT}/labextension/node_modules/.bin"
"""Where proxies are looked for: the panel's tools bring JupyterHub's own."""
_NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port};
    location "{prefix}" {{
      proxy_pass http://127.0.0.1:{target};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""
"""What manuals tell one to write for Jupyter behind nginx."""


def is_there(kind: str) -> bool:
    """Tell whether a proxy of a kind can be had here."""
    return kind == OWN or shutil.which(kind, path=_PATHS) is not None


@contextmanager
def in_front_of(target: int, prefix: str, kind: str, folder: Path) -> Iterator[int]:
    """Run a proxy in front of a server; yield its port.

    Parameters
    ----------
    target
        The server's port, on this host.
    prefix
        Below which the server is, as it stands in its URL: ``"/user/ann/"``.
    kind
        One of `KINDS` that is there.
    folder
        For the proxy's files.
    """
    port = free_port()
    command, then = _STARTS[kind](port, target, prefix, folder)
    with (folder / "proxy.log").open("w") as log:
        process = subprocess.Popen(command, cwd=_ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: process.poll() is not None or _answers(port), timeout=30.0)
        assert process.poll() is None, (folder / "proxy.log").read_text()
        then()
        yield port
    finally:
        process.terminate()
        process.wait(20.0)


def free_port() -> int:
    """Return a port of this host that nobody has."""
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(port: int) -> bool:
    with socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


_Start = tuple[list[str], Callable[[], None]]
"""What starts a proxy, and what is to be done once it answers."""


def _nginx(port: int, target: int, prefix: str, folder: Path) -> _Start:
    file = folder / "nginx.conf"
    place = unquote(prefix)  # that is what it compares
    file.write_text(_NGINX.format(folder=folder, port=port, prefix=place, target=target))
    program = shutil.which(NGINX, path=_PATHS) or NGINX
    return [program, "-c", str(file), "-e", "stderr"], lambda: None


def _hubs(port: int, target: int, prefix: str, folder: Path) -> _Start:
    del folder
    api, token = free_port(), secrets.token_hex()
    here = ["--ip=127.0.0.1", "--api-ip=127.0.0.1"]
    options = [*here, f"--port={port}", f"--api-port={api}", "--log-level=warn"]

    def route() -> None:
        """Tell it of the server, as JupyterHub does when a user's server has started."""
        wait_until(lambda: _answers(api), timeout=30.0)
        with closing(HTTPConnection("127.0.0.1", api, timeout=30.0)) as connection:
            body = json.dumps({"target": f"http://127.0.0.1:{target}"})
            path = f"/api/routes{quote(unquote(prefix)).rstrip('/')}"
            connection.request("POST", path, body, {"Authorization": f"token {token}"})
            assert connection.getresponse().status == 201

    program = shutil.which(HUBS, path=_PATHS) or HUBS
    return ["env", f"CONFIGPROXY_AUTH_TOKEN={token}", program, *options], route


def _own(port: int, target: int, prefix: str, folder: Path) -> _Start:
    del folder
    return [
        sys.executable,
        "-m",
        "tests.support.proxy",
        str(port),
        str(target),
        prefix,
    ], lambda: None


_STARTS: dict[str, Callable[[int, int, str, Path], _Start]] = {
    NGINX: _nginx,
    HUBS: _hubs,
    OWN: _own,
}
