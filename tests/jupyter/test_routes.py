import asyncio
import json
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

import ipcluster_ext as ipp
from tests.jupyter.conftest import Api, Fetch


def ready(n: int) -> Any:
    return lambda cluster: (cluster["state"], cluster["ready"]) == ("ready", n)


async def refused(call: Any) -> tuple[int, str]:
    """Return status and reason of a request that is refused."""
    with pytest.raises(HTTPClientError) as caught:
        await call
    response = caught.value.response
    assert response is not None
    return caught.value.code, json.loads(response.body)["message"]


class TestAClusterOfTheServer:
    async def test_is_started_steered_seen_and_stopped(self, api: Api) -> None:
        begun = await api.post("clusters", body={"n": 1, "id": "mine"})
        running = await api.until(ready(1), "clusters", "mine")

        assert (begun["id"], begun["state"], begun["wanted"]) == ("mine", "starting", 1)
        assert (running["owner"], running["error"], running["log"]) == (0, "", "")

        await api.post("clusters", "mine", "scale", body={"n": 2})
        await api.until(ready(2), "clusters", "mine")
        engines = await api.get("clusters", "mine", "engines")
        assert [(engine["id"], engine["state"]) for engine in engines] == [(0, "idle"), (1, "idle")]

        await api.post("clusters", "mine", "engines", "1", body={"action": "stop"})
        await api.until(
            lambda found: [each["id"] for each in found] == [0], "clusters", "mine", "engines"
        )

        before = engines[0]["pid"]
        await api.post("clusters", "mine", "restart", body={})
        again = await api.until(
            lambda found: found[0]["state"] == "idle" and found[0]["pid"] != before,
            "clusters", "mine", "engines",
        )  # fmt: skip
        assert again[0]["pid"]
        assert "the hub has answered" in (await api.get("clusters", "mine", "log"))["text"]

        assert await api.delete("clusters", "mine") == 204
        assert await api.get("clusters") == []

    async def test_can_be_stopped_while_it_starts(self, api: Api) -> None:
        await api.post("clusters", body={"n": 2, "id": "early"})

        assert await api.delete("clusters", "early") == 204
        assert await api.get("clusters") == []

    async def test_that_cannot_start_says_why_until_it_is_dismissed(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.executable", "/bin/false")
        await api.post("clusters", body={"n": 1, "id": "sick"})
        failed = await api.until(lambda cluster: cluster["state"] != "starting", "clusters", "sick")

        assert failed["state"] == "failed"
        assert failed["error"].startswith("the cluster did not start: it ended with exit code 1")
        assert await api.delete("clusters", "sick") == 204
        assert await api.get("clusters") == []


class TestAClusterFromElsewhere:
    async def test_is_there_with_what_it_does_and_can_be_stopped(self, api: Api) -> None:
        cluster = await asyncio.to_thread(ipp.Cluster(n=1).start_cluster_sync)
        try:
            found = await api.until(ready(1), "clusters", cluster.cluster_id)
            assert found["startedBy"] == cluster.about.started_by
            assert found["owner"] > 0

            client = await asyncio.to_thread(cluster.connect_client_sync)
            view = client.load_balanced_view().options(label="powers")
            assert await view.submit(pow, 2, 3) == 8
            work = await api.until(
                lambda rows: [(row["label"], row["done"]) for row in rows] == [("powers", 1)],
                "clusters", cluster.cluster_id, "work",
            )  # fmt: skip
            assert work[0]["failed"] == 0
            client.close()

            assert await api.delete("clusters", cluster.cluster_id) == 204
            assert not cluster.running
        finally:
            await cluster.stop_cluster()


class TestWhatCannotBeDone:
    @pytest.mark.parametrize(
        ("path", "body", "said"),
        [
            (["clusters"], {"n": 0}, "Expected `int` >= 1"),
            (["clusters"], {"n": "four"}, "Expected `int | null`, got `str`"),
            (["clusters"], {"id": "../../etc"}, "Expected `str` matching regex"),
            (["clusters"], {"profile": "a b; rm -rf /"}, "Expected `str` matching regex"),
            (["clusters"], {"engines": 4}, "unknown field `engines`"),
            (["clusters"], [], "Expected `object`, got `array`"),
            (["clusters", "any", "scale"], {"n": -1}, "Expected `int` >= 0"),
            (["clusters", "any", "scale"], {}, "missing required field `n`"),
            (["clusters", "any", "engines", "0"], {"action": "kill"}, "Invalid enum value 'kill'"),
        ],
    )  # fmt: skip
    async def test_a_body_that_is_wrong_gets_400_and_the_reason(
        self, api: Api, path: list[str], body: object, said: str
    ) -> None:
        status, reason = await refused(api.post(*path, body=body))

        assert status == 400
        assert said in reason

    async def test_a_body_that_is_no_json_gets_400(self, api: Api, jp_fetch: Fetch) -> None:
        status, reason = await refused(
            jp_fetch("ipcluster-ext", "clusters", method="POST", body="{")
        )

        assert (status, "malformed" in reason or "truncated" in reason) == (400, True)

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "clusters/nobody"),
            ("DELETE", "clusters/nobody"),
            ("GET", "clusters/nobody/engines"),
            ("GET", "clusters/nobody/work"),
            ("GET", "clusters/nobody/log"),
            ("GET", "clusters/nobody/engines/0/log"),
        ],
    )
    async def test_a_cluster_that_does_not_run_gets_404(
        self, api: Api, jp_fetch: Fetch, method: str, path: str
    ) -> None:
        status, reason = await refused(jp_fetch("ipcluster-ext", *path.split("/"), method=method))

        assert (status, reason) == (404, "no cluster 'nobody' is running on this host")

    async def test_an_id_that_is_there_gets_409(self, api: Api) -> None:
        await api.post("clusters", body={"n": 1, "id": "twin"})
        try:
            status, reason = await refused(api.post("clusters", body={"n": 1, "id": "twin"}))
        finally:
            await api.delete("clusters", "twin")

        assert (status, reason) == (409, "a cluster 'twin' is there already; choose another id")

    async def test_a_profile_that_is_not_there_gets_409(self, api: Api) -> None:
        status, reason = await refused(api.post("clusters", body={"profile": "nowhere"}))

        assert status == 409
        assert reason.startswith("there is no profile 'nowhere'")


