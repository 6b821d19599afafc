"""A key opens one door, and through each door only what its role may say has any effect.

The matrix follows from the tables of `protocol.messages`. Messages that would do harm if they were
obeyed are made by hand, others, and those that will be added, from their fields.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NewType, get_args, get_origin

import msgspec
import pytest

import ipcluster_ext as ipp
from ipcluster_ext.protocol import messages as say
from ipcluster_ext.protocol.buffers import dump
from ipcluster_ext.protocol.frames import encode_failure
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, first_task, parse_task
from ipcluster_ext.protocol.messages import FROM_AGENT, FROM_CLIENT, FROM_ENGINE, Message
from ipcluster_ext.protocol.parts import Failure, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.files import client_socket, engine_socket
from tests.security.guarded import Guarded
from tests.security.intruder import Intruder
from tests.support.gates import Gate, pass_through

CLIENT, ENGINE = "client", "engine"
WAYS = ("socket", "port")
HUBS = tuple(
    kind
    for kind in get_args(Message)
    if kind not in {*FROM_CLIENT, *FROM_ENGINE, *FROM_AGENT, say.Ping, say.Pong}
)
"""What only a hub says."""
FORBIDDEN = {
    ENGINE: {*FROM_CLIENT, *HUBS} - {*FROM_ENGINE, *FROM_AGENT},
    CLIENT: {*FROM_ENGINE, *FROM_AGENT, *HUBS} - {*FROM_CLIENT},
}


class Scene(NamedTuple):
    """What there is to harm: a task that ended, one that runs, and one that waits for it."""

    guarded: Guarded
    ended: ipp.AsyncResult
    running: ipp.AsyncResult
    waiting: ipp.AsyncResult
    gate: Gate
    touched: Path

    @staticmethod
    def id_of(answer: ipp.AsyncResult) -> TaskId:
        return parse_task(answer.msg_ids[0])

    @property
    def facts(self) -> dict[str, object]:
        """What must be as it was."""
        client = self.guarded.client
        return {
            "engines": client.ids,
            "queue": client.queue_status(),
            "records": [
                (record.msg_id, record.status, record.evalue, record.kept)
                for record in client.history()
            ],
            "touched": self.touched.exists(),
        }


@pytest.fixture
def scene(guarded: Guarded, tmp_path: Path) -> Iterator[Scene]:
    gate = Gate(tmp_path / "gate")
    view = guarded.client[0]
    ended = view.apply_async(pow, 2, 3)
    assert ended.get(20) == 8
    running = view.apply_async(pass_through, gate.path, "it was left alone")
    waiting = view.apply_async(pow, 2, 5)
    yield Scene(guarded, ended, running, waiting, gate, tmp_path / "touched")
    gate.open()
    assert running.get(20) == "it was left alone"
    assert waiting.get(20) == 32
    assert not (tmp_path / "touched").exists()


def _rows(scene: Scene) -> dict[type[Message], Message]:
    """Make one message of each type that would do harm, or tell a secret, if it were obeyed."""
    ended, running, waiting = (
        scene.id_of(answer) for answer in (scene.ended, scene.running, scene.waiting)
    )
    everything = [ended, running, waiting]
    engine = EngineId(0)
    own = first_task(ClientId(0x5EC), 0)
    evil = _touch(scene.touched)
    spec = TaskSpec(Kind.EXECUTE)
    item = TaskItem(own, evil)
    forged = ResultItem(running, TaskStatus.DONE, 0.0, 0.0, dump("forged").stream)
    failure = encode_failure(Failure("Forged", "forged", "", b"", engine))
    lost = ResultItem(waiting, TaskStatus.FAILED, 0.0, 0.0, failure)
    query = b"{}"
    rows: list[Message] = [
        say.ClientHello(ClientId(0x5EC), "here", 1, "intruder"),
        say.Define(b"d" * 16, dump(print).stream),
        say.Submit(spec, [item]),
        say.SubmitEach(spec, item, [engine]),
        say.Ran(spec, [item], [forged], engine),
        say.Cancel(everything, 1),
        say.Steer(1, "stop", [engine]),
        say.QueueQuery(1),
        say.Interrupt(everything, 1, [0.1, 0.1]),
        say.Supply([forged]),
        say.Release(everything),
        say.Fetch(1, everything),
        say.HistoryQuery(1, query),
        say.Purge(1, query),
        say.Resubmit(1, [ended], own),
        say.More(running, 9),
        say.InputReply(running, 0, "forged"),
        say.Prepare("evil", spec, item, []),
        say.Awaiting([ended], [1]),
        say.Holding([forged]),
        say.Lent(["e0x1-1"]),
        say.Over(spec, [item], [forged], [engine]),
        say.EngineHello(engine, 1, 1, "here", 1),
        say.Done([forged, lost]),
        say.Returned(everything),
        say.Output(running, "stdout", "forged"),
        say.Started([waiting]),
        say.News(running, "display", b"forged"),
        say.Waiting(5),
        say.AgentHello(1, "here", 1, 3),
        say.EngineExited(engine, 1, "forged", running, again=False),
        *_what_a_hub_says(everything, forged, spec, item),
    ]
    return {type(row): row for row in rows}


def _plain(kind: Any) -> Any:
    """Make a value of a type."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        return kind(*(_plain(field.type) for field in fields if field.required))
    if isinstance(kind, NewType):
        return _plain(kind.__supertype__)
    origin = get_origin(kind)
    if origin is not None:
        return origin() if origin in {list, dict, tuple} else _plain(get_args(kind)[0])
    return kind()


