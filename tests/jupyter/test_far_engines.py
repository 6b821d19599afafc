"""Engines of a cluster that pass for another host's, as a server sees them."""

import asyncio
from typing import Any

import ipcluster_ext as ipp
from tests.jupyter.conftest import Api
from tests.jupyter.kernels import run
from tests.jupyter.test_routes import ready, refused
from tests.support.far import Far, config_of, reach_as_launched, reach_of


async def test_an_engine_of_another_host_is_a_kernel_of_the_server(
    api: Api, jp_serverapp: Any
) -> None:
    kernels = jp_serverapp.kernel_manager
    cluster = await asyncio.to_thread(ipp.Cluster(n=1, ip="127.0.0.1").start_cluster_sync)
    name, far = cluster.cluster_id, None
    try:
        await api.until(ready(1), "clusters", name)
        far = Far.start(config_of(cluster, 1, reach=reach_as_launched(cluster)))
        _, engine = await api.until(
            lambda found: [each["state"] for each in found] == ["idle", "idle"],
            "clusters", name, "engines",
        )  # fmt: skip

        console = await api.post("clusters", name, "engines", "1", "console", body={})
        again = await api.post("clusters", name, "engines", "1", "console", body={})
        said = await run(kernels, console["kernel"], "import os; print(os.getpid())")

        assert console == again == {"kernel": console["kernel"], "name": f"engine 1 of {name}"}
        assert int(said) == engine["pid"]
        await api.until(  # though the console is open
            lambda found: [each["state"] for each in found] == ["idle", "idle"],
            "clusters", name, "engines",
        )  # fmt: skip
        with await asyncio.to_thread(cluster.connect_client_sync) as client:
            assert await asyncio.to_thread(client.scale, 1) == [0]
        await api.until(lambda found: [each["id"] for each in found] == [0],
            "clusters", name, "engines",
        )  # fmt: skip
    finally:
        await cluster.stop_cluster()
        if far is not None:
            far.close()


async def test_an_engine_that_has_joined_by_hand_has_a_log_and_says_why_it_has_no_console(
    api: Api,
) -> None:
    cluster = await asyncio.to_thread(ipp.Cluster(n=1, ip="127.0.0.1").start_cluster_sync)
    name, far = cluster.cluster_id, None
    try:
        await api.until(ready(1), "clusters", name)
        far = Far.start(config_of(cluster, 1, reach=reach_of(cluster)))
        await api.until(
            lambda found: [each["state"] for each in found] == ["idle", "idle"],
            "clusters", name, "engines",
        )  # fmt: skip
        client = await asyncio.to_thread(cluster.connect_client_sync)
        await client[1].apply(write, b"far away\n")
        client.close()

        log = await api.get("clusters", name, "engines", "1", "log")
        status, reason = await refused(
            api.post("clusters", name, "engines", "1", "console", body={})
        )
        missing = await refused(api.get("clusters", name, "engines", "7", "log"))

        assert log["text"].splitlines()[-1] == "far away"
        assert status == 409
        assert reason.startswith("engine 1 is on another host than its hub")
        assert (missing[0], "7" in missing[1]) == (409, True)
    finally:
        await cluster.stop_cluster()
        if far is not None:
            far.close()


def write(text: bytes) -> int:
    """Write beside what Python writes."""
    import os

    return os.write(2, text)
