"""The hub runs nobody's code: what it executes, compiles or unpickles is noted by an audit hook."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.protocol import messages as say
from ipcluster_ext.protocol.ids import ClientId, EngineId, first_task
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.files import client_socket, engine_socket
from tests.security.intruder import Intruder
from tests.support.scripted_hub import instead_of_hubs

HOOK = """
import os

def watched():
    import pickle, sys, threading
    noted = os.open({file!r}, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    kinds = ("pickle.find_class", "marshal.loads", "exec", "compile", "os.system", "os.exec",
             "os.posix_spawn", "os.fork", "subprocess.Popen", "code.__new__")

    def note(event, arguments):
        if event not in kinds:
            return
        frame = sys._getframe(1)
        while frame is not None:
            if "importlib" in frame.f_code.co_filename:
                return  # a module of ours is read
            frame = frame.f_back
        os.write(noted, (event + " " + ascii(arguments)[:200] + "\\n").encode())

    sys.addaudithook(note)
    thread = threading.Thread(target=pickle.loads, args=(b"cbuiltins\\nlen\\n.",))
    thread.start()
    thread.join()
    return real()
""" + instead_of_hubs("watched")


class Evil:
    """Something that leaves a trace where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.path,)


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have hubs note what they run; they must have run nothing but what shows that they note."""
    path = tmp_path / "noted"
    (tmp_path / "sitecustomize.py").write_text(HOOK.format(file=str(path)))
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{before}" if before else str(tmp_path))
    yield path
    assert path.read_text().splitlines() == ["pickle.find_class ('builtins', 'len')"]


def _define() -> type:
    class Own:
        """A class that only its user has."""

        def __init__(self, value: int) -> None:
            self.value = value

    return Own


def test_whatever_users_and_intruders_send_it(noted: Path, runtime: Path, tmp_path: Path) -> None:
    import pickle

    trace = tmp_path / "hub-was-here"
    evil = pickle.dumps(Evil(str(trace)))
    own = _define()
    cluster = ipp.Cluster(n=1, ip="127.0.0.1")
    with cluster as client:
        view = client.load_balanced_view()
        assert view.apply_async(lambda x: x.value + 1, own(1)).get(20) == 2
        assert view.apply_async(lambda: own(3)).get(20).value == 3
        with pytest.raises(ipp.RemoteError):
            view.apply_async(lambda: 1 / 0).get(20)
        assert client[:].execute("a = 1").get(20) is not None
        assert len(client.history()) == 4

        intruder = Intruder(client_socket(cluster.folder), b"evil")
        engine = Intruder(engine_socket(cluster.folder), b"evil")
        item = TaskItem(first_task(ClientId(5), 0), evil)
        result = ResultItem(item.id, TaskStatus.FAILED, 0.0, 0.0, evil)
        intruder.say([say.ClientHello(ClientId(5), "here", 1, client.session)])
        intruder.say(
            [
                say.Define(b"evil" * 4, evil),
                say.Submit(TaskSpec(Kind.EXECUTE, engines=(EngineId(9),)), [item]),
                say.Supply([result]),
                say.HistoryQuery(1, evil),
                say.Prepare("evil", TaskSpec(Kind.APPLY, b"evil" * 4), item, [EngineId(0)]),
                say.Prepare("evil", TaskSpec(Kind.APPLY), item, []),
            ]
        )
        engine.say([say.Done([result]), say.News(item.id, "display", evil)])
        for each in (intruder, engine):
            each.close()
        assert client[:].apply_async(pow, 2, 3).get(20) == [8]
        hub = client.hub_pid
    assert hub
    assert not trace.exists()
