from ipcluster_ext.client.outgoing import GATHER_FOR, GATHER_MOST, Outgoing
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import Define, Submit
from ipcluster_ext.protocol.parts import TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind

SPEC, OTHER = TaskSpec(Kind.APPLY, b"f"), TaskSpec(Kind.APPLY, b"g")


def task(number: int) -> TaskItem:
    return TaskItem(TaskId(number), b"x")


def test_nothing_is_nothing() -> None:
    outgoing = Outgoing()

    assert not outgoing
    assert outgoing.take(0.0) == ([], [])


def test_tasks_with_the_same_spec_are_one_message() -> None:
    outgoing = Outgoing()
    outgoing.add(SPEC, task(1), [])
    outgoing.add(SPEC, task(2), [])
    outgoing.add(OTHER, task(3), [])
    outgoing.add(SPEC, task(4), [])

    assert outgoing
    assert outgoing.take(0.0) == (
        [Submit(SPEC, [task(1), task(2)]), Submit(OTHER, [task(3)]), Submit(SPEC, [task(4)])],
        [],
    )
    assert not outgoing


def test_specs_that_are_merely_equal_are_two_messages() -> None:
    outgoing = Outgoing()
    outgoing.add(SPEC, task(1), [])
    outgoing.add(TaskSpec(Kind.APPLY, b"f"), task(2), [])

    assert [message.items for message in outgoing.take(0.0)[0] if isinstance(message, Submit)] == [
        [task(1)], [task(2)],
    ]  # fmt: skip


def test_frames_keep_the_order_of_their_tasks() -> None:
    outgoing = Outgoing()
    outgoing.add(SPEC, task(1), [b"a", b"b"])
    outgoing.add(OTHER, task(2), [])
    outgoing.add(OTHER, task(3), [b"c"])

    assert outgoing.take(0.0)[1] == [b"a", b"b", b"c"]


def test_a_definition_stands_before_the_tasks_that_need_it() -> None:
    outgoing = Outgoing()
    outgoing.add(SPEC, task(1), [])
    outgoing.define(Define(b"g", b"code"))
    outgoing.add(SPEC, task(2), [])

    assert outgoing.take(0.0)[0] == [
        Submit(SPEC, [task(1)]), Define(b"g", b"code"), Submit(SPEC, [task(2)]),
    ]  # fmt: skip


def test_the_first_after_a_pause_is_due_at_once() -> None:
    outgoing = Outgoing()
    outgoing.take(10.0)
    outgoing.add(SPEC, task(1), [])

    assert not outgoing.due(10.0 + GATHER_FOR / 2)
    assert outgoing.due(10.0 + GATHER_FOR * 1.01)


def test_so_many_are_due_whatever_the_time() -> None:
    outgoing = Outgoing()
    outgoing.take(10.0)
    due = []
    for number in range(GATHER_MOST):
        outgoing.add(SPEC, task(number), [])
        due.append(outgoing.due(10.0))

    assert due == [False] * (GATHER_MOST - 1) + [True]


def test_what_was_taken_is_not_touched_by_what_comes() -> None:
    outgoing = Outgoing()
    outgoing.add(SPEC, task(1), [b"a"])
    messages, frames = outgoing.take(0.0)
    outgoing.add(SPEC, task(2), [b"b"])

    assert (messages, frames) == ([Submit(SPEC, [task(1)])], [b"a"])
    assert outgoing.take(0.0) == ([Submit(SPEC, [task(2)])], [b"b"])


def test_what_somebody_attends_to_leaves_at_once() -> None:
    outgoing = Outgoing()
    outgoing.add(SPEC, task(1), [])
    outgoing.take(10.0)
    outgoing.add(SPEC, task(2), [])

    assert outgoing.due(10.0, attended=True)
    assert not outgoing.due(10.0)
