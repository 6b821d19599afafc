"""Which cluster a notebook uses: what the server writes down, its kernel minds."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jupyter.conftest import Api, Fetch
from tests.jupyter.kernels import run
from tests.jupyter.test_routes import ready, refused

WHICH = "from ipcluster_ext.client.choice import chosen; print(chosen(), end='')"
MINE = {"cluster": "mine", "runs": True}
NONE = {"cluster": None, "runs": False}


@pytest.fixture
def kernel(
    api: Api, jp_serverapp: Any, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[str]:
    """Open a notebook; return its kernel's id."""
    del api  # lets go of the server's clusters in the end
    opening = jp_serverapp.session_manager.create_session(
        path="a.ipynb", name="a.ipynb", type="notebook", kernel_name="python3"
    )
    yield jp_asyncio_loop.run_until_complete(opening)["kernel"]["id"]
    jp_asyncio_loop.run_until_complete(jp_serverapp.kernel_manager.shutdown_all())


async def test_a_kernel_uses_what_was_chosen_for_its_notebook(
    api: Api, kernel: str, jp_serverapp: Any
) -> None:
    kernels = jp_serverapp.kernel_manager
    await api.post("clusters", body={"n": 1, "id": "mine"})
    await api.until(ready(1), "clusters", "mine")
    assert await api.get("notebooks", kernel) == NONE

    assert await api.put("notebooks", kernel, body={"cluster": "mine"}) == MINE
    assert await run(kernels, kernel, WHICH) == "mine"
    await kernels.restart_kernel(kernel)
    assert await run(kernels, kernel, WHICH) == "mine"

    assert await api.put("notebooks", kernel, body={"cluster": None}) == NONE
    assert await run(kernels, kernel, WHICH) == ""
    await run(kernels, kernel, "import ipcluster_ext as ipp; ipp.use_cluster('mine')")
    assert await api.get("notebooks", kernel) == MINE

    await api.delete("clusters", "mine")
    assert await api.get("notebooks", kernel) == MINE | {"runs": False}
    await api.put("notebooks", kernel, body={"cluster": None})


async def test_a_cluster_can_be_chosen_and_used_as_soon_as_it_was_asked_for(
    api: Api, kernel: str, jp_serverapp: Any
) -> None:
    await api.post("clusters", body={"n": 2, "id": "mine"})
    assert await api.put("notebooks", kernel, body={"cluster": "mine"}) == MINE

    used = "import ipcluster_ext as ipp; rc = ipp.connect(); print(rc.cluster_id, rc.ids, end='')"
    said = await run(jp_serverapp.kernel_manager, kernel, used)

    assert said.splitlines()[-1] == "mine [0, 1]"
    await api.put("notebooks", kernel, body={"cluster": None})
    await api.delete("clusters", "mine")


async def test_a_cluster_that_could_not_start_cannot_be_chosen(
    api: Api, kernel: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    profile = tmp_path / "ipcluster_ext/profiles/nowhere.toml"
    profile.parent.mkdir(parents=True)
    profile.write_text('cwd = "/nowhere/to/be/found"\n')
    await api.post("clusters", body={"n": 1, "id": "sick", "profile": "nowhere"})

    status, reason = await refused(api.put("notebooks", kernel, body={"cluster": "sick"}))

    assert status == 409
    assert reason.startswith("cluster 'sick' could not start: ")
    assert "/nowhere/to/be/found" in reason
    await api.delete("clusters", "sick")


async def test_a_cluster_that_does_not_run_cannot_be_chosen(api: Api, kernel: str) -> None:
    said = await refused(api.put("notebooks", kernel, body={"cluster": "nobody"}))

    assert said == (404, "no cluster 'nobody' is running on this host")


async def test_a_kernel_of_no_notebook_has_no_choice(api: Api, jp_fetch: Fetch) -> None:
    response = await jp_fetch("api", "kernels", method="POST", body="{}")
    kernel = json.loads(response.body)["id"]
    try:
        status, reason = await refused(api.get("notebooks", kernel))
    finally:
        await jp_fetch("api", "kernels", kernel, method="DELETE")

    assert (status, reason) == (
        409, f"kernel {kernel!r} was not started for a notebook on this host",
    )  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_kernel_that_is_not_there_gets_404(api: Api, jp_fetch: Fetch, method: str) -> None:
    body = '{"cluster": null}' if method == "PUT" else None
    said = await refused(
        jp_fetch("ipcluster-ext", "notebooks", "no-such", method=method, body=body)
    )

    assert said == (404, "the server has no kernel 'no-such'")
