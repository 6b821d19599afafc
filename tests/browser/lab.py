"""A JupyterLab of its own: server, folders and clusters."""

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from socket import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.support.kernels import own_folder
from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until

PREFIX = "/user/somebody"
"""Below which everything is, as with JupyterHub."""
_QUIET = {"fetchNews": "false", "checkForUpdates": False}
"""No pop-up asks whether one wants to hear of JupyterLab's news."""


class Lab(NamedTuple):
    """A JupyterLab that runs.

    Attributes
    ----------
    url
        Where it is, below a prefix as a hub has it; without a slash at the end.
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

    def post(self, path: str, body: object) -> None:
        """Send JSON to a route, as a program would."""
        assert self.ask("POST", path, json.dumps(body)) < HTTPStatus.BAD_REQUEST

    def ask(self, method: str, path: str, body: str | None = None) -> int:
        """Send a request; return the status of the answer.

        Raises
        ------
        OSError
            The server cannot be reached.
        """
        url = urlsplit(self.url)
        with closing(HTTPConnection(url.netloc, timeout=30.0)) as connection:
            connection.request(method, f"{url.path}/{path}?token={self.token}", body)
            return connection.getresponse().status


@contextmanager
def started() -> Iterator[Lab]:
    """Start a JupyterLab, and stop it; no process of its clusters may be left."""
    with own_folder() as (folder, environment):
        url = f"http://127.0.0.1:{free_port()}{PREFIX}"
        lab = Lab(url, secrets.token_hex(16), folder / "work", folder / "clusters")
        lab.work.mkdir()
        _settle(folder)
        command = [sys.executable, "-m", "jupyterlab", *_own_options(folder)]
        with serving(lab, command, environment | _homes(folder), log=folder / "lab.log"):
            yield lab
        shutil.rmtree(lab.runtime / ".notebooks", ignore_errors=True)  # is meant to stay
        wait_until(lambda: not leftovers_of(lab.runtime))


def free_port() -> int:
    """Return a port of this host that nobody has."""
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(
    lab: Lab, command: Sequence[str], environment: Mapping[str, str], *, log: Path
) -> Iterator[None]:
    """Run a JupyterLab's server until it is no longer needed.

    Parameters
    ----------
    lab
        Where it is to be, and which token opens it.
    command
        What starts it, with the options that only this one has; run where its notebooks are.
    environment
        All of the environment that it has.
    log
        The file that it writes to.
    """
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *_options(lab)],
            cwd=lab.work,
            env=environment,
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


def _options(lab: Lab) -> list[str]:
    """Return the options that every server here has."""
    url = urlsplit(lab.url)
    return [
        "--allow-root",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={url.port}",
        f"--ServerApp.base_url={url.path}/",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={lab.token}",
        "--LabApp.expose_app_in_browser=True",
    ]


def _own_options(folder: Path) -> list[str]:
    """Return those of a server whose settings are in a folder of its own."""
    return [
        f"--LabApp.workspaces_dir={folder / 'workspaces'}",
        f"--LabApp.user_settings_dir={folder / 'settings'}",
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
    with suppress(OSError):
        return lab.ask("GET", "api/status") == HTTPStatus.OK
    return False
