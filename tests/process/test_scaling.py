"""Clusters get larger and smaller while they work, and nothing is lost."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until

PATIENCE = 30.0


@pytest.fixture(scope="module")
def scaled() -> Iterator[ipp.Client]:
    """Start two engines for all tests of the module."""
    with ipp.Cluster(n=2) as client:
        yield client


@pytest.fixture
def rc(scaled: ipp.Client) -> Iterator[ipp.Client]:
    """Lend the module's client, with two engines before the test."""
    scaled.scale(2, force=True, wait=True, timeout=PATIENCE)
    yield scaled
    assert scaled.wait(timeout=PATIENCE)


def test_up_and_down(rc: ipp.Client) -> None:
    low = rc.ids

    high = rc.scale(4, wait=True, timeout=PATIENCE)
    assert rc.ids == high
    assert rc[:].apply_async(pow, 2, 3).get(PATIENCE) == [8] * 4

    assert rc.scale(2, wait=True, timeout=PATIENCE) == low
    assert rc.ids == low
    assert rc[:].apply_async(pow, 2, 3).get(PATIENCE) == [8] * 2


def test_the_cluster_knows_how_many_there_are_to_be(rc: ipp.Client) -> None:
    rc.scale(3)

    rc.wait_for_engines(timeout=PATIENCE)

    assert rc.cluster.n == len(rc.ids) == 3


def test_the_busy_finish_what_they_have(rc: ipp.Client, gate: Gate) -> None:
    first, second = rc.ids
    running = rc[second].apply_async(pass_through, gate.path, "finished")
    later = rc[second].apply_async(pow, 2, 3)
    also = rc[first].apply_async(pass_through, gate.path)
    wait_until(lambda: rc.queue_status(second)["queue"] == 2)

    assert rc.scale(1) == [second]
    with pytest.raises(ipp.NoSuchEngine):
        rc[first].apply_sync(pow, 2, 3)
    gate.open()

    assert (running.get(PATIENCE), later.get(PATIENCE)) == ("finished", 8)
    also.get(PATIENCE)
    rc.connection.roster.wait_until(lambda: rc.connection.roster.get(first) is None, PATIENCE)
    assert rc.ids == [second]


def test_of_a_map_nothing_is_lost_or_done_twice(rc: ipp.Client) -> None:
    view = rc.load_balanced_view()
    rc.scale(4, wait=True, timeout=PATIENCE)
    answer = view.map_async(
        lambda n: (n, __import__("time").sleep(0.01))[0], range(300), chunksize=1
    )

    for n in (1, 3, 2, 4, 1, 2):
        rc.scale(n)

    assert answer.get(60) == list(range(300))
    rc.scale(2, wait=True, timeout=PATIENCE)


def test_a_retirement_is_taken_back(rc: ipp.Client, gate: Gate) -> None:
    ids = rc.ids
    answers = [rc[engine].apply_async(pass_through, gate.path) for engine in ids]
    wait_until(lambda: all(rc.queue_status(engine)["queue"] for engine in ids))
    rc.retire_engines(ids[0])
    with rc.status_feed() as feed:
        assert [engine.state for engine in feed.wait(timeout=PATIENCE).engines] == [
            "retiring",
            "busy",
        ]

    assert rc.scale(2, wait=True, timeout=PATIENCE) == ids
    gate.open()

    for answer in answers:
        answer.get(PATIENCE)
    assert rc[:].apply_async(pow, 2, 3).get(PATIENCE) == [8, 8]


def test_with_force_nobody_is_waited_for(rc: ipp.Client, gate: Gate) -> None:
    answers = [rc[engine].apply_async(pass_through, gate.path) for engine in rc.ids]
    wait_until(lambda: all(rc.queue_status(engine)["queue"] for engine in rc.ids))

    [left] = rc.scale(1, force=True, wait=True, timeout=PATIENCE)

    assert rc.ids == [left]
    gate.open()
    failed = [answer for answer in answers if not answer.wait(PATIENCE) or not answer.successful()]
    assert len(failed) == 1
    with pytest.raises(ipp.EngineLost):
        failed[0].get(PATIENCE)


def test_who_does_not_finish_in_time_goes_on(rc: ipp.Client, gate: Gate) -> None:
    answers = [rc[engine].apply_async(pass_through, gate.path) for engine in rc.ids]
    wait_until(lambda: all(rc.queue_status(engine)["queue"] for engine in rc.ids))

    with pytest.raises(TimeoutError, match="1 of those that are too many have not finished"):
        rc.scale(1, wait=True, timeout=0.1)

    gate.open()
    for answer in answers:
        answer.get(PATIENCE)


def test_to_none_and_back(rc: ipp.Client) -> None:
    assert rc.scale(0, wait=True, timeout=PATIENCE) == []

    rc.scale(1, wait=True, timeout=PATIENCE)

    assert rc[:].apply_async(pow, 2, 3).get(PATIENCE) == [8]


def test_the_cluster_can_do_it_too(rc: ipp.Client) -> None:
    cluster = rc.cluster

    more = asyncio.run(cluster.scale(3, wait=True, timeout=PATIENCE))
    less = cluster.scale_sync(1, wait=True, timeout=PATIENCE)

    assert (len(more), len(less), cluster.n) == (3, 1, 1)


def test_nobody_can_have_a_negative_number(rc: ipp.Client) -> None:
    with pytest.raises(ValueError, match="there cannot be -1 engines"):
        rc.scale(-1)


def test_another_hub_goes_on_with_it(started: Started, gate: Gate) -> None:
    client = started.client
    first, second = client.ids
    answers = [client[engine].apply_async(pass_through, gate.path) for engine in client.ids]
    wait_until(lambda: all(client.queue_status(engine)["queue"] for engine in (first, second)))
    client.retire_engines(second)
    before = client.hub_pid

    os.kill(before, signal.SIGKILL)
    wait_until(lambda: client.hub_pid != before, PATIENCE)
    there = client.ids
    gate.open()

    for answer in answers:
        answer.get(PATIENCE)
    roster = client.connection.roster
    assert roster.wait_until(lambda: roster.get(second) is None, PATIENCE)
    assert (there, client.ids) == ([first], [first])
