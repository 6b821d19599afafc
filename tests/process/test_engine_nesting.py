import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.engine.nesting import DEEP
from tests.process.clients import engines
from tests.support.clusters import Started
from tests.support.gates import Gate, pass_through
from tests.support.tasks import error_of
from tests.support.waiting import wait_until


def here() -> ipp.LoadBalancedView:
    return ipp.get_client().load_balanced_view()


def fibonacci(number: int) -> int:
    """Let two more tasks do the work."""
    if number < 2:
        return number
    parts = [here().apply_async(fibonacci, number - less) for less in (1, 2)]
    return sum(part.get() for part in parts)


def chain(length: int) -> int:
    """Let a task do the rest."""
    return 0 if length == 0 else 1 + here().apply_sync(chain, length - 1)


def parent(children: int) -> list[int]:
    return here().map_sync(abs, range(-children, 0))  # type: ignore[no-any-return]


def parent_of_maps(depth: int) -> int:
    """Map over tasks that map over tasks."""
    return 1 if depth == 0 else sum(here().map_sync(parent_of_maps, [depth - 1] * 3))


def catch_the_error_of_a_child() -> tuple[str, int]:
    """Go on after a child has failed, with another."""
    try:
        here().apply_sync(divmod, 1, 0)
    except ZeroDivisionError as error:
        return type(error).__name__, here().apply_sync(abs, -1)
    return "none", 0


def pass_on_the_error_of_a_child() -> None:
    here().apply_sync(divmod, 1, 0)


def child_of_this_engine() -> int:
    """Wait for a task that only the engine itself can do."""
    task = ipp.current_task()
    assert task is not None
    return int(ipp.get_client()[task.engine].apply_sync(os.getpid))


def wait_at(gate: Path, begun: Path) -> str:
    """Wait for a child that waits at a gate."""
    child = here().apply_async(pass_through, gate, "passed")
    begun.touch()
    return str(child.get())


def wait_through(gate: Path, begun: Path, way: str) -> Any:
    """Wait for a child in one of the ways there are."""
    child = here().apply_async(pass_through, gate, "passed")
    begun.touch()
    if way == "result":
        return child.result()
    if way == "wait":
        while not child.wait(0.05):
            time.sleep(0)
        return child.get()
    if way == "iterate":
        return next(iter(here().map_async(pass_through, [gate], ["passed"])))
    return here().apply_sync(pass_through, gate, "passed")


def touch_and_pass(begun: Path, gate: Path) -> object:
    begun.touch()
    return pass_through(gate, "undisturbed")


def speak(name: str, depth: int) -> str:
    """Write before and after a child does."""
    sys.stdout.write(f"{name}{depth}<")
    ipp.publish(before=name)
    if depth:
        here().apply_sync(speak, name, depth - 1)
    sys.stdout.write(f">{name}{depth}")
    ipp.publish(after=name)
    return name


def limited_child() -> str:
    """Wait for a child that takes too long."""
    try:
        here().options(time_limit=0.2).apply_sync(time.sleep, 1000)
    except ipp.TaskTimeout:
        return "the child was stopped"
    return "nobody was stopped"


def frames_left() -> int:
    """Tell how deep the stack may get from here."""

    def fall(depth: int) -> int:
        try:
            return fall(depth + 1)
        except RecursionError:
            return depth

    return fall(0)


def chain_and_fall(length: int) -> int:
    return here().apply_sync(chain_and_fall, length - 1) if length else frames_left()


def wait_on_a_thread() -> int:
    """Wait for a child on a thread of the task's own."""
    values: list[int] = []
    thread = threading.Thread(target=lambda: values.append(here().apply_sync(abs, -5)))
    thread.start()
    thread.join()
    return values[0]


