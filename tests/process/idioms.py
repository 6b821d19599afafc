"""Programs as they are written for ipyparallel 9, one function for each row of its reference.

Each takes the module, under the name that such programs give it, a client of a cluster of four
engines, and asserts what ipyparallel does, wherever that is sound. Nothing in here knows whose
module it is: nearly all of the functions hold for ipyparallel itself as well.
"""

# mypy: disallow-untyped-decorators=False
# ruff: noqa: PT017, PTH110, SIM105
import operator
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, as_completed
from concurrent.futures import wait as wait_for
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Program = Callable[[Any, Any], None]
PROGRAMS: dict[str, Program] = {}


def row(name: str) -> Callable[[Program], Program]:
    """Enter a program under the row that it shows."""

    def enter(program: Program) -> Program:
        PROGRAMS[name] = program
        return program

    return enter


def square(x: int) -> int:
    return x * x


def divide(x: float, y: float) -> float:
    return x / y


def slow_square(x: int) -> int:
    import time

    time.sleep(0.005)
    return x * x


# ---------------------------------------------------------------- F: the client


@row("F1")
def attributes_of_a_client(ipp: Any, rc: Any) -> None:
    assert rc.ids == [0, 1, 2, 3]
    assert rc.block is False
    ar = rc[:].apply_async(square, 3)
    ar.get()
    assert rc.history[-4:] == ar.msg_ids
    assert isinstance(rc.outstanding, set)
    assert rc.metadata[ar.msg_ids[0]]["engine_id"] == 0
    assert rc.results[ar.msg_ids[0]] == 9


@row("F2")
def a_client_as_a_sequence(ipp: Any, rc: Any) -> None:
    assert len(rc) == 4
    assert rc[0].targets == 0
    assert rc[-1].targets == 3
    assert rc[1:3].targets == [1, 2]
    assert rc[::2].targets == [0, 2]
    assert rc[[3, 1]].targets == [3, 1]
    assert [view.targets for view in rc] == [0, 1, 2, 3]
    for key, error in ((99, IndexError), (None, TypeError)):
        try:
            rc[key]
        except error:
            continue
        raise AssertionError(key)


@row("F3")
def a_direct_view(ipp: Any, rc: Any) -> None:
    dview = rc.direct_view("all")
    dview.block = True
    assert dview.apply(square, 4) == [16] * 4
    assert rc.direct_view([0, 2], block=True).apply(square, 4) == [16] * 2


@row("F4")
def a_load_balanced_view(ipp: Any, rc: Any) -> None:
    view = rc.load_balanced_view([1, 2])
    ar = view.map_async(square, range(20))
    ar.get()
    assert set(ar.engine_id) <= {1, 2}


@row("F5")
def a_broadcast_view(ipp: Any, rc: Any) -> None:
    view = rc.broadcast_view()
    assert view.apply_sync(square, 5) == [25] * 4


@row("F6")
def an_executor(ipp: Any, rc: Any) -> None:
    with rc.executor() as pool:
        assert pool.submit(divide, 1, 4).result() == 0.25
        assert list(pool.map(square, range(5))) == [0, 1, 4, 9, 16]


@row("F8")
def waiting_for_engines(ipp: Any, rc: Any) -> None:
    rc.wait_for_engines(4, timeout=10, interactive=False)
    assert rc.wait_for_engines(4, timeout=10, block=False).result(10) in {None, True}


