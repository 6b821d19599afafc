import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

import ipcluster_ext as ipp
from tests.jupyter.conftest import Api

Connect = Callable[..., Awaitable[Any]]


class Browser:
    """A browser that watches."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def hear(self, kind: str, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the next message of a kind that is as wanted."""
        async with asyncio.timeout(60):
            while True:
                text = await self._socket.read_message()
                assert text is not None, "the server has closed the socket"
                message = json.loads(text)
                if message["type"] == kind and wanted(message):
                    return message

    def say(self, message: object) -> None:
        """Send a message."""
        self._socket.write_message(message if isinstance(message, str) else json.dumps(message))

    def close(self) -> None:
        """Go."""
        self._socket.close()


async def open_browser(connect: Connect) -> Browser:
    return Browser(await connect("ipcluster-ext", "feed"))


def states(message: Any) -> list[tuple[str, str, int]]:
    return [(each["id"], each["state"], each["ready"]) for each in message["clusters"]]


class TestABrowser:
    async def test_sees_a_cluster_come_work_and_go(self, api: Api, jp_ws_fetch: Connect) -> None:
        browser = await open_browser(jp_ws_fetch)
        assert states(await browser.hear("clusters")) == []

        await api.post("clusters", body={"n": 1, "id": "seen"})
        await browser.hear("clusters", lambda it: states(it) == [("seen", "starting", 0)])
        await browser.hear("clusters", lambda it: states(it) == [("seen", "ready", 1)])
        browser.say({"type": "select", "cluster": "seen"})
        whole = await browser.hear("status", lambda it: it["whole"])
        assert [engine["state"] for engine in whole["engines"]] == ["idle"]

        client = await asyncio.to_thread(ipp.Cluster.from_id("seen").connect_client_sync)
        answer = client.load_balanced_view().options(label="sums").map_async(sum, [[1], [2]])
        changed = await browser.hear(
            "status", lambda it: [work["done"] for work in it["work"]] == [2]
        )
        assert (changed["whole"], changed["work"][0]["label"]) == (False, "sums")
        assert answer.get() == [1, 2]
        client.close()

        await api.delete("clusters", "seen")
        await browser.hear("clusters", lambda it: states(it) == [])
        browser.close()

    async def test_sees_a_cluster_that_was_started_elsewhere(
        self, api: Api, jp_ws_fetch: Connect
    ) -> None:
        browser = await open_browser(jp_ws_fetch)
        cluster = await asyncio.to_thread(
            lambda: ipp.Cluster(n=1, cluster_id="other").start_cluster_sync()
        )

        await browser.hear("clusters", lambda it: states(it) == [("other", "ready", 1)])
        await asyncio.to_thread(cluster.stop_cluster_sync)
        await browser.hear("clusters", lambda it: states(it) == [])
        browser.close()

    async def test_that_wants_to_know_sees_which_tasks_ran_when_and_where(
        self, api: Api, jp_ws_fetch: Connect
    ) -> None:
        await api.post("clusters", body={"n": 1, "id": "film"})
        browser, other = await open_browser(jp_ws_fetch), await open_browser(jp_ws_fetch)
        await browser.hear("clusters", lambda it: states(it) == [("film", "ready", 1)])
        client = await asyncio.to_thread(ipp.Cluster.from_id("film").connect_client_sync)
        view = client.load_balanced_view()
        assert await view.options(label="before").submit(pow, 2, 3) == 8

        browser.say({"type": "select", "cluster": "film", "spans": True})
        assert (await browser.hear("spans"))["whole"] is True
        first = await browser.hear("spans", lambda it: it["titles"] == ["before"])
        assert await view.options(label="after").submit(pow, 2, 4) == 16
        fresh = await browser.hear("spans", lambda it: "after" in it["titles"])
        other.say({"type": "select", "cluster": "film", "spans": True})
        late = await other.hear("spans")

        assert (first["engine"], first["count"]) == ([0], [1])
        assert (fresh["whole"], fresh["failed"]) == (False, [False])
        assert (late["whole"], late["titles"]) == (True, ["before", "after"])
        assert late["began"] == sorted(late["began"])
        client.close()
        browser.close()
        other.close()
        await api.delete("clusters", "film")

    async def test_sees_the_last_line_that_each_engine_has_written(
        self, api: Api, jp_ws_fetch: Connect
    ) -> None:
        await api.post("clusters", body={"n": 2, "id": "loud"})
        browser = await open_browser(jp_ws_fetch)
        await browser.hear("clusters", lambda it: states(it) == [("loud", "ready", 2)])
        client = await asyncio.to_thread(ipp.Cluster.from_id("loud").connect_client_sync)
        await client[0].apply_async(print, "before anybody looked")

        browser.say({"type": "select", "cluster": "loud"})
        first = await browser.hear("status", lambda it: it["lines"])
        await client[1].execute("import sys; sys.stderr.write('half a '); print('line')")
        second = await browser.hear("status", lambda it: it["lines"])
        await asyncio.to_thread(client.restart_engines, [0])
        third = await browser.hear("status", lambda it: it["lines"])

        assert first["lines"] == {"0": "before anybody looked"}
        assert second["lines"] == {"1": "line"}
        assert third["lines"] == {"0": ""}
        client.close()
        browser.close()
        await api.delete("clusters", "loud")

    async def test_that_comes_again_gets_everything_again(
        self, api: Api, jp_ws_fetch: Connect
    ) -> None:
        await api.post("clusters", body={"n": 1, "id": "kept"})
        for _ in range(2):
            browser = await open_browser(jp_ws_fetch)
            await browser.hear("clusters", lambda it: states(it) == [("kept", "ready", 1)])
            browser.say({"type": "select", "cluster": "kept"})
            status = await browser.hear("status")
            assert (status["whole"], [each["id"] for each in status["engines"]]) == (True, [0])
            browser.close()
        await api.delete("clusters", "kept")

    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            ("nonsense", "JSON is malformed"),
            ({"type": "delete"}, "Invalid value 'delete'"),
            ({"type": "select", "cluster": "../up"}, "Expected `str` matching regex"),
            ({"type": "select", "cluster": "nobody"}, "no cluster 'nobody' is running"),
            ({"type": "select", "interval": 0}, "Expected `float` >= 0.1"),
            ("x" * 5000, "a message of 5000 bytes is too long"),
        ],
    )
    async def test_that_says_nonsense_is_told_so_and_goes_on(
        self, api: Api, jp_ws_fetch: Connect, said: object, reason: str
    ) -> None:
        del api
        browser = await open_browser(jp_ws_fetch)
        browser.say(said)

        assert reason in (await browser.hear("refusal"))["reason"]

        browser.say({"type": "select", "cluster": "nobody"})
        await browser.hear("refusal")
        browser.close()


async def test_a_stranger_gets_403(api: Api, jp_ws_fetch: Connect) -> None:
    del api
    with pytest.raises(HTTPClientError) as caught:
        await jp_ws_fetch("ipcluster-ext", "feed", headers={"Authorization": "token of-another"})

    assert caught.value.code == 403


class TestWhoMayNotRead:
    @pytest.fixture
    def jp_server_config(self) -> dict[str, Any]:
        """Let users do nothing with clusters."""
        return {
            "ServerApp": {
                "jpserver_extensions": {"ipcluster_ext": True},
                "authorizer_class": "tests.jupyter.readers.Nobody",
            }
        }

    async def test_gets_403(self, api: Api, jp_ws_fetch: Connect) -> None:
        del api
        with pytest.raises(HTTPClientError) as caught:
            await jp_ws_fetch("ipcluster-ext", "feed")

        assert caught.value.code == 403
