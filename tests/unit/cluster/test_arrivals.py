from ipcluster_ext.cluster.arrivals import Outlook, outlook, without_queued
from ipcluster_ext.protocol.foreman import Launch, Stage


def launch(name: str, count: int, stage: Stage, state: str = "") -> Launch:
    return Launch(set="ssh", name=name, count=count, stage=stage, state=state)


def test_all_are_expected_while_nothing_has_failed() -> None:
    launches = [launch("host a", 4, "up"), launch("host b", 4, "starting")]

    assert outlook(8, launches) == Outlook(8, [])


def test_before_anything_was_started_all_are_expected() -> None:
    assert outlook(8, []) == Outlook(8, [])


def test_those_that_failed_are_not_waited_for_even_if_they_are_tried_again() -> None:
    launches = [
        launch("host a", 4, "up"),
        launch("host b", 2, "failed", "no route"),
        launch("host c", 1, "again", "connects"),
    ]

    assert outlook(9, launches) == Outlook(6, ["host b: no route", "host c: connects"])


def test_if_all_have_failed_none_is_expected() -> None:
    assert outlook(4, [launch("host a", 4, "failed", "x")]) == Outlook(0, ["host a: x"])


def test_those_that_have_ended_meanwhile_are_not_waited_for() -> None:
    launches = [launch("job 1", 2, "up"), launch("job 2", 2, "ended", "has ended")]

    assert outlook(4, launches) == Outlook(2, ["job 2: has ended"])


def test_what_waits_in_a_queue_is_left_out_when_nobody_waits_for_it() -> None:
    waits = Launch(set="slurm", name="job 2", count=1, state="waits in the queue", queued=True)
    launches = [launch("job 1", 2, "starting"), launch("job 3", 1, "failed", "exit code 1"), waits]

    expected = outlook(4, launches)

    assert expected == Outlook(3, ["job 3: exit code 1"])
    assert without_queued(expected, launches) == Outlook(
        2, ["job 3: exit code 1", "job 2: waits in the queue"]
    )
