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
            (["clusters"], {"launcher": "$(id)"}, "Expected `str` matching regex"),
            (["clusters"], {"options": {"hosts": [{"host": "n1"}]}}, "Expected `str`"),
            (["clusters"], {"options": {"environment": {"A": 1}}}, "Expected `str`, got `int`"),
            (["clusters"], {"options": {"port": None}}, "got `null`"),
            (["clusters", "any", "scale"], {"n": -1}, "Expected `int` >= 0"),
            (["clusters", "any", "scale"], {}, "missing required field `n`"),
            (["clusters", "any", "work", "1"], {"action": "kill"}, "Invalid enum value 'kill'"),
            (["clusters", "any", "work", "1"], {"action": "retry"}, "missing required field"),
            (["clusters", "any", "engines", "0"], {"action": "kill"}, "Invalid enum value 'kill'"),
            (["clusters", "any", "restart"], {"engines": [-1]}, "Expected `int` >= 0"),
            (["clusters", "any", "restart"], {"engines": 1}, "Expected `array | null`"),
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
        ("method", "path", "body"),
        [
            ("GET", "", None),
            ("DELETE", "", None),
            ("GET", "/engines", None),
            ("GET", "/work", None),
            ("GET", "/log", None),
            ("GET", "/engines/0/log", None),
            ("POST", "/scale", '{"n": 1}'),
            ("POST", "/restart", "{}"),
            ("POST", "/engines/0", '{"action": "stop"}'),
            ("POST", "/engines/0/console", "{}"),
        ],
    )
    async def test_a_cluster_that_does_not_run_gets_404(
        self, api: Api, jp_fetch: Fetch, method: str, path: str, body: str | None
    ) -> None:
        parts = f"clusters/nobody{path}".split("/")
        said = await refused(jp_fetch("ipcluster-ext", *parts, method=method, body=body))

        assert said == (404, "no cluster 'nobody' is running on this host")

    async def test_a_cluster_that_is_not_ready_and_an_engine_that_is_not_there_get_409(
        self, api: Api
    ) -> None:
        await api.post("clusters", body={"n": 1, "id": "small"})
        try:
            early = await refused(api.post("clusters", "small", "scale", body={"n": 2}))
            await api.until(ready(1), "clusters", "small")
            for call in (
                api.post("clusters", "small", "engines", "7", body={"action": "restart"}),
                api.post("clusters", "small", "engines", "7", "console", body={}),
                api.get("clusters", "small", "engines", "7", "log"),
                api.post("clusters", "small", "restart", body={"engines": [7]}),
            ):
                status, reason = await refused(call)
                assert (status, "7" in reason) == (409, True)
        finally:
            await api.delete("clusters", "small")

        assert early == (409, "cluster 'small' is starting; wait until it is ready")

    async def test_an_id_that_is_there_gets_409(self, api: Api) -> None:
        await api.post("clusters", body={"n": 1, "id": "twin"})
        try:
            status, reason = await refused(api.post("clusters", body={"n": 1, "id": "twin"}))
        finally:
            await api.delete("clusters", "twin")

        assert (status, reason) == (409, "a cluster 'twin' is there already; choose another id")

    @pytest.mark.parametrize(
        ("launcher", "options", "option", "said"),
        [
            ("ssh", {"hosts": ["n1:four"]}, "hosts", "'n1:four' is no host"),
            ("ssh", {"hosts": ["-oProxyCommand=id"]}, "hosts", "cannot be a host's name"),
            ("ssh", {"hosts": []}, "hosts", "needs hosts"),
            ("ssh", {"hosts": "n1"}, "hosts", "Expected `array`, got `str`"),
            ("ssh", {"hosts": ["n1"], "port": "22"}, "port", "Expected `int`, got `str`"),
            ("ssh", {"hosts": ["n1"], "prot": 22}, "prot", "did you mean 'port'?"),
            ("ssh", {"hosts": ["n1"], "environment": "A"}, "environment", "Expected `object`"),
            ("slurm", {"mode": "many"}, "mode", "Invalid enum value 'many'"),
            ("slurm", {"gpus": -1}, "gpus", "Expected `int` >= 0"),
            ("local", {"hosts": ["n1"]}, "hosts", "'local' has no options"),
        ],
    )
    async def test_an_option_that_is_wrong_gets_400_with_its_name_and_nothing_starts(
        self, api: Api, launcher: str, options: dict[str, object], option: str, said: str
    ) -> None:
        body = {"n": 1, "launcher": launcher, "options": options}
        with pytest.raises(HTTPClientError) as caught:
            await api.post("clusters", body=body)
        response = caught.value.response
        assert response is not None
        answer = json.loads(response.body)

        assert (caught.value.code, answer["option"]) == (400, option)
        assert said in answer["message"]
        assert await api.get("clusters") == []

    async def test_a_launcher_that_is_not_there_gets_409(self, api: Api) -> None:
        status, reason = await refused(api.post("clusters", body={"launcher": "shh", "n": 1}))

        assert status == 409
        assert reason.startswith("there is no launcher 'shh' (did you mean 'ssh'?)")

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
    ("POST", "clusters/x/work/1"),
    ("GET", "clusters/x/work/1/error"),
    ("GET", "clusters/x/engines"),
    ("POST", "clusters/x/engines/0"),
    ("GET", "clusters/x/engines/0/log"),
    ("POST", "clusters/x/engines/0/console"),
    ("GET", "notebooks/x"),
    ("PUT", "notebooks/x"),
    ("GET", "profiles"),
]
BODIES = {"POST": "{}", "PUT": "{}"}


class TestAStranger:
    @pytest.mark.parametrize(("method", "path"), ROUTES)
    async def test_gets_403_everywhere(
        self, api: Api, jp_fetch: Fetch, method: str, path: str
    ) -> None:
        body = BODIES.get(method)
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
        body = BODIES.get(method)
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


async def test_launchers_are_listed_the_local_one_first_with_what_is_missing_here(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))

    found = {each["name"]: each for each in (await api.get("profiles"))["launchers"]}
    hosts, *others = found["ssh"]["fields"]

    assert next(iter(found)) == "local"
    assert (found["local"]["missing"], found["local"]["fields"]) == ("", [])
    assert "there is no program 'ssh'" in found["ssh"]["missing"]
    assert "there is no sbatch" in found["slurm"]["missing"]
    assert (hosts["name"], hosts["kind"], hosts["value"], hosts["usual"]) == (
        "hosts", "list", [], True
    )  # fmt: skip
    assert hosts["help"].startswith("Where engines are to run: n1")
    assert {each["name"]: each["kind"] for each in others}["environment"] == "map"


async def test_a_profile_tells_what_its_launcher_is_told_as_far_as_a_form_can_show_it(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("config")
    below = folder / "ipcluster_ext" / "profiles"
    below.mkdir(parents=True)
    (below / "lab.toml").write_text(
        'hosts = ["n1", {host = "n2", n = 4}]\n[launcher_options]\nport = 2222\n'
    )
    (below / "odd.toml").write_text('hosts = [{host = "n1", cwd = "/data"}]\n')
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(folder))

    lab, odd = (await api.get("profiles"))["profiles"]

    assert (lab["launcher"], lab["beyond"]) == ("ssh", [])
    assert lab["options"] == {"port": 2222, "hosts": ["n1", "n2:4"]}
    assert (odd["options"], odd["beyond"]) == ({}, ["hosts"])
