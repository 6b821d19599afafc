"""What a client says to a hub that was started again."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import pytest

from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.reunion import ended_since, wanted_still
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Awaiting,
    Cancel,
    ClientHello,
    Define,
    Message,
    Over,
    Resubmit,
    Submit,
    SubmitEach,
)
from ipcluster_ext.protocol.parts import Blob, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus

if TYPE_CHECKING:
    from ipcluster_ext.transport.channel import Said

SPEC = TaskSpec(Kind.APPLY)


def still_open(*tasks: int) -> Callable[[TaskId], bool]:
    return frozenset(tasks).__contains__


def items(*tasks: int, buffers: tuple[int, ...] = ()) -> list[TaskItem]:
    return [TaskItem(TaskId(task), b"in", buffers) for task in tasks]


def ids(tasks: Collection[int]) -> list[TaskId]:
    return [TaskId(task) for task in tasks]


def engines(*numbers: int) -> list[EngineId]:
    return [EngineId(number) for number in numbers]


def test_what_was_not_heard_is_said_again_in_order_with_its_frames() -> None:
    define, cancel = Define(b"f", b"pickle"), Cancel(ids([3]), 0)
    unheard: list[Said] = [
        ([define, Submit(SPEC, items(1, 2, buffers=(1, 1)))], [b"a", b"b", b"c", b"d"]),
        ([cancel], ()),
    ]

    assert wanted_still(unheard, still_open(1, 2)) == [
        ([define, Submit(SPEC, items(1, 2, buffers=(1, 1)))], [b"a", b"b", b"c", b"d"]),
        ([cancel], []),
    ]


def test_greetings_are_not() -> None:
    hello = ClientHello(ClientId(5), "here", 1, again=True)

    assert wanted_still([([hello], ()), ([Awaiting([], [])], ())], still_open()) == []


def test_tasks_that_have_ended_are_left_out_and_their_frames() -> None:
    unheard: list[Said] = [
        (
            [Submit(SPEC, items(1, 2, 3, buffers=(1,))), Submit(SPEC, items(4, buffers=(1,)))],
            [b"a", b"b", b"c", b"d"],
        ),
        ([Submit(SPEC, items(5))], ()),
    ]

    assert wanted_still(unheard, still_open(2, 4)) == [
        ([Submit(SPEC, items(2, buffers=(1,))), Submit(SPEC, items(4, buffers=(1,)))], [b"b", b"d"])
    ]


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ([], []),
        ([10, 11, 12, 13], [(10, [7, 5, 6, 9])]),
        ([11, 12], [(11, [5, 6])]),
        ([10, 12, 13], [(10, [7]), (12, [6, 9])]),
        ([13], [(13, [9])]),
    ],
)
def test_of_one_payload_for_several_engines_those_hear_that_have_not_ended(
    left: list[int], expected: list[tuple[int, list[int]]]
) -> None:
    [item] = items(10, buffers=(1,))
    unheard: list[Said] = [([SubmitEach(SPEC, item, engines(7, 5, 6, 9))], [b"a"])]

    [*said] = wanted_still(unheard, still_open(*left))

    messages: list[Message] = []
    for first, where in expected:
        [own] = items(first, buffers=(1,))
        messages.append(SubmitEach(SPEC, own, engines(*where)))
    assert said == ([(messages, [b"a"] * len(messages))] if messages else [])


def test_what_runs_once_more_is_asked_for_only_as_far_as_it_has_not_ended() -> None:
    unheard: list[Said] = [([Resubmit(3, ids([1, 2, 3]), TaskId(20))], ())]

    assert wanted_still(unheard, still_open(20, 22)) == [
        ([Resubmit(3, ids([1]), TaskId(20)), Resubmit(3, ids([3]), TaskId(22))], [])
    ]


class TestWhatHasEndedSince:
    def test_is_told_with_how_it_ended_and_without_values(self) -> None:
        message = Submit(SPEC, items(1, 2, 3))
        engine = EngineId(4)
        done = ResultItem(TaskId(1), TaskStatus.DONE, 5.0, 6.0, b"value")
        failed = ResultItem(TaskId(3), TaskStatus.FAILED, 7.0, 8.0, b"failure")
        ends = {item.id: Outcome(engine, item, None) for item in (done, failed)}

        [over] = ended_since([([message], ())], still_open(2), ends.get)

        bare = ResultItem(TaskId(1), TaskStatus.DONE, 5.0, 6.0, b"")
        both = [message.items[0], message.items[2]]
        assert over == Over(SPEC, both, [bare, failed], [engine, engine])

    def test_is_told_of_tasks_for_certain_engines_with_those(self) -> None:
        item = TaskItem(TaskId(5), b"in", (Blob("c1-1", 5),), (TaskId(1),))
        message = SubmitEach(SPEC, item, engines(7, 8, 9))

        [over] = ended_since([([message], ())], still_open(6), lambda _: None)

        bare = [TaskItem(TaskId(task), b"", (), (TaskId(1),)) for task in (5, 7)]
        assert over == Over(SPEC, bare, [], [], engines(7, 9))

    def test_is_nothing_if_all_goes_on(self) -> None:
        said: list[Said] = [([Submit(SPEC, items(1, 2)), Cancel([TaskId(9)], 1)], ())]

        assert ended_since(said, still_open(1, 2), lambda _: None) == []

    def test_is_said_again_by_itself(self) -> None:
        over = Over(SPEC, [TaskItem(TaskId(1), b"in")], [], [])

        assert wanted_still([([over], ())], still_open()) == [([over], [])]
