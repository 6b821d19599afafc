from ipcluster_ext.core.events import CaughtUp, Lags, PageRead
from ipcluster_ext.protocol.frames import decode_failure
from ipcluster_ext.protocol.messages import Done, News, Notice, Output
from ipcluster_ext.protocol.parts import Blob
from ipcluster_ext.protocol.status import TaskStatus
from tests.support.scripted import Client, Engine, Stage

DONE = TaskStatus.DONE


def lags(client: Client) -> None:
    client.stage.happen(Lags(client.id))


def catches_up(client: Client) -> None:
    client.stage.happen(CaughtUp(client.id))
    for number in client.stage.hub.take_wanted_pages():
        client.stage.happen(PageRead(number, client.stage.pages.get(number)))


def test_a_client_that_lags_behind_is_told_outcomes_later(client: Client, engine: Engine) -> None:
    tasks = client.submit(3)
    lags(client)

    for _ in tasks:
        engine.finish(len(engine.ids))
    before = dict(client.statuses)
    catches_up(client)

    assert before == {}
    assert client.statuses == dict.fromkeys(tasks, DONE)


def test_what_the_history_has_forgotten_is_read_from_the_journal(
    stage: Stage, client: Client, engine: Engine
) -> None:
    [task] = client.submit(buffers=(3,), frames=[b"abc"])
    lags(client)
    engine.say(Done([engine.outcome(buffers=(4,))]), frames=[b"4444"])
    history = stage.hub.state.history
    history.forget([entry.id for entry in history])
    stage.happen()

    catches_up(client)

    assert client.statuses == {task: DONE}
    assert client.frames[task] == [b"4444"]


def test_what_cannot_be_read_any_more_is_said_to_be_lost(
    stage: Stage, client: Client, engine: Engine
) -> None:
    [task] = client.submit()
    lags(client)
    engine.finish()
    history = stage.hub.state.history
    history.forget([entry.id for entry in history])
    stage.happen()
    stage.pages.clear()

    catches_up(client)

    assert client.statuses == {task: TaskStatus.LOST}
    assert "cannot be read" in decode_failure(client.results[task].inline).evalue


def test_nothing_is_kept_for_a_client_that_has_gone(
    stage: Stage, client: Client, engine: Engine
) -> None:
    client.submit()
    lags(client)
    engine.finish(buffers=(Blob(f"e0.{engine.boot:x}-1", 5_000_000),))

    client.leave()
    history = stage.hub.state.history
    history.forget([entry.id for entry in history])
    stage.happen()

    assert stage.hub.state.blobs.counts == {}
    assert stage.hub.state.owed == {}
    assert not stage.hub.state.laggards


def test_the_blobs_of_what_is_owed_are_kept_until_it_has_arrived(
    stage: Stage, client: Client, engine: Engine
) -> None:
    [task] = client.submit()
    blob = Blob(f"e0.{engine.boot:x}-1", 5_000_000)
    lags(client)
    engine.finish(buffers=(blob,))
    kept = stage.hub.state.blobs.counts.get(blob.name, 0)

    catches_up(client)

    assert kept > 0
    assert client.statuses == {task: DONE}


def test_what_its_tasks_print_is_dropped_and_counted(client: Client, engine: Engine) -> None:
    [task] = client.submit()
    lags(client)

    engine.say(
        Output(task, "stdout", "a"), News(task, "display", b"x"), Output(task, "stderr", "b")
    )
    engine.say(News(task, "item", b"x"))
    catches_up(client)

    assert client.of(Output) == []
    assert [news.topic for news in client.of(News)] == ["item"]
    assert client.of(Notice)[0].text.startswith("3 pieces of output were dropped")


def test_the_pages_of_what_was_owed_go_once_it_has_arrived(
    stage: Stage, client: Client, engine: Engine
) -> None:
    before = len(stage.pages)
    client.submit(4)
    lags(client)
    for _ in range(4):
        engine.finish(len(engine.ids))
    catches_up(client)
    client.acknowledge()
    history = stage.hub.state.history
    history.forget([entry.id for entry in history])
    stage.happen()

    assert len(stage.pages) == before
