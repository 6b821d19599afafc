"""A JupyterLab of its own: server, folders and clusters."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from socket import socket
from typing import NamedTuple

from tests.support.kernels import own_folder
from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until

_QUIET = {"fetchNews": "false", "checkForUpdates": False}
"""No pop-up asks whether one wants to hear of JupyterLab's news."""


class Lab(NamedTuple):
    """A JupyterLab that runs.

    Attributes
    ----------
    url
        Without a path.
    token
        Opens it.
    work
        Where its notebooks are.
    runtime
        Where the clusters are that its kernels start.
    """

    url: str
    token: str
    work: Path
    runtime: Path

    def address(self, path: str) -> str:
        """Return the URL of a page, ``"lab"``, that needs no further login."""
        return f"{self.url}/{path}?token={self.token}&reset"


@contextmanager
def started() -> Iterator[Lab]:
    """Start a JupyterLab, and stop it; no process of its clusters may be left."""
    with own_folder() as (folder, environment):
        url = f"http://127.0.0.1:{_free_port()}"
        lab = Lab(url, secrets.token_hex(16), folder / "work", folder / "clusters")
        lab.work.mkdir()
        _settle(folder)
        with _server(lab, folder, environment):
            yield lab
        wait_until(lambda: not leftovers_of(lab.runtime), timeout=10.0)


@contextmanager
def _server(lab: Lab, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run the server until it is no longer needed."""
    log = folder / "lab.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *_options(lab, folder)],
            env=environment | _homes(folder),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: process.poll() is not None or _answers(lab), timeout=60.0)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(20.0)


def _options(lab: Lab, folder: Path) -> list[str]:
    return [
        "--allow-root",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={lab.url.rpartition(':')[2]}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={lab.token}",
        f"--ServerApp.root_dir={lab.work}",
        f"--LabApp.workspaces_dir={folder / 'workspaces'}",
        f"--LabApp.user_settings_dir={folder / 'settings'}",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.news_url=",
        "--LabApp.extension_manager=readonly",
        "--KernelManager.transport=ipc",
    ]


def _homes(folder: Path) -> dict[str, str]:
    return {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
    }


def _settle(folder: Path) -> None:
    path = folder / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(_QUIET))


def _answers(lab: Lab) -> bool:
    host, port = lab.url.removeprefix("http://").split(":")
    connection = HTTPConnection(host, int(port), timeout=5.0)
    with closing(connection), suppress(OSError):
        connection.request("GET", f"/api/status?token={lab.token}")
        return connection.getresponse().status == HTTPStatus.OK
    return False


def _free_port() -> int:
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