ROUTES = [
    ("GET", "clusters"),
    ("POST", "clusters"),
    ("GET", "clusters/x"),
    ("DELETE", "clusters/x"),
    ("POST", "clusters/x/scale"),
    ("POST", "clusters/x/restart"),
    ("GET", "clusters/x/log"),
    ("GET", "clusters/x/work"),
    ("GET", "clusters/x/engines"),
    ("POST", "clusters/x/engines/0"),
    ("GET", "clusters/x/engines/0/log"),
    ("POST", "clusters/x/engines/0/console"),
    ("GET", "profiles"),
]


class TestAStranger:
    @pytest.mark.parametrize(("method", "path"), ROUTES)
    async def test_gets_403_everywhere(
        self, api: Api, jp_fetch: Fetch, method: str, path: str
    ) -> None:
        body = "{}" if method == "POST" else None
        with pytest.raises(HTTPClientError) as caught:
            await jp_fetch(
                "ipcluster-ext", *path.split("/"), method=method, body=body,
                headers={"Authorization": "token of-somebody-else"},
            )  # fmt: skip

        assert caught.value.code == 403


class TestWhoMayNotDoIt:
    @pytest.fixture
    def jp_server_config(self) -> dict[str, Any]:
        """Let users read, and nothing else."""
        return {
            "ServerApp": {
                "jpserver_extensions": {"ipcluster_ext": True},
                "authorizer_class": "tests.jupyter.readers.Readers",
            }
        }

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    async def test_gets_403_for_whatever_changes_something(
        self, api: Api, jp_fetch: Fetch, method: str, path: str
    ) -> None:
        body = "{}" if method == "POST" else None
        try:
            code = (
                await jp_fetch("ipcluster-ext", *path.split("/"), method=method, body=body)
            ).code
        except HTTPClientError as error:
            code = error.code

        assert (code == 403) == (method != "GET")


async def test_profiles_are_listed_and_those_that_are_wrong_say_why(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("config")
    below = folder / "ipcluster_ext" / "profiles"
    below.mkdir(parents=True)
    (below / "bad.toml").write_text("m = 2")
    (below / "good.toml").write_text('n = 2\ndescription = "two"')
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(folder))

    found = (await api.get("profiles"))["profiles"]

    assert [(each["name"], each["n"], each["description"]) for each in found] == [
        ("bad", None, ""),
        ("good", 2, "two"),
    ]
    assert "unknown key 'm'" in found[0]["error"]
