"""What the stop button does while a cell waits for engines."""

import re
from pathlib import Path

from tests.support.cells import Cell
from tests.support.gates import Gate
from tests.support.kernels import Notebook
from tests.support.reading import by_engine
from tests.support.waiting import wait_until

WAIT = (
    "from tests.support.gates import pass_through; from pathlib import Path\n"
    "Path({!r}).with_suffix('.' + str(__import__('os').getpid())).touch()\n"
    "pass_through(Path({!r}))"
)


def begun(gate: Gate, count: int) -> bool:
    """Tell whether a cell has begun on so many engines."""
    return len(list(gate.path.parent.glob(f"{gate.path.name}.*"))) >= count


def start(notebook: Notebook, gate: Gate, line: str = "%%px", *, count: int = 4) -> Cell:
    cell = notebook.start(f"{line}\n{WAIT.format(str(gate.path), str(gate.path))}")
    wait_until(lambda: begun(gate, count))
    return cell


SLOW = re.compile(r"ipcluster_ext: engines? \S+ did not stop within .*\n")
"""What is said of engines on a busy machine."""


def said_by(cell: Cell) -> str:
    """Return what a cell that was stopped says, but for how long that took."""
    return SLOW.sub("", cell.text)


class TestTheStopButton:
    def test_interrupts_what_the_cell_runs_and_shows_one_line(
        self, four_in_notebook: Notebook, gate: Gate
    ) -> None:
        cell = start(four_in_notebook, gate)
        four_in_notebook.interrupt()
        cell.wait(10)

        assert cell.error is not None
        assert cell.error.ename == "KeyboardInterrupt"
        assert said_by(cell) == "KeyboardInterrupt: engines 0-3 interrupted\n"
        assert by_engine(four_in_notebook.ok("%px 7").text) == [f"Out[{n}]: 7" for n in range(4)]

    def test_leaves_tasks_of_others_alone(self, four_in_notebook: Notebook, gate: Gate) -> None:
        other = Gate(Path(f"{gate.path}-other"))
        four_in_notebook.ok(
            "from tests.support.gates import pass_through; from pathlib import Path\n"
            f"theirs = rc[0].apply_async(pass_through, Path({str(other.path)!r}))\n"
            "while not theirs.running(): pass"
        )
        cell = start(four_in_notebook, gate, count=3)
        four_in_notebook.interrupt()
        cell.wait(10)
        other.open()

        assert said_by(cell) == "KeyboardInterrupt: engines 1-3 interrupted\n"
        assert four_in_notebook.value("theirs.get(10)") == "None"

    def test_stops_waiting_only_if_nothing_is_to_be_signalled(
        self, four_in_notebook: Notebook, gate: Gate
    ) -> None:
        cell = start(four_in_notebook, gate, "%%px --signal-on-interrupt 0 -o ar")
        four_in_notebook.interrupt()
        cell.wait(10)

        assert "stopped waiting: the code goes on" in cell.text
        assert four_in_notebook.value("ar.done()") == "False"
        gate.open()
        four_in_notebook.ok("%pxresult")

    def test_sends_another_signal_if_one_was_chosen(
        self, four_in_notebook: Notebook, gate: Gate
    ) -> None:
        four_in_notebook.ok(
            "%%px\nimport signal, sys\n"
            "_ = signal.signal(signal.SIGUSR1, lambda *_: sys.exit('heard'))"
        )
        cell = start(four_in_notebook, gate, "%%px --signal-on-interrupt SIGUSR1 -o ar")
        four_in_notebook.interrupt()
        cell.wait(10)

        assert cell.error is not None
        assert cell.error.ename == "KeyboardInterrupt"
        assert "heard" in four_in_notebook.value("str(ar.exception())")

    def test_again_ends_the_waiting_for_what_does_not_stop(
        self, four_in_notebook: Notebook, gate: Gate
    ) -> None:
        wait = WAIT.format(str(gate.path), str(gate.path)).replace("\n", "\n    ")
        again = wait.replace("'.' + str(__import__('os').getpid())", "'.again'")
        cell = four_in_notebook.start(
            f"%%px -t 2 -o ar\ntry:\n    {wait}\nexcept KeyboardInterrupt:\n    {again}"
        )
        wait_until(lambda: begun(gate, 1))
        four_in_notebook.interrupt()
        wait_until(gate.path.with_suffix(".again").exists)
        assert not cell.done
        four_in_notebook.interrupt()
        cell.wait(10)

        assert "stopped waiting: engine 2 did not stop" in cell.text
        gate.open()
        four_in_notebook.ok("ar.get()")

    def test_while_a_result_is_waited_for_leaves_the_work_alone(
        self, four_in_notebook: Notebook, gate: Gate
    ) -> None:
        start(four_in_notebook, gate, "%%px --noblock -o ar").wait(10)
        cell = four_in_notebook.start("print('waiting')\n%pxresult")
        cell.wait_for(lambda cell: "waiting" in cell.text)
        four_in_notebook.interrupt()
        cell.wait(10)

        assert cell.error is not None
        assert cell.error.ename == "KeyboardInterrupt"
        assert cell.text.count("\n") == 2
        assert four_in_notebook.value("ar.done()") == "False"
        gate.open()
        four_in_notebook.ok("ar.get()")

    def test_stops_a_cell_that_runs_here_as_well(
        self, four_in_notebook: Notebook, gate: Gate
    ) -> None:
        cell = start(four_in_notebook, gate, "%%px --local -o ar", count=5)
        four_in_notebook.interrupt()
        cell.wait(10)

        assert cell.status == "error"
        assert four_in_notebook.value("ar.done()") == "True"