def kill_from_inside() -> None:
    here().apply_sync(os.kill, os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def two() -> Iterator[ipp.Client]:
    """Start few engines, so that all of them wait."""
    with engines(2) as client:
        yield client


@pytest.fixture
def rc(two: ipp.Client) -> Iterator[ipp.Client]:
    """Lend the engines; they have to be idle afterwards."""
    yield two
    assert two[:].apply_async(abs, -1).get(10) == [1, 1]
    assert two.wait(timeout=10)
    wait_until(lambda: [two.queue_status()[engine]["tasks"] for engine in two.ids] == [0, 0])


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    return tmp_path / "begun"


class TestTasksOfTasks:
    def test_compute_fibonacci_numbers(self, rc: ipp.Client) -> None:
        assert rc.load_balanced_view().apply_async(fibonacci, 10).get(60) == 55

    def test_run_although_every_engine_has_a_parent(self, rc: ipp.Client) -> None:
        results = [rc[:].apply_async(parent, 20) for _ in range(3)]

        expected = [list(range(20, 0, -1))] * 2
        assert [result.get(30) for result in results] == [expected] * 3

    def test_run_although_there_are_more_parents_than_engines(self, rc: ipp.Client) -> None:
        result = rc.load_balanced_view().map_async(parent, [20] * 50)

        assert result.get(60) == [list(range(20, 0, -1))] * 50

    def test_may_be_maps_of_maps(self, rc: ipp.Client) -> None:
        assert rc.load_balanced_view().apply_async(parent_of_maps, 4).get(60) == 81

    def test_may_be_for_the_very_engine_that_waits(self, rc: ipp.Client) -> None:
        pids = rc[:].apply_sync(os.getpid)

        assert rc[:].apply_async(child_of_this_engine).get(10) == pids

    @pytest.mark.parametrize("length", [DEEP // 2, 3 * DEEP])
    def test_may_be_a_chain(self, length: int, rc: ipp.Client) -> None:
        assert rc.load_balanced_view([0]).apply_async(chain, length).get(60) == length

    def test_may_be_waited_for_on_other_threads(self, rc: ipp.Client) -> None:
        assert rc.load_balanced_view().apply_async(wait_on_a_thread).get(10) == 5

    def test_may_be_a_cell_that_runs_cells(self, rc: ipp.Client) -> None:
        code = """
            import ipcluster_ext as ipp
            inner = ipp.get_client()[engine_id].execute("6 * 7", silent=False).get()
            text = inner.execute_result["data"]["text/plain"]
        """
        outer = rc[0].execute(cell_text(code), silent=False).get(10)

        assert outer.execute_result is None
        assert rc[0]["text"] == "42"

    @pytest.mark.parametrize("way", ["result", "wait", "iterate", "sync"])
    def test_may_be_waited_for_in_any_way(
        self, way: str, rc: ipp.Client, gate: Gate, begun: Path
    ) -> None:
        result = rc.load_balanced_view().apply_async(wait_through, gate.path, begun, way)
        wait_until(begun.exists)
        gate.open()

        assert result.get(10) == "passed"


class TestOtherTasks:
    def test_run_inside_one_that_waits_for_long(
        self, rc: ipp.Client, gate: Gate, begun: Path
    ) -> None:
        waiting = rc.load_balanced_view([0]).apply_async(wait_at, gate.path, begun)
        wait_until(begun.exists)

        assert rc[0].apply_async(abs, -1).get(10) == 1
        assert not waiting.done()
        gate.open()
        assert waiting.get(10) == "passed"

    def test_do_not_mix_their_words_with_those_of_whom_they_run_inside(
        self, rc: ipp.Client
    ) -> None:
        results = [rc[0].apply_async(speak, name, 3) for name in ("a", "b", "c")]
        names = [result.get(20) for result in results]

        assert names == ["a", "b", "c"]
        assert [result.stdout for result in results] == ["a3<>a3", "b3<>b3", "c3<>c3"]
        assert [result.data for result in results] == [
            {"before": name, "after": name} for name in names
        ]

    def test_have_as_much_of_the_stack_as_ever(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view([0])
        alone = view.apply_async(chain_and_fall, 0).get(10)

        inside = view.apply_async(chain_and_fall, 30).get(20)

        assert inside >= alone
        assert view.apply_async(chain_and_fall, 0).get(10) <= alone + 10


class TestErrors:
    def test_of_a_child_can_be_caught(self, rc: ipp.Client) -> None:
        results = [rc[:].apply_async(catch_the_error_of_a_child) for _ in range(5)]

        assert [result.get(10) for result in results] == [[("ZeroDivisionError", 1)] * 2] * 5

    def test_of_a_child_may_be_the_parents(self, rc: ipp.Client) -> None:
        error = error_of(rc[0].apply_async(pass_on_the_error_of_a_child))

        assert isinstance(error, ZeroDivisionError)
        assert isinstance(error, ipp.RemoteError)

    def test_of_an_engine_that_dies_inside_a_child_are_of_all_that_ran_there(
        self, rc: ipp.Client
    ) -> None:
        error = error_of(rc.load_balanced_view([0]).apply_async(kill_from_inside))

        assert isinstance(error, ipp.EngineLost)
        assert rc[0].apply_async(abs, -1).get(10) == 1


class TestStopping:
    def test_a_parent_that_waits_leaves_its_engine_as_it_was(
        self, rc: ipp.Client, gate: Gate, begun: Path
    ) -> None:
        before = rc[:].apply_sync(os.getpid)
        result = rc.load_balanced_view().apply_async(wait_at, gate.path, begun)
        wait_until(begun.exists)

        result.interrupt()
        error = error_of(result)
        gate.open()

        assert isinstance(error, ipp.RemoteError)
        assert error.ename == "KeyboardInterrupt"
        assert rc[:].apply_async(os.getpid).get(10) == before

    def test_a_parent_waits_for_the_end_of_what_runs_inside(
        self, rc: ipp.Client, gate: Gate, begun: Path
    ) -> None:
        other, inside = Gate(begun.with_name("other gate")), begun.with_name("inside")
        result = rc.load_balanced_view([0]).apply_async(wait_at, gate.path, begun)
        wait_until(begun.exists)
        nested = rc[0].apply_async(touch_and_pass, inside, other.path)
        wait_until(inside.exists)

        result.interrupt()
        other.open()

        assert nested.get(10) == "undisturbed"
        error = error_of(result)
        gate.open()
        assert isinstance(error, ipp.RemoteError)
        assert error.ename == "KeyboardInterrupt"

    def test_a_parent_by_its_time_limit(self, rc: ipp.Client, gate: Gate, begun: Path) -> None:
        rc[:].apply_async(abs, -1).get(10)
        view = rc.load_balanced_view().options(time_limit=0.3)

        error = error_of(view.apply_async(wait_at, gate.path, begun))
        gate.open()

        assert isinstance(error, ipp.TaskTimeout)

    def test_a_child_by_its_time_limit(self, rc: ipp.Client) -> None:
        result = rc.load_balanced_view([0]).apply_async(limited_child)

        assert result.get(20) == "the child was stopped"


def same_client() -> bool:
    return ipp.get_client() is ipp.get_client()


def use_after_close() -> int:
    """Close the client, and ask for it again."""
    ipp.get_client().close()
    return int(here().apply_sync(abs, -3))


class TestTheClient:
    def test_is_one_for_all_tasks_of_an_engine(self, rc: ipp.Client) -> None:
        assert rc[:].apply_async(same_client).get(10) == [True, True]

    def test_is_opened_again_if_somebody_closed_it(self, rc: ipp.Client) -> None:
        assert rc[0].apply_async(use_after_close).get(10) == 3

    def test_is_not_to_be_had_outside_of_tasks(self) -> None:
        with pytest.raises(ipp.OutsideTask, match="gives a client inside tasks only"):
            ipp.get_client()


def test_engines_with_clients_end_with_their_cluster(started: Started) -> None:
    results = started.client[:].apply_async(parent, 3)

    assert results.get(10) == [[3, 2, 1]] * 2


def cell_text(code: str) -> str:
    """Return a cell without the indentation it has here."""
    import textwrap

    return textwrap.dedent(code)
