"""Which tasks ran when and where, as those are told who watch it."""

import pytest

from ipcluster_ext.core import spans
from ipcluster_ext.protocol.feed import Span, Spans, Status, Watch
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Done, Submit
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.scripted import Client, Engine, Stage

ZERO = EngineId(0)


def submit(client: Client, label: str, count: int = 1) -> list[TaskId]:
    ids = client.next_ids(count)
    client.say(Submit(TaskSpec(Kind.APPLY, label=label), [TaskItem(task, b"in") for task in ids]))
    return ids


def end(engine: Engine, *times: tuple[float, float], failed: bool = False) -> None:
    """End the engine's next tasks, which ran at these times."""
    status = TaskStatus.FAILED if failed else TaskStatus.DONE
    for both in times:
        engine.stage.now += 0.001
        engine.say(Done([ResultItem(engine.todo.pop(0).id, status, *both, b"out")]))


def watch(watcher: Client) -> None:
    watcher.say(Watch(1, 0.1, ("spans",)))


def told(stage: Stage, watcher: Client) -> list[Spans]:
    """Return what a watcher is told, once it is due."""
    stage.turn(0.2)
    watcher.acknowledge()
    found = [status.spans for status in watcher.of(Status) if status.spans is not None]
    watcher.forget()
    watcher.acknowledge()
    return found


def test_a_watcher_is_told_when_and_where_tasks_ran(
    stage: Stage, watcher: Client, client: Client, engine: Engine
) -> None:
    watch(watcher)
    submit(client, "fit", 2)
    end(engine, (10.0, 11.5), (11.5, 12.0))
    submit(client, "plot")
    end(engine, (13.0, 14.0), failed=True)

    assert told(stage, watcher) == [
        Spans(
            ["fit", "plot"],
            [
                Span(ZERO, 0, 10.0, 11.5),
                Span(ZERO, 0, 11.5, 12.0),
                Span(ZERO, 1, 13.0, 14.0, True),
            ],
        )
    ]


def test_and_at_first_of_what_ended_before(
    stage: Stage, watcher: Client, client: Client, engine: Engine
) -> None:
    submit(client, "long ago")
    end(engine, (1.0, 2.0))
    stage.turn(2 * spans.PAST)
    submit(client, "lately")
    end(engine, (601.0, 602.0))

    watch(watcher)

    assert told(stage, watcher) == [Spans(["lately"], [Span(ZERO, 0, 601.0, 602.0)])]


def test_each_span_is_told_once(
    stage: Stage, watcher: Client, client: Client, engine: Engine
) -> None:
    watch(watcher)
    submit(client, "fit")
    end(engine, (10.0, 11.0))
    first = told(stage, watcher)
    submit(client, "fit")
    end(engine, (12.0, 13.0))

    assert [len(each.spans) for each in (*first, *told(stage, watcher))] == [1, 1]


def test_who_asks_for_other_parts_is_told_of_no_span(
    stage: Stage, watcher: Client, client: Client, engine: Engine
) -> None:
    watcher.say(Watch(1, 0.1, ("engines", "work", "totals")))
    submit(client, "fit")
    end(engine, (10.0, 11.0))

    assert told(stage, watcher) == []


def test_beyond_the_allowance_tasks_next_to_each_other_are_one_span(
    stage: Stage, watcher: Client, client: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "BURST", 1.0)
    monkeypatch.setattr(spans, "RATE", 1.0)
    watch(watcher)
    submit(client, "short", 4)
    end(engine, (10.0, 10.001), (10.001, 10.002), (10.002, 10.003), (99.0, 99.001))

    assert told(stage, watcher) == [Spans(["short"], [Span(ZERO, 0, 10.0, 10.003, False, 3)], 1)]


def test_some_of_the_allowance_is_kept_for_what_comes_after_a_pause(
    stage: Stage, watcher: Client, client: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "BURST", 4.0)
    monkeypatch.setattr(spans, "RATE", 0.0)
    watch(watcher)
    submit(client, "short", 21)
    end(
        engine, *((10.0 + place / 1000, 10.001 + place / 1000) for place in range(20)), (20.0, 21.0)
    )

    [both] = told(stage, watcher)

    assert [span.count for span in both.spans] == [1, 1, 18, 1]
    assert both.left_out == 0


def test_one_that_listens_to_nothing_costs_no_more_memory_for_ever(
    stage: Stage, watcher: Client, client: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "MOST_KEPT", 3)
    watch(watcher)
    for number in range(8):
        submit(client, "fit")
        end(engine, (10.0 * number + 1, 10.0 * number + 2))

    watcher.acknowledge()
    [both] = told(stage, watcher)

    assert (len(both.spans), both.left_out) == (3, 5)


def test_what_never_ran_is_no_span(
    stage: Stage, watcher: Client, client: Client, engine: Engine
) -> None:
    watch(watcher)
    told(stage, watcher)
    first, second = submit(client, "fit", 2)
    client.cancel(second)
    engine.die(began=first, again=False)

    assert told(stage, watcher) == []
