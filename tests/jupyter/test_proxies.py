"""The routes and the WebSocket behind a reverse proxy, below a prefix, as with JupyterHub."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from tests.jupyter.conftest import Api
from tests.jupyter.test_routes import ready
from tests.jupyter.test_socket import Browser, states
from tests.support.proxies import KINDS, in_front_of, is_there


class Front:
    """A Jupyter server, as whoever comes through the proxy sees it."""

    def __init__(self, port: int, prefix: str, token: str) -> None:
        self._host = f"127.0.0.1:{port}"
        self._prefix = prefix
        self._token = token

    async def log_in(self) -> str:
        """Return the cookie of a browser that has opened the server's address with its token."""
        url = f"http://{self._host}{self._prefix}lab?token={self._token}"
        response = await AsyncHTTPClient().fetch(url, follow_redirects=False, raise_error=False)
        cookies = response.headers.get_list("Set-Cookie")
        return "; ".join(cookie.partition(";")[0] for cookie in cookies)

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return the JSON of a route, as a program asks for it."""
        url = f"http://{self._host}{self._prefix}ipcluster-ext/{path}"
        text = None if body is None else json.dumps(body)
        headers = {"Authorization": f"token {self._token}"}
        response = await AsyncHTTPClient().fetch(url, method=method, body=text, headers=headers)
        return json.loads(response.body) if response.body else None

    async def watch(self, origin: str = "") -> Browser:
        """Open the WebSocket, as a page does: from the address that it was opened at itself."""
        url = f"ws://{self._host}{self._prefix}ipcluster-ext/feed"
        origin = origin or f"http://{self._host}"
        headers = {"Cookie": await self.log_in(), "Origin": origin}
        return Browser(await websocket_connect(HTTPRequest(url, headers=headers)))

    async def status(self, path: str) -> int:
        """Return the status of the answer to a request for any path."""
        url = f"http://{self._host}{path}?token={self._token}"
        return (await AsyncHTTPClient().fetch(url, raise_error=False)).code


@pytest.fixture(params=KINDS)
def front(
    request: pytest.FixtureRequest,
    api: Api,
    jp_serverapp: Any,
    tmp_path: Path,
) -> Iterator[Front]:
    """Put a proxy in front of the server."""
    del api  # lets go of the server's clusters in the end
    if not is_there(request.param):
        pytest.skip(f"no {request.param} was found")
    prefix = jp_serverapp.base_url
    with in_front_of(jp_serverapp.port, prefix, request.param, tmp_path) as port:
        yield Front(port, prefix, jp_serverapp.identity_provider.token)


async def test_a_cluster_is_started_watched_and_stopped_through_it(front: Front) -> None:
    browser = await front.watch()
    begun = await front.ask("POST", "clusters", {"n": 1, "id": "far"})
    await browser.hear("clusters", lambda it: states(it) == [("far", "ready", 1)])
    browser.say({"type": "select", "cluster": "far"})
    whole = await browser.hear("status", lambda it: it["whole"])
    running = await front.ask("GET", "clusters/far")
    await front.ask("DELETE", "clusters/far")
    await browser.hear("clusters", lambda it: states(it) == [])
    browser.close()

    assert begun["id"] == "far"
    assert [engine["id"] for engine in whole["engines"]] == [0]
    assert ready(1)(running)


async def test_a_page_from_elsewhere_gets_no_websocket_through_it(front: Front) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await front.watch(origin="http://evil.example")

    assert caught.value.code == 403


async def test_what_is_not_below_the_prefix_does_not_reach_the_server(front: Front) -> None:
    assert await front.status("/ipcluster-ext/clusters") in {404, 503}  # 503: JupyterHub's proxy
