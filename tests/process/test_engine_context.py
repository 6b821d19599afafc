import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import tqdm

import ipcluster_ext as ipp
from ipcluster_ext.datapub import publish_data
from ipcluster_ext.protocol.ids import TaskId
from tests.support.gates import Gate, pass_through
from tests.support.notebooks import cell
from tests.support.waiting import wait_until


def publish_and_wait(gate: Path) -> None:
    """Publish before and after a gate."""
    ipp.publish(stage="before", number=1)
    pass_through(gate)
    ipp.publish(stage="after")


def publish_from_a_thread() -> None:
    """Publish from a thread of the task's own."""
    thread = threading.Thread(target=publish_data, args=({"not an identifier": 1},))
    thread.start()
    thread.join()


def publish_from_a_fork() -> str:
    """Try to publish from a process that the task forked."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            ipp.publish(wrong=True)
        except BaseException as error:  # noqa: BLE001 - a fork must not return
            os.write(writer, type(error).__name__.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader) as output:
        return output.read()


def go_through(count: int, gate: Path | None = None) -> int:
    """Go through items, and wait in the middle."""
    total = 0
    for item in ipp.progress(range(count), label="going"):
        total += item
        if gate is not None and item == count // 2:
            time.sleep(0.15)  # longer than what lies between two reports
            pass_through(gate)
    return total


def leave_early() -> None:
    """Stop half-way."""
    for item in ipp.progress(range(10)):
        if item == 4:
            return


class TestPublishing:
    def test_tells_while_the_task_runs(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[0].apply_async(publish_and_wait, gate.path)

        wait_until(lambda: result.data)
        before = dict(result.data)
        gate.open()
        result.get(10)

        assert before == {"stage": "before", "number": 1}
        assert result.data == {"stage": "after", "number": 1}

    def test_may_be_done_by_any_thread_of_a_task(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(publish_from_a_thread)
        result.get(10)

        assert result.data == {"not an identifier": 1}

    def test_arrives_before_the_answer(self, rc: ipp.Client) -> None:
        results = [rc[0].apply_async(lambda n: ipp.publish(n=n), n) for n in range(200)]

        assert [result.get(10) or result.data["n"] for result in results] == list(range(200))

    def test_of_large_arrays_arrives_whole(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(lambda: ipp.publish(zeros=bytes(3_000_000)))
        result.get(10)

        assert len(result.data["zeros"]) == 3_000_000

    def test_belongs_to_the_task_and_not_to_its_forks(self, rc: ipp.Client) -> None:
        assert rc[0].apply_async(publish_from_a_fork).get(10) == "OutsideTask"

    def test_of_what_cannot_be_pickled_raises_there(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(lambda: ipp.publish(lock=threading.Lock()))

        with pytest.raises(ipp.RemoteError, match="the data of a task cannot be sent"):
            result.get(10)

    def test_outside_of_tasks_is_an_error(self) -> None:
        with pytest.raises(ipp.OutsideTask):
            ipp.publish(nobody="listens")


class TestProgress:
    def test_is_told_while_the_task_runs(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[0].apply_async(go_through, 10, gate.path)
        wait_until(lambda: result.notes_at(0).progress is not None)
        first: Any = result.notes_at(0).progress
        gate.open()

        assert result.get(10) == 45
        assert first == (0, 10, "going")
        assert result.notes_at(0).progress == (10, 10, "going")

    def test_is_told_where_it_stopped(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(leave_early)
        result.get(10)

        assert result.notes_at(0).progress == (4, 10, "")

    def test_of_many_quick_items_is_told_now_and_then(self, rc: ipp.Client) -> None:
        told: list[Any] = []
        result = rc[0].apply_async(go_through, 100_000)
        take = result.note_news

        def note(task: TaskId, topic: str, value: Any) -> None:
            told.append(value)
            take(task, topic, value)

        result.note_news = note  # type: ignore[method-assign]
        result.get(10)

        assert result.notes_at(0).progress == (100_000, 100_000, "going")
        assert len(told) < 1000

    def test_outside_of_tasks_is_shown_here(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tqdm.auto.tqdm", tqdm.std.tqdm)  # as outside of notebooks
        items = list(ipp.progress([1, 2, 3], label="here"))

        assert items == [1, 2, 3]
        assert "here: 100%" in capsys.readouterr().err

    def test_of_unknown_length_has_no_length(self) -> None:
        with pytest.raises(TypeError):
            len(ipp.progress(iter([])))

    def test_goes_through_what_comes_asynchronously(self) -> None:
        async def count() -> AsyncIterator[int]:
            for number in range(3):
                yield number

        async def collect(items: Any) -> list[int]:
            return [item async for item in ipp.progress(items, total=3)]

        import asyncio

        assert asyncio.run(collect(count())) == [0, 1, 2]
        assert asyncio.run(collect([5, 6])) == [5, 6]
        with pytest.raises(TypeError, match="needs 'async for'"):
            list(ipp.progress(count()))


class TestDisplaying:
    SHOW = """
        def show(name):
            from IPython.display import HTML, display
            display(HTML(f"<b>{name}</b>"))
            return name
    """

    @pytest.mark.parametrize("call", ["show('x')", "[show(n) for n in 'xy']"])
    def test_in_a_cell_is_part_of_its_reply(self, call: str, rc: ipp.Client) -> None:
        rc[0].execute(cell_text(self.SHOW)).get(10)
        result = rc[0].execute(f"{call};")

        shown = [output["data"]["text/html"] for output in result.get(10).outputs]

        assert shown == ["<b>x</b>", "<b>y</b>"][: len(shown)]
        assert len(shown) == len(call.split("'")[1])

    def test_in_any_other_task_is_told_while_it_runs(self, rc: ipp.Client, gate: Gate) -> None:
        names = cell(self.SHOW)
        names["gate"], names["pass_through"] = gate.path, pass_through
        exec("def task():\n    show('now')\n    pass_through(gate)\n    show('later')", names)  # noqa: S102
        result = rc[0].apply_async(names["task"])

        wait_until(lambda: result.notes_at(0).outputs)
        before = [output["data"]["text/html"] for output in result.notes_at(0).outputs]
        gate.open()
        result.get(10)

        assert before == ["<b>now</b>"]
        assert [output["data"]["text/html"] for output in result.outputs] == [
            "<b>now</b>",
            "<b>later</b>",
        ]

    def test_of_figures_works_once_they_are_inline(self, rc: ipp.Client) -> None:
        pytest.importorskip("matplotlib")
        rc[0].execute("%matplotlib inline").get(30)
        code = """
            def plot():
                import matplotlib.pyplot as plt
                plt.plot([1, 2, 3])
                plt.show()
        """
        called = rc[0].apply_async(cell(code)["plot"])
        called.get(30)
        ran = rc[0].execute("import matplotlib.pyplot as plt\nplt.plot([1, 2]);").get(30)

        assert ["image/png" in output["data"] for output in called.outputs] == [True]
        refused = rc[0].execute("get_ipython().enable_gui('qt')")

        assert ["image/png" in output["data"] for output in ran.outputs] == [True]
        with pytest.raises(ipp.RemoteError, match="engines have no windows"):
            refused.get(10)


def cell_text(code: str) -> str:
    """Return a cell without the indentation it has here."""
    import textwrap

    return textwrap.dedent(code)


def test_a_task_knows_itself(rc: ipp.Client) -> None:
    result = rc[1].options(label="who").apply_async(ipp.current_task)

    assert result.get(10) == (result.msg_ids[0], 1, "who")
    assert ipp.current_task() is None
