"""What a browser does to work that others have submitted, and what their owners see of it."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ipcluster_ext as ipp
from tests.jupyter.conftest import Api
from tests.jupyter.test_routes import ready, refused
from tests.support.fixtures import gate
from tests.support.gates import Gate, pass_through

__all__ = ["gate"]


@pytest.fixture
def owner(api: Api, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[ipp.Client]:
    """Connect to a cluster with one engine, as a notebook would."""

    async def come() -> ipp.Client:
        await api.post("clusters", body={"n": 1, "id": "mine"})
        await api.until(ready(1), "clusters", "mine")
        file = ipp.Cluster.from_id("mine").connection_file
        return await asyncio.to_thread(ipp.Client, file, session="fits.ipynb")

    async def go(client: ipp.Client) -> None:
        await asyncio.to_thread(client.close)
        await api.delete("clusters", "mine")

    client = jp_asyncio_loop.run_until_complete(come())
    yield client
    jp_asyncio_loop.run_until_complete(go(client))


async def row_of(api: Api, wanted: Any) -> Any:
    """Return the work that is as wanted."""
    rows = await api.until(lambda rows: any(map(wanted, rows)), "clusters", "mine", "work")
    return next(row for row in rows if wanted(row))


async def tend(api: Api, row: Any, action: str) -> Any:
    body = {"action": action, "began": row["began"]}
    return await api.post("clusters", "mine", "work", str(row["number"]), body=body)


async def test_a_map_is_cancelled_and_its_owner_sees_it(
    api: Api, owner: ipp.Client, gate: Gate
) -> None:
    answer = owner.load_balanced_view().map_async(pass_through, [gate.path] * 20)
    row = await row_of(api, lambda row: row["running"] == 1 and row["queued"] == 19)

    tended = await tend(api, row, "cancel")
    gate.open()
    await asyncio.to_thread(answer.wait, 30)

    assert tended == {"count": 19, "client": "", "reason": ""}
    assert [record.status for record in owner.history()] == ["done"] + ["cancelled"] * 19
    with pytest.raises(ipp.CompositeError, match=r"cancelled before it began \(19 times\)"):
        answer.get()
    row = await row_of(api, lambda row: row["ended"] > 0)
    assert (row["done"], row["cancelled"]) == (1, 19)


async def test_a_map_is_interrupted_and_its_owner_sees_it(
    api: Api, owner: ipp.Client, gate: Gate
) -> None:
    answer = owner.load_balanced_view().map_async(pass_through, [gate.path] * 2)
    row = await row_of(api, lambda row: row["running"] == 1)

    tended = await tend(api, row, "interrupt")
    await asyncio.to_thread(answer.wait, 30)

    assert tended["count"] == 1
    with pytest.raises(ipp.IpclusterError):
        answer.get()
    assert owner[0].apply_sync(pow, 2, 3) == 8


async def test_what_failed_runs_again_and_its_results_can_be_fetched(
    api: Api, owner: ipp.Client, gate: Gate
) -> None:
    answer = owner.load_balanced_view().map_async(mood, [gate.path] * 3)
    await asyncio.to_thread(answer.wait, 30)
    row = await row_of(api, lambda row: row["failed"] == 3)
    assert row["error"] == "ValueError: not today"
    told = await api.get("clusters", "mine", "work", str(row["number"]), "error")
    assert re.search(r"line \d+, in mood\n(.|\n)*ValueError: not today$", told["text"])
    gate.open()

    tended = await tend(api, row, "retry")

    assert (tended["count"], tended["reason"]) == (3, "")
    again = await row_of(api, lambda row: row["done"] == 3)
    assert (again["session"], again["name"]) == ("fits.ipynb", row["name"])
    tasks = owner.history(client_uuid=tended["client"])
    assert owner.get_result(tasks).get() == [["fine"]] * 3  # chunks of a map


async def test_what_ran_again_is_not_run_once_more_by_its_owner_who_gets_its_results(
    api: Api, owner: ipp.Client, gate: Gate, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    view = owner.load_balanced_view()
    answer = view.map_async(noted_mood, [log] * 5, [gate.path] * 5, chunksize=2)
    await asyncio.to_thread(answer.wait, 30)
    row = await row_of(api, lambda row: row["failed"] == 3)
    gate.open()
    assert (await tend(api, row, "retry"))["count"] == 3
    await row_of(api, lambda row: row["done"] == 3)
    runs = len(log.read_text())

    whole = await asyncio.to_thread(answer.retry_failed)

    assert await asyncio.to_thread(whole.get, 30) == ["fine"] * 5
    assert len(log.read_text()) == runs == 3 + 5  # a chunk ends with the first item that fails
    assert whole.retry_failed() is whole


async def test_what_its_owner_runs_again_nobody_else_does(
    api: Api, owner: ipp.Client, gate: Gate
) -> None:
    answer = owner.load_balanced_view().map_async(mood, [gate.path] * 5, chunksize=2)
    await asyncio.to_thread(answer.wait, 30)
    gate.open()

    whole = answer.retry_failed()
    assert await asyncio.to_thread(whole.get, 30) == ["fine"] * 5

    row = await row_of(api, lambda row: row["retried"] > 0)
    assert (row["failed"], row["retried"]) == (3, 3)
    reason = "what failed of mood runs again already, or is not known any more"
    assert await refused(tend(api, row, "retry")) == (409, reason)


async def test_the_error_of_a_cell_is_told_without_its_colours(api: Api, owner: ipp.Client) -> None:
    answer = owner[0].execute("1 / 0", silent=False, block=False)
    await asyncio.to_thread(answer.wait, 30)
    row = await row_of(api, lambda row: row["failed"] == 1)

    told = await api.get("clusters", "mine", "work", str(row["number"]), "error")

    assert "ZeroDivisionError" in told["text"]
    assert "\x1b" not in told["text"]


class TestWhatCannotBeDone:
    async def test_to_work_that_has_ended_gets_409(self, api: Api, owner: ipp.Client) -> None:
        assert await owner.load_balanced_view().submit(pow, 2, 3) == 8
        row = await row_of(api, lambda row: row["done"] == 1)

        refusals = [await refused(tend(api, row, each)) for each in ("cancel", "retry")]

        assert refusals == [(409, "pow has ended already"), (409, "nothing of pow has failed")]

    async def test_to_what_runs_again_already_gets_409(self, api: Api, owner: ipp.Client) -> None:
        answer = owner.load_balanced_view().submit(divmod, 1, 0)
        await asyncio.to_thread(answer.wait, 30)
        row = await row_of(api, lambda row: row["failed"] == 1)
        await tend(api, row, "retry")

        status, reason = await refused(tend(api, row, "retry"))

        assert (status, "runs again already" in reason) == (409, True)

    async def test_to_work_that_is_not_there_gets_404(self, api: Api, owner: ipp.Client) -> None:
        assert await owner.load_balanced_view().submit(pow, 2, 3) == 8
        row = await row_of(api, lambda row: row["done"] == 1)

        for other in ({**row, "number": 99}, {**row, "began": 1.0}):
            status, reason = await refused(tend(api, other, "cancel"))
            assert (status, reason) == (404, "this work is not known any more")
        status, _ = await refused(api.get("clusters", "mine", "work", "99", "error"))
        assert status == 404


def noted_mood(log: Any, path: Any) -> str:
    """Note that it runs, and fail as long as a gate is closed."""
    with log.open("a") as file:
        file.write("x")
    return mood(path)


def mood(path: Any) -> str:
    """Fail as long as a gate is closed."""
    if not path.exists():
        msg = "not today"
        raise ValueError(msg)
    return "fine"