@row("F9")
def waiting_for_jobs(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(slow_square, 2)
    assert rc.wait(ar, timeout=10)
    again = rc[:].apply_async(slow_square, 2)
    assert rc.wait(again.msg_ids, timeout=10)
    assert rc.wait(-1, timeout=10)
    assert rc.wait(timeout=10)


@row("F11")
def aborting(ipp: Any, rc: Any) -> None:
    gate = Path(tempfile.mkdtemp()) / "gate"

    def block(path: str) -> None:
        import os
        import time

        while not os.path.exists(path):
            time.sleep(0.01)

    first = rc[0].apply_async(block, str(gate))
    second = rc[0].apply_async(square, 2)
    while rc.queue_status(0)["queue"] < 2:
        time.sleep(0.01)
    rc.abort(second, targets=0, block=True)
    gate.touch()
    first.get(10)
    try:
        second.get(10)
    except ipp.TaskAborted:
        pass
    else:
        raise AssertionError("it ran")
    gate.unlink()
    gate.parent.rmdir()


@row("F12")
def clearing(ipp: Any, rc: Any) -> None:
    rc[:].push({"left": 1}, block=True)
    rc.clear(block=True)
    assert rc[:].apply_sync(lambda: "left" in globals()) == [False] * 4


@row("F15")
def results_by_id(ipp: Any, rc: Any) -> None:
    ar = rc.load_balanced_view().apply_async(square, 7)
    ar.get()
    assert rc.get_result(ar.msg_ids, owner=False).get() == [49]
    assert rc.get_result(ar.msg_ids[0], owner=False).get() in (49, [49])


@row("F17")
def queues(ipp: Any, rc: Any) -> None:
    status = rc.queue_status()
    assert status["unassigned"] == 0
    assert set(status[0]) == {"queue", "completed", "tasks"}
    ar = rc[:].apply_async(square, 2)
    ar.get()
    known = rc.result_status(ar.msg_ids)
    assert sorted(known["completed"]) == sorted(ar.msg_ids)
    assert known["pending"] == []


@row("F18")
def the_history_of_the_hub(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(square, 2)
    ar.get()
    assert set(ar.msg_ids) <= set(rc.hub_history())
    found = rc.db_query({"msg_id": ar.msg_ids[1]}, keys=["msg_id", "completed"])
    assert [record["msg_id"] for record in found] == [ar.msg_ids[1]]
    assert isinstance(found[0]["completed"], datetime)


@row("F19")
def purging(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(square, 2)
    ar.get()
    rc.purge_results(ar.msg_ids)
    assert rc.db_query({"msg_id": {"$in": ar.msg_ids}}) == []
    rc.purge_everything()
    assert rc.hub_history() == []
    assert list(rc.history) == []


@row("F22")
def spinning(ipp: Any, rc: Any) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rc.spin()
        rc.spin_thread(1)
        rc.stop_spin_thread()


# ---------------------------------------------------------------- G: views


@row("G1")
def flags(ipp: Any, rc: Any) -> None:
    view = rc[:]
    assert view.set_flags(block=True) is view
    assert view.apply(square, 2) == [4] * 4
    with view.temp_flags(block=False):
        ar = view.apply(square, 2)
    assert ar.get() == [4] * 4
    assert view.block is True
    try:
        view.set_flags(nonsense=1)
    except KeyError:
        return
    raise AssertionError("a flag that does not exist")


@row("G2")
def calling(ipp: Any, rc: Any) -> None:
    assert rc[0].apply_sync(square, 3) == 9
    assert rc[[0]].apply_sync(square, 3) == [9]
    assert rc[:].apply_sync(dict, f=1, a=2) == [{"f": 1, "a": 2}] * 4
    assert rc[:].apply_async(operator.add, 1, 2).get() == [3] * 4


@row("G3")
def mapping_directly(ipp: Any, rc: Any) -> None:
    dview = rc[:]
    assert dview.map_sync(square, range(10)) == [x * x for x in range(10)]
    assert dview.map(divide, [1, 2, 3], [1, 2], block=True) == [1.0, 1.0]
    assert dview.map_sync(square, (x for x in range(3))) == [0, 1, 4]
    assert dview.map_sync(square, []) == []
    assert list(dview.map_async(square, range(5))) == [0, 1, 4, 9, 16]
    assert list(dview.imap(square, range(5))) == [0, 1, 4, 9, 16]


@row("G4")
def executing(ipp: Any, rc: Any) -> None:
    dview = rc[:]
    dview.execute("a = 5; b = a * 2", block=True)
    assert dview["b"] == [10] * 4
    dview.execute("%time c = 1", block=True)
    replies = dview.execute("a + 1", silent=False, block=True)
    assert [r.execute_result["data"]["text/plain"] for r in replies] == ["6"] * 4
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write("from_file = 12\n")
        file.flush()
        dview.run(file.name, block=True)
    assert dview["from_file"] == [12] * 4


@row("G5")
def a_view_as_a_dict(ipp: Any, rc: Any) -> None:
    dview = rc[:]
    dview["a"] = [1, 2]
    assert dview["a"] == [[1, 2]] * 4
    dview.push({"x": 1, "y": 2}, block=True)
    assert dview.pull(["x", "y"], block=True) == [[1, 2]] * 4
    assert dview.pull("x", targets=1, block=True) == 1
    assert dview.get("y") == [2] * 4
    dview.update({"z": 3})
    assert rc[2]["z"] == 3
    dview.execute("class Box: pass\nbox = Box()", block=True)
    dview["box.size"] = 4
    assert dview["box.size"] == [4] * 4


@row("G6")
def scattering(ipp: Any, rc: Any) -> None:
    dview = rc[:]
    dview.scatter("part", range(10), block=True)
    assert [list(part) for part in dview["part"]] == [[0, 1, 2], [3, 4, 5], [6, 7], [8, 9]]
    assert dview.gather("part", block=True) == list(range(10))
    dview.scatter("one", range(4), flatten=True, block=True)
    assert dview["one"] == [0, 1, 2, 3]


@row("G7")
def importing(ipp: Any, rc: Any) -> None:
    with rc[:].sync_imports(quiet=True):
        import colorsys  # noqa: F401
    assert rc[:].apply_sync(lambda: "colorsys" in globals()) == [True] * 4


@row("G11")
def remote_functions(ipp: Any, rc: Any) -> None:
    dview = rc[:]

    @dview.remote(block=True)
    def pid() -> int:
        import os

        return os.getpid()

    @dview.parallel(block=True)
    def doubled(xs: Any) -> Any:
        return [2 * x for x in xs]

    assert len(set(pid())) == 4
    assert doubled(range(8)) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert pid.__name__ == "pid"


# ---------------------------------------------------------------- H: balanced


@row("H1")
def dependencies(ipp: Any, rc: Any) -> None:
    view = rc.load_balanced_view()
    first = view.apply_async(slow_square, 2)
    with view.temp_flags(after=[first]):
        second = view.apply_async(square, 3)
    with view.temp_flags(follow=first):
        third = view.apply_async(square, 4)
    assert (second.get(10), third.get(10)) == (9, 16)
    assert second.started >= first.completed
    assert third.engine_id == first.engine_id
    failing = view.apply_async(divide, 1, 0)
    with view.temp_flags(after=failing):
        hopeless = view.apply_async(square, 3)
    try:
        hopeless.get(10)
    except (ipp.ImpossibleDependency, ipp.RemoteError) as error:
        assert "ImpossibleDependency" in repr(error)
    else:
        raise AssertionError("it ran")
    with view.temp_flags(retries=1):
        try:
            view.apply_sync(divide, 1, 0)
        except ipp.RemoteError as error:
            assert error.ename == "ZeroDivisionError"


@row("H2")
def mapping_balanced(ipp: Any, rc: Any) -> None:
    view = rc.load_balanced_view()
    assert view.map_sync(square, range(10), chunksize=3) == [x * x for x in range(10)]
    unordered = view.map_async(square, range(20), ordered=False)
    assert sorted(unordered) == sorted(x * x for x in range(20))
    mixed = view.map_sync(divide, [1, 1, 1], [1, 0, 2], return_exceptions=True)
    assert (mixed[0], mixed[2]) == (1.0, 0.5)
    assert isinstance(mixed[1], ipp.RemoteError)


@row("H3")
def mapping_lazily(ipp: Any, rc: Any) -> None:
    import itertools

    view = rc.load_balanced_view()
    results = view.imap(square, itertools.count(), max_outstanding=8)
    assert list(itertools.islice(results, 20)) == [x * x for x in range(20)]
    results.cancel()


# ---------------------------------------------------------------- I: broadcast


@row("I2")
def broadcasting(ipp: Any, rc: Any) -> None:
    view = rc.broadcast_view()
    view.push({"w": 8}, block=True)
    assert view["w"] == [8] * 4
    view.execute("w += 1", block=True)
    assert view.pull("w", block=True) == [9] * 4


# ---------------------------------------------------------------- J: results


@row("J1")
def getting(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(slow_square, 3)
    try:
        ar.get(timeout=0.0001)
    except ipp.TimeoutError:
        pass
    assert ar.get(10) == [9] * 4
    bad = rc[:].apply_async(divide, 1, 0)
    values = bad.get(return_exceptions=True)
    assert [type(value).__name__ for value in values].count("int") == 0
    assert len(values) == 4


@row("J2")
def waiting(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(slow_square, 3)
    assert ar.wait(10) is True
    done, pending = ar.wait(10, return_when="FIRST_EXCEPTION")
    assert (len(done), len(pending)) == (4, 0)


@row("J5")
def states(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(square, 3)
    ar.wait(10)
    assert Future in type(ar).__mro__
    assert ar.ready()
    assert ar.done()
    assert ar.successful()
    assert ar.exception() is None
    assert ar.result() == [9] * 4
    called: list[Any] = []
    ar.add_done_callback(called.append)
    assert called == [ar]
    single = rc.load_balanced_view().apply_async(square, 3)
    assert wait_for([single]).done == {single}
    assert list(as_completed([single])) == [single]


@row("J6")
def by_engine(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(square, 3)
    assert ar.get_dict() == {0: 9, 1: 9, 2: 9, 3: 9}
    assert rc[1:3].apply_async(square, 3).get_dict() == {1: 9, 2: 9}
    assert ar.r == [9] * 4


@row("J8")
def splitting(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(square, 3)
    parts = ar.split()
    assert [part.get() for part in parts] in ([9] * 4, [[9]] * 4)
    assert type(ar).join(*parts).get() == [9] * 4


@row("J9")
def timing(ipp: Any, rc: Any) -> None:
    ar = rc[:].map_async(slow_square, range(8))
    ar.get()
    assert ar.progress == len(ar)
    assert ar.serial_time > 0
    assert ar.wall_time > 0
    assert ar.elapsed > 0
    assert ar.timedelta(ar.submitted, ar.received) > 0


@row("J10")
def facts(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(square, 3)
    ar.get()
    assert ar.engine_id == [0, 1, 2, 3]
    assert ar["engine_id"] == [0, 1, 2, 3]
    assert ar.status == ["ok"] * 4
    assert all(isinstance(when, datetime) for when in ar.started)
    assert ar.completed[0] - ar.started[0] < timedelta(seconds=5)
    assert ar.metadata[0].msg_id == ar.msg_ids[0]
    assert ar[0] == 9
    assert ar[1:3] == [9, 9]
    one = rc[0].apply_async(print, "hello")
    one.get()
    one.wait_for_output(5)
    assert one.stdout == "hello\n"
    assert one.metadata.stdout == "hello\n"


@row("J13")
def iterating(ipp: Any, rc: Any) -> None:
    ar = rc[:].map_async(square, range(9))
    assert list(ar) == [x * x for x in range(9)]
    assert len(ar) == 9 or len(ar) == 4
    assert list(rc[:].apply_async(square, 2)) == [4] * 4


# ---------------------------------------------------------------- L, M


@row("L1")
def pools(ipp: Any, rc: Any) -> None:
    with rc.load_balanced_view().executor as pool:
        futures = [pool.submit(square, x) for x in range(10)]
        assert sorted(f.result() for f in as_completed(futures)) == [x * x for x in range(10)]


@row("M1")
def decorated(ipp: Any, rc: Any) -> None:
    @ipp.remote(rc[:], block=True)
    def three() -> int:
        """Return three."""
        return 3

    @ipp.parallel(rc.load_balanced_view(), block=True)
    def halves(xs: Any) -> Any:
        return [x / 2 for x in xs]

    assert three() == [3] * 4
    assert halves(range(6)) == [0, 0.5, 1, 1.5, 2, 2.5]
    assert three.__doc__ == "Return three."

    @ipp.parallel(rc[:], block=True)
    def one(x: Any) -> Any:
        return x

    assert one.map(range(6)) == [0, 1, 2, 3, 4, 5]


@row("M2")
def requirements(ipp: Any, rc: Any) -> None:
    @ipp.require("colorsys", scale=3)
    def scaled(x: int) -> Any:
        return colorsys.__name__, scale * x  # type: ignore[name-defined]  # noqa: F821

    assert rc.load_balanced_view().apply_sync(scaled, 2) == ("colorsys", 6)


@row("M3")
def predicates(ipp: Any, rc: Any) -> None:
    rc[:].scatter("where", rc.ids, flatten=True, block=True)

    def here(number: int) -> bool:
        return where == number  # type: ignore[name-defined,no-any-return]  # noqa: F821

    @ipp.depend(here, 2)
    def place() -> int:
        return where  # type: ignore[name-defined,no-any-return]  # noqa: F821

    view = rc.load_balanced_view()
    assert [view.apply_sync(place) for _ in range(4)] == [2] * 4
    nowhere = ipp.dependent(square, here, 17)
    try:
        view.apply_async(nowhere, 2).get(10)
    except (ipp.ImpossibleDependency, ipp.RemoteError):
        return
    raise AssertionError("it ran")


@row("M4")
def any_dependency(ipp: Any, rc: Any) -> None:
    view = rc.load_balanced_view()
    good, bad = view.apply_async(square, 2), view.apply_async(divide, 1, 0)
    view.after = ipp.Dependency([good, bad], all=False, success=True, failure=True)
    assert view.apply_async(square, 3).get(10) == 9
    view.after = ipp.Dependency([bad], success=False, failure=True)
    assert view.apply_async(square, 4).get(10) == 16


@row("M5")
def references(ipp: Any, rc: Any) -> None:
    rc[:].scatter("ids", rc.ids, flatten=True, block=True)
    rc[:]["half"] = 0.5
    assert rc[:].apply_sync(operator.mul, ipp.Reference("ids"), 2) == [0, 2, 4, 6]
    assert rc[:].apply_sync(sum, [ipp.Reference("ids"), 1]) == [1, 2, 3, 4]
    rc[:].execute("def local(x): return x + half", block=True)
    assert rc[:].apply_sync(ipp.Reference("local"), 1) == [1.5] * 4


@row("M6")
def interactive_functions(ipp: Any, rc: Any) -> None:
    rc[:]["found"] = 11

    @ipp.interactive
    def finds() -> Any:
        return found  # type: ignore[name-defined]  # noqa: F821

    assert rc[:].apply_sync(finds) == [11] * 4


# ---------------------------------------------------------------- P, U


@row("P4")
def labels(ipp: Any, rc: Any) -> None:
    view = rc.load_balanced_view()
    view.map_async(square, range(3), label="squares").get()
    found = rc.db_query({"label": {"$glob": "squa*"}}, keys=["msg_id", "label"])
    assert [record["label"] for record in found] == ["squares"] * 3


@row("U1")
def errors_by_their_module(ipp: Any, rc: Any) -> None:
    assert ipp.error.RemoteError is ipp.RemoteError
    assert ipp.error.CompositeError is ipp.CompositeError
    assert issubclass(ipp.error.TaskAborted, ipp.error.KernelError)
    assert issubclass(ipp.error.TimeoutError, Exception)


@row("U2")
def remote_errors(ipp: Any, rc: Any) -> None:
    try:
        rc[0].apply_sync(divide, 1, 0)
    except ipp.RemoteError as error:
        assert error.ename == "ZeroDivisionError"
        assert "division by zero" in error.evalue
        assert error.engine_info["engine_id"] == 0
    else:
        raise AssertionError("no error")


@row("U3")
def composite_errors(ipp: Any, rc: Any) -> None:
    try:
        rc[:].apply_sync(divide, 1, 0)
    except ipp.CompositeError as error:
        assert len(error.elist) == 4
        try:
            error.raise_exception(1)
        except ipp.RemoteError as one:
            assert one.ename == "ZeroDivisionError"
    else:
        raise AssertionError("no error")


# ---------------------------------------------------------------- what is left of F to U


@row("F7")
def activating(ipp: Any, rc: Any) -> None:
    view = rc.activate([0, 1])
    assert view.block is True
    assert view.apply(square, 3) == [9, 9]


@row("F10")
def waiting_with_a_bar(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(slow_square, 2)
    rc.wait_interactive(ar, interval=0.05, timeout=10)
    assert ar.ready()


@row("F13")
def signalling(ipp: Any, rc: Any) -> None:
    import signal

    rc.send_signal(signal.SIGCONT, targets=[0], block=True)
    rc.send_signal("SIGCONT", block=True)
    assert rc[:].apply_sync(square, 2) == [4] * 4


@row("F16")
def resubmitting(ipp: Any, rc: Any) -> None:
    ar = rc.load_balanced_view().apply_async(square, 7)
    ar.get(10)
    again = rc.resubmit(ar.msg_ids)
    assert again.get(10) in (49, [49])
    assert again.msg_ids != ar.msg_ids


@row("G8")
def picklers(ipp: Any, rc: Any) -> None:
    rc[:].use_cloudpickle()
    assert rc[:].apply_sync(lambda x: x + 1, 2) == [3] * 4


@row("G9")
def activating_a_view(ipp: Any, rc: Any) -> None:
    rc[:].activate()
    rc[0].activate(suffix="0")


@row("G10")
def what_a_view_asks_its_client(ipp: Any, rc: Any) -> None:
    view = rc[[0, 1]]
    view.push({"left": 1}, block=True)
    view.clear(block=True)
    assert view.apply_sync(lambda: "left" in globals()) == [False, False]
    ar = view.apply_async(square, 3)
    assert view.wait(ar, timeout=10)
    assert view.get_result(ar.msg_ids).get(10) == [9, 9]
    assert {0, 1} <= set(view.queue_status())


@row("G12")
def attributes_of_a_view(ipp: Any, rc: Any) -> None:
    view = rc[:]
    ar = view.apply_async(square, 3)
    ar.get(10)
    assert view.history[-4:] == ar.msg_ids
    assert not set(ar.msg_ids) & set(view.outstanding)
    assert view.results[ar.msg_ids[0]] == 9
    assert view.client is rc
    assert len(view) == 4


@row("G13")
def tracking(ipp: Any, rc: Any) -> None:
    ar = rc[0].apply_async(len, b"x" * 10_000)
    ar.wait_for_send(10)
    assert ar.sent
    assert ar.get(10) == 10_000


@row("H5")
def a_balanced_answer_is_single(ipp: Any, rc: Any) -> None:
    view = rc.load_balanced_view()
    assert view.apply_async(square, 3).get(10) == 9
    assert not hasattr(view, "push")


@row("I1")
def coalescing(ipp: Any, rc: Any) -> None:
    view = rc.broadcast_view(is_coalescing=True)
    assert view.is_coalescing is True
    assert view.apply_sync(square, 3) == [9] * 4


@row("I3")
def broadcast_maps(ipp: Any, rc: Any) -> None:
    assert rc.broadcast_view().map(square, range(8), block=True) == [x * x for x in range(8)]


@row("I4")
def broadcast_parts(ipp: Any, rc: Any) -> None:
    view = rc.broadcast_view()
    view.scatter("dealt", range(8), block=True)
    assert view.gather("dealt", block=True) == list(range(8))


@row("I5")
def broadcasts_in_the_history(ipp: Any, rc: Any) -> None:
    ar = rc.broadcast_view().apply_async(square, 3)
    ar.get(10)
    assert set(ar.msg_ids) <= set(rc.hub_history())


@row("J3")
def an_answers_bar(ipp: Any, rc: Any) -> None:
    ar = rc.load_balanced_view().map_async(slow_square, range(8))
    ar.wait_interactive(interval=0.05, timeout=10)
    assert ar.progress == len(ar)


@row("J4")
def waiting_for_output(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(print, "there")
    ar.wait_for_send(10)
    ar.get(10)
    ar.wait_for_output(10)
    assert ar.stdout == ["there\n"] * 4


@row("J7")
def aborting_an_answer(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(square, 3)
    ar.wait(10)
    try:
        ar.abort()
    except RuntimeError:
        return
    raise AssertionError("it had ended")


@row("J11")
def showing_output(ipp: Any, rc: Any) -> None:
    import contextlib
    import io

    ar = rc[:].execute("import os; print('shown', os.getpid())")
    ar.get(10)
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        ar.display_outputs()
    assert shown.getvalue().count("shown") == 4


@row("J12")
def ids_of_an_answer(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(square, 3)
    ar.get(10)
    assert len(set(ar.msg_ids)) == 4
    assert ar.owner is True


@row("J15")
def replies_of_cells(ipp: Any, rc: Any) -> None:
    reply = rc[0].execute("6 * 7", silent=False, block=True)
    assert reply.data["text/plain"] == "42"
    assert reply.metadata is not None


@row("N1")
def contiguous_parts(ipp: Any, rc: Any) -> None:
    rc[:].scatter("even", range(6), dist="b", block=True)
    assert [list(part) for part in rc[:]["even"]] == [[0, 1], [2, 3], [4], [5]]


@row("N2")
def parts_by_turns(ipp: Any, rc: Any) -> None:
    rc[:].scatter("turns", list(range(6)), dist="r", block=True)
    assert [list(part) for part in rc[:]["turns"]] == [[0, 4], [1, 5], [2], [3]]


@row("O3")
def dependencies_in_the_scheduler(ipp: Any, rc: Any) -> None:
    view = rc.load_balanced_view()
    with view.temp_flags(after=view.apply_async(divide, 1, 0)):
        hopeless = view.apply_async(square, 3)
    try:
        hopeless.get(10)
    except (ipp.ImpossibleDependency, ipp.RemoteError):
        return
    raise AssertionError("it ran")


@row("P2")
def records(ipp: Any, rc: Any) -> None:
    ar = rc[0].apply_async(square, 3)
    ar.get(10)
    (record,) = rc.db_query({"msg_id": ar.msg_ids[0]})
    assert record["started"] <= record["completed"]
    assert record["engine_uuid"]


@row("P3")
def operators(ipp: Any, rc: Any) -> None:
    ar = rc[:].apply_async(square, 3)
    ar.get(10)
    found = rc.db_query({"msg_id": {"$in": ar.msg_ids[:2]}}, keys=["msg_id"])
    assert {record["msg_id"] for record in found} == set(ar.msg_ids[:2])
    tomorrow = ar.submitted[0] + timedelta(days=1)
    later = rc.db_query({"submitted": {"$gt": tomorrow}}, keys=["msg_id"])
    assert later == []


@row("P5")
def results_for_others(ipp: Any, rc: Any) -> None:
    ar = rc[0].apply_async(square, 3)
    ar.get(10)
    with ipp.Client(rc.connection_file) as other:
        assert other.get_result(ar.msg_ids[0]).get(10) in (9, [9])


@row("U4")
def errors_that_were_shown(ipp: Any, rc: Any) -> None:
    assert issubclass(ipp.error.AlreadyDisplayedError, ipp.RemoteError)


@row("U5")
def wrapping_errors(ipp: Any, rc: Any) -> None:
    try:
        ipp.collect_exceptions([ValueError("a"), ValueError("b")], "both")
    except ipp.CompositeError as error:
        assert len(error.elist) == 2
    else:
        raise AssertionError("no error")
