"""A cluster that has as many engines as there is work for."""

from collections.abc import Iterator

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.protocol.parts import Bounds
from tests.support.gates import Gate, pass_through
from tests.support.takeovers import kill_hub, wait_for_another
from tests.support.waiting import wait_until

PATIENCE = 30.0


@pytest.fixture(scope="module")
def rc() -> Iterator[ipp.Client]:
    """Start one engine, and leave it to the hub how many there are."""
    with ipp.Cluster(adapt={"minimum": 1, "maximum": 3, "idle_timeout": 0.5}) as client:
        yield client


def bounds(client: ipp.Client) -> Bounds | None:
    """Return between which numbers of engines the hub may choose."""
    with client.status_feed(parts=["totals"]) as feed:
        totals = feed.wait().totals
    assert totals is not None
    return totals.bounds


def test_more_engines_come_while_tasks_wait_and_go_when_there_is_nothing_to_do(
    rc: ipp.Client, gate: Gate
) -> None:
    assert len(rc.ids) == 1
    view = rc.load_balanced_view()
    answers = [view.apply_async(pass_through, gate.path, number) for number in range(9)]

    wait_until(lambda: len(rc.ids) == 3, PATIENCE)
    gate.open()

    assert [answer.get(PATIENCE) for answer in answers] == list(range(9))
    wait_until(lambda: len(rc.ids) == 1, PATIENCE)


def test_that_outlives_the_hub_and_the_client_that_said_so(rc: ipp.Client, gate: Gate) -> None:
    with ipp.Client(rc.connection_file) as other:
        other.adapt(1, 2, idle_timeout=0.5)
    wait_for_another(rc, kill_hub(rc))

    tasks = [rc.load_balanced_view().apply_async(pass_through, gate.path) for _ in range(4)]
    wait_until(lambda: len(rc.ids) == 2, PATIENCE)
    gate.open()
    for task in tasks:
        task.get(PATIENCE)

    assert bounds(rc) == Bounds(1, 2, 0.5)
    wait_until(lambda: len(rc.ids) == 1, PATIENCE)


def test_who_says_how_many_there_are_to_be_ends_it(rc: ipp.Client) -> None:
    assert rc.cluster is not None
    rc.cluster.adapt_sync(1, 4)
    before = bounds(rc)

    rc.cluster.scale_sync(1, wait=True, timeout=PATIENCE)

    assert (before, bounds(rc)) == (Bounds(1, 4, 60.0), None)


def test_a_task_waits_for_an_engine_where_there_may_be_none(rc: ipp.Client) -> None:
    rc.adapt(0, 1, idle_timeout=0.2)
    wait_until(lambda: rc.ids == [], PATIENCE)

    answer = rc.load_balanced_view().apply_async(pow, 2, 3)

    assert answer.get(PATIENCE) == 8


def test_there_cannot_be_more_at_least_than_at_most(rc: ipp.Client) -> None:
    with pytest.raises(ValueError, match="there cannot be 3 to 2 engines"):
        rc.adapt(3, 2)
