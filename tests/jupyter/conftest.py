import asyncio
import json
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403 - fixtures and hooks, for this folder only
from tornado.httpclient import HTTPResponse

from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until

Fetch = Callable[..., Awaitable[HTTPResponse]]


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test a runtime folder of its own; nothing may be left in it, nor any process."""
    folder = Path(tempfile.mkdtemp(prefix="ipx-", dir="/tmp"))
    monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(folder))
    try:
        yield folder
        wait_until(lambda: not leftovers_of(folder))
    finally:
        shutil.rmtree(folder)


@pytest.fixture  # type: ignore[no-redef] # ours in place of the imported one
def jp_server_config() -> dict[str, Any]:
    """Enable the extension, as its installation does."""
    return {"ServerApp": {"jpserver_extensions": {"ipcluster_ext": True}}}


class Api:
    """The routes, as a browser that is logged in uses them."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def get(self, *path: str) -> Any:
        """Return the JSON of a route."""
        response = await self._fetch("ipcluster-ext", *path)
        return json.loads(response.body)

    async def post(self, *path: str, body: object) -> Any:
        """Send JSON; return the answer's, None if that is empty."""
        return await self._send("POST", path, body)

    async def put(self, *path: str, body: object) -> Any:
        """Send JSON, likewise."""
        return await self._send("PUT", path, body)

    async def _send(self, method: str, path: tuple[str, ...], body: object) -> Any:
        response = await self._fetch("ipcluster-ext", *path, method=method, body=json.dumps(body))
        return json.loads(response.body) if response.body else None

    async def delete(self, *path: str) -> int:
        """Return the status of the answer."""
        return (await self._fetch("ipcluster-ext", *path, method="DELETE")).code

    async def until(self, wanted: Callable[[Any], bool], *path: str) -> Any:
        """Ask again and again until the answer is as wanted."""
        async with asyncio.timeout(60):
            while True:
                answer = await self.get(*path)
                if wanted(answer):
                    return answer
                await asyncio.sleep(0.02)


@pytest.fixture
def api(
    jp_fetch: Fetch, jp_serverapp: Any, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[Api]:
    """Return the routes of a server; it lets go of all clusters in the end."""
    yield Api(jp_fetch)
    jp_asyncio_loop.run_until_complete(jp_serverapp.web_app.settings["ipcluster_ext"].close())
