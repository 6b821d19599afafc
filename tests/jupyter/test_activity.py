"""What a server knows of clusters that nobody watches."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.jupyter import manager
from ipcluster_ext.jupyter.manager import Manager
from tests.jupyter.conftest import Api
from tests.jupyter.test_routes import ready
from tests.support.gates import Gate, pass_through


@pytest.fixture
def jp_server_config(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Have the server look often."""
    monkeypatch.setattr(manager, "ATTENDED_EVERY", 0.05)
    return {"ServerApp": {"jpserver_extensions": {"ipcluster_ext": True}}}


async def test_a_server_whose_clusters_work_is_not_idle(
    api: Api, jp_serverapp: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    del api  # lets go of the server's clusters in the end; nobody asks it for anything
    gate = Gate(tmp_path_factory.mktemp("gate") / "gate")
    noted: dict[str, datetime] = jp_serverapp.web_app.settings["last_activity_times"]
    cluster = await asyncio.to_thread(ipp.Cluster(n=1).start_cluster_sync)
    try:
        client = await asyncio.to_thread(cluster.connect_client_sync)
        assert "ipcluster_ext" not in noted
        answer = client.load_balanced_view().submit(pass_through, gate.path)
        for _ in range(2):  # it goes on as long as the task does, whether something changes or not
            await noted_after(datetime.now(UTC), noted)
        assert jp_serverapp.web_app.last_activity() >= noted["ipcluster_ext"]
        gate.open()
        await answer
        client.close()
    finally:
        await cluster.stop_cluster()


async def test_a_server_that_is_started_again_finds_its_clusters(
    api: Api, jp_serverapp: Any
) -> None:
    await api.post("clusters", body={"n": 1, "id": "kept"})
    await api.until(ready(1), "clusters", "kept")
    (before,) = await api.get("clusters", "kept", "engines")
    settings = jp_serverapp.web_app.settings
    await settings["ipcluster_ext"].close()
    settings["ipcluster_ext"] = Manager(settings, jp_serverapp.kernel_manager)

    again = await api.until(ready(1), "clusters", "kept")
    (engine,) = await api.get("clusters", "kept", "engines")
    assert (again["owner"], engine["pid"], engine["state"]) == (0, before["pid"], "idle")
    assert await api.delete("clusters", "kept") == 204


async def noted_after(begun: datetime, noted: dict[str, datetime]) -> None:
    """Wait until activity has been noted once more."""
    async with asyncio.timeout(30):
        while "ipcluster_ext" not in noted or noted["ipcluster_ext"] < begun:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