def _touch(path: Path) -> bytes:
    """Make the payload of a cell that would leave a trace."""
    return dump({"code": f"open({str(path)!r}, 'w').close()", "silent": True}).stream


def _what_a_hub_says(
    everything: list[TaskId], forged: ResultItem, spec: TaskSpec, item: TaskItem
) -> list[Message]:
    engine = EngineId(0)
    rows: list[Any] = [
        say.Welcome(1, "here", ""),
        say.Refused("forged"),
        say.Engines([]),
        say.Results(engine, [forged]),
        say.Cancelled(1, everything),
        say.Steered(1, [engine]),
        say.QueueReply(1, 0, {}),
        say.Need(b"d" * 16),
        say.Lack(everything),
        say.Fetched(1, {}),
        say.Records(1, []),
        say.Purged(1, 9),
        say.Notice("forged"),
        say.Run(spec, [item]),
        say.Recall(9),
        say.Drop(everything),
        say.Undefine([b"d" * 16]),
        say.Values([forged]),
        say.Forget(everything),
        say.Halt(everything),
        say.FreeBlobs(["c1-1"]),
        say.SweepBlobs("c1", []),
        say.StartEngines([EngineId(77)]),
        say.StopEngines([engine]),
        say.SignalEngines([engine], 9),
    ]
    return rows


Enter = Callable[[str, str], Intruder]


@pytest.fixture
def enter(guarded: Guarded) -> Iterator[Enter]:
    """Come in as a role does."""
    folder, came = guarded.cluster.folder, list[Intruder]()

    def enter(role: str, way: str) -> Intruder:
        if way == "socket":
            path = client_socket(folder) if role == CLIENT else engine_socket(folder)
            came.append(Intruder(path, b"intruder"))
        else:
            address = guarded.tcp(guarded.own if role == CLIENT else guarded.engines)
            came.append(Intruder(address, b"intruder"))
        return came[-1]

    yield enter
    for intruder in came:
        intruder.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("role", "kind"),
    [
        pytest.param(role, kind, id=f"{role}-{kind.__name__}")
        for role, kinds in FORBIDDEN.items()
        for kind in sorted(kinds, key=lambda kind: kind.__name__)
    ],
)
def test_what_is_not_a_roles_to_say_has_no_effect_and_no_answer(
    role: str, kind: type[Message], way: str, scene: Scene, enter: Enter
) -> None:
    message = _rows(scene).get(kind) or _plain(kind)
    before = scene.facts
    intruder = enter(role, way)

    intruder.say([message])

    assert (intruder.heard, scene.facts) == ([], before)


@pytest.mark.parametrize("way", WAYS)
def test_the_same_has_an_effect_when_it_is_said_by_who_may(
    way: str, scene: Scene, enter: Enter
) -> None:
    """Or the tests above would prove nothing."""
    rows = _rows(scene)
    client = enter(CLIENT, way)

    client.say([rows[say.ClientHello], rows[say.QueueQuery]])

    assert isinstance(client.hear(say.Welcome), say.Welcome)
    assert isinstance(client.hear(say.QueueReply), say.QueueReply)


@pytest.mark.parametrize("way", WAYS)
def test_the_cell_that_engines_may_not_submit_runs_when_a_client_does(
    way: str, guarded: Guarded, enter: Enter, tmp_path: Path
) -> None:
    item = TaskItem(first_task(ClientId(0x5EC), 0), _touch(tmp_path / "touched"))
    client = enter(CLIENT, way)

    client.say([say.ClientHello(ClientId(0x5EC), "here", 1, guarded.client.session)])
    client.say([say.Submit(TaskSpec(Kind.EXECUTE), [item])])
    client.hear(say.Results)

    assert (tmp_path / "touched").exists()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "kind", [kind for kind in (*FROM_ENGINE, *FROM_AGENT) if kind is not say.Bye]
)
def test_an_engine_that_nobody_started_settles_no_task_of_others(
    kind: type[Message], way: str, scene: Scene, enter: Enter
) -> None:
    message, before = _rows(scene).get(kind) or _plain(kind), scene.facts
    intruder = enter(ENGINE, way)

    intruder.say([message] if kind is not say.AgentHello else [say.AgentHello(9, "here", 1, 0)])

    assert scene.facts == before
    assert not any(isinstance(each, say.Run | say.Values) for each in intruder.heard)
