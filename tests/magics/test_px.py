"""What the magics do, seen from a notebook whose first client has four engines."""

import re

import pytest

from tests.support.gates import Gate
from tests.support.kernels import Notebook
from tests.support.reading import by_engine, shown

WAIT = (
    "from tests.support.gates import pass_through; from pathlib import Path\n"
    "pass_through(Path({!r}))"
)


class TestALine:
    def test_runs_on_every_engine_of_the_first_client(self, four_in_notebook: Notebook) -> None:
        four_in_notebook.ok("%px a = 1 + 1")

        assert four_in_notebook.value("rc[:]['a']") == "[2, 2, 2, 2]"

    def test_shows_what_is_printed_and_the_value_with_the_engine(
        self, four_in_notebook: Notebook
    ) -> None:
        four_in_notebook.ok("rc[:].scatter('n', range(4), flatten=True).get()")

        cell = four_in_notebook.ok("%px print('n is', n); n * n")

        assert by_engine(cell.text) == [
            *(f"Out[{n}]: {n * n}" for n in range(4)),
            *(f"[stdout:{n}] n is {n}" for n in range(4)),
        ]

    @pytest.mark.parametrize(
        ("line", "value"),
        [
            ("b = $x", "5"),
            ("b = {x + 1}", "6"),
            ("b = '{word}'", "'theirs'"),
            ("b = {1: 2}", "{1: 2}"),
            ("b = {1, 2}", "{1, 2}"),
            ("x = 0; b = f'{x}'", "'0'"),
        ],
    )
    def test_is_filled_in_as_ipythons_magics_are_but_for_pythons_braces(
        self, four_in_notebook: Notebook, line: str, value: str
    ) -> None:
        four_in_notebook.ok(f"x, word = 5, 'theirs'\n%px {line}")

        assert four_in_notebook.value("rc[0]['b']") == value

    def test_is_filled_in_from_the_function_that_uses_it(self, four_in_notebook: Notebook) -> None:
        four_in_notebook.ok("def send(here):\n    %px b = {here}\nsend(7)")

        assert four_in_notebook.value("rc[0]['b']") == "7"

    def test_may_be_a_magic_itself(self, four_in_notebook: Notebook) -> None:
        four_in_notebook.ok("%px first = 1")

        assert "first" in four_in_notebook.ok("%px %who").text

    def test_is_not_taken_for_options(self, four_in_notebook: Notebook) -> None:
        cell = four_in_notebook.run("%px --targets 0")

        assert cell.error is not None
        assert cell.error.evalue == "4 errors"


class TestACell:
    def test_runs_as_a_whole_with_its_last_value_shown(self, four_in_notebook: Notebook) -> None:
        cell = four_in_notebook.ok("%%px -t 0\nfor i in range(2):\n    print(i)\ni")

        assert shown(cell.text) == ["[stdout:0] 0", "[stdout:0] 1", "Out[0]: 1"]

    @pytest.mark.parametrize(
        ("targets", "engines"),
        [
            ("0", [0]),
            ("-1", [3]),
            ("0,2", [0, 2]),
            ("[0, 2]", [0, 2]),
            ("::2", [0, 2]),
            ("1:3", [1, 2]),
            ("-2:", [2, 3]),
            ("all", [0, 1, 2, 3]),
        ],
    )
    def test_runs_on_its_targets_only(
        self, four_in_notebook: Notebook, targets: str, engines: list[int]
    ) -> None:
        four_in_notebook.ok(f"%%px --targets {targets}\nmine = True")

        found = four_in_notebook.value(
            "[e.targets for e in rc if e.apply_sync(lambda: 'mine' in globals())]"
        )
        assert found == str(engines)

    def test_finds_its_options_filled_in_and_its_code_as_it_is(
        self, four_in_notebook: Notebook
    ) -> None:
        four_in_notebook.ok("here = 2\n")
        four_in_notebook.ok("%%px --targets $here\nhere = 'there'\nb = f'{here}'")

        assert four_in_notebook.value("rc[2]['b']") == "'there'"

    def test_may_go_on_with_another_cell_magic(self, four_in_notebook: Notebook) -> None:
        cell = four_in_notebook.ok("%%px -t 0\n%%timeit -n1 -r1\n1 + 1")

        assert "loop" in cell.text

    def test_returns_its_answer_if_it_is_not_to_wait(
        self, four_in_notebook: Notebook, gate: Gate
    ) -> None:
        cell = four_in_notebook.ok(f"%%px --noblock -o ar\n{WAIT.format(str(gate.path))}")

        assert "AsyncExecuteResult" in cell.text
        assert four_in_notebook.value("ar.done()") == "False"
        gate.open()
        four_in_notebook.ok("ar.get()")

    def test_runs_here_as_well_with_local(self, four_in_notebook: Notebook) -> None:
        four_in_notebook.ok("%%px --local --noblock\nboth = 3")

        assert four_in_notebook.value("(both, rc[:]['both'])") == "(3, [3, 3, 3, 3])"

    def test_that_fails_here_shows_that_once_and_is_failed(
        self, four_in_notebook: Notebook
    ) -> None:
        four_in_notebook.ok("%px divisor = 1\ndivisor = 0")
        four_in_notebook.ok("%px divisor = 1")

        cell = four_in_notebook.run("%%px --local\n1 / divisor")

        assert cell.status == "error"
        assert cell.text.count("ZeroDivisionError: division by zero") == 1

    def test_is_called_by_its_label(self, four_in_notebook: Notebook) -> None:
        four_in_notebook.ok("%%px --label warm-up -o ar\n1")

        assert four_in_notebook.value("ar.label") == "'warm-up'"

    def test_starts_as_many_engines_as_it_wants(self, notebook: Notebook) -> None:
        notebook.ok("import ipcluster_ext as ipp\nrc = ipp.Cluster(n=1).start_and_connect_sync()")

        more = notebook.ok("%%px --engines 2\n5")
        fewer = notebook.ok("%%px --engines 1\n6")

        assert "started 1 more, which makes 2 engines" in more.text
        assert by_engine(more.text)[:2] == ["Out[0]: 5", "Out[1]: 5"]
        assert shown(fewer.text) == ["Out[0]: 6"]

    def test_names_its_engines_if_wanted(self, four_in_notebook: Notebook) -> None:
        cell = four_in_notebook.ok("%%px --verbose -t 1:\npass")

        assert cell.text == "ipcluster_ext: running on engines 1-3\n"

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("--tragets 1", "did you mean '--targets'?"),
            ("-t 9", "there is no engine 9"),
            ("-t x", "'x' names no engines"),
            ("-t __import__('os').abort()", "names no engines"),
            ("pass", "%%px takes options only"),
        ],
    )
    def test_that_is_mistyped_says_so_in_one_line(
        self, four_in_notebook: Notebook, line: str, said: str
    ) -> None:
        cell = four_in_notebook.run(f"%%px {line}\npass")

        assert cell.status == "error"
        assert cell.text.startswith("UsageError: ")
        assert said in cell.text
        assert cell.text.count("\n") == 1


class TestErrors:
    def test_are_shown_once_as_they_come_with_the_engines(self, four_in_notebook: Notebook) -> None:
        cell = four_in_notebook.run("%%px\nprint('before')\n1 / 0")

        assert cell.error is not None
        assert cell.error.text == "4 errors"
        assert cell.text.count("----> 2 1 / 0") == 1
        headings = re.findall(r"\[([-,0-9]+)\]: ZeroDivisionError: division by zero", cell.text)
        assert headings == ["0-3"] or len(headings) > 1  # on a slow machine they come apart
        assert cell.text.index("before") < cell.text.index("ZeroDivisionError")

    def test_that_come_early_are_shown_before_the_cell_ends(
        self, four_in_notebook: Notebook, gate: Gate
    ) -> None:
        wait = WAIT.format(str(gate.path))
        four_in_notebook.ok("rc[:].scatter('n', range(4), flatten=True).get()")

        cell = four_in_notebook.start(f"%%px\nif n == 2:\n    1 / 0\n{wait}")

        cell.wait_for(lambda cell: "[2]: ZeroDivisionError" in cell.text)
        assert not cell.done
        gate.open()
        assert cell.wait().error is not None

    def test_come_after_all_output_without_streaming(self, four_in_notebook: Notebook) -> None:
        cell = four_in_notebook.run("%%px --no-stream\nprint('before')\n1 / 0")

        assert cell.error is not None
        assert cell.error.ename == "CompositeError"
        assert cell.text.index("before") < cell.text.index("ZeroDivisionError")
        assert cell.text.count("----> 2 1 / 0") == 1

    def test_leave_the_engines_usable(self, four_in_notebook: Notebook) -> None:
        four_in_notebook.run("%px 1 / 0")

        four_in_notebook.ok("%px a = 1")


class TestDebugging:
    @pytest.mark.parametrize("options", ["", "--no-stream"])
    def test_a_cell_that_fails_leads_into_its_frame_if_wanted(
        self, four_in_notebook: Notebook, options: str
    ) -> None:
        cell = four_in_notebook.run(
            f"%%px -t 1 --debug {options}\ndef f(x):\n    return 1 / x\nf(0)",
            answers=("p 'x is', x", "q"),
        )

        assert cell.error is not None
        assert "----> 2     return 1 / x" in cell.text
        assert "('x is', 0)" in cell.text
        assert cell.text.endswith("1 error\n")

    def test_a_line_that_fails_does_too(self, four_in_notebook: Notebook) -> None:
        cell = four_in_notebook.run(
            "%px --debug divmod(1, 0)", answers=("p 'it raised', __exception__[0].__name__", "q")
        )

        assert cell.error is not None
        assert "ZeroDivisionError" in cell.text
        assert len(cell.prompts) == 2

    def test_a_cell_that_succeeds_is_not_debugged(self, four_in_notebook: Notebook) -> None:
        assert four_in_notebook.ok("%%px -t 1 --debug\n1 / 1").prompts == []


class TestTheLastResult:
    def test_is_shown_again(self, four_in_notebook: Notebook) -> None:
        four_in_notebook.ok("%%px -t 0,1\nprint('x')")

        for magic in ("%pxresult", "%result"):
            assert by_engine(four_in_notebook.ok(magic).text) == ["[stdout:0] x", "[stdout:1] x"]

    def test_is_grouped_and_stored_as_wanted(self, four_in_notebook: Notebook) -> None:
        four_in_notebook.ok("rc[:2].scatter('n', [4, 5], flatten=True).get()")
        four_in_notebook.ok("%%px -t 0,1\nprint(n)\nn")

        cell = four_in_notebook.ok("%pxresult -e -o ar")

        assert shown(cell.text) == ["[stdout:0] 4", "Out[0]: 4", "[stdout:1] 5", "Out[1]: 5"]
        assert four_in_notebook.value("len(ar)") == "2"

    def test_is_waited_for(self, four_in_notebook: Notebook, gate: Gate) -> None:
        wait = WAIT.format(str(gate.path))
        four_in_notebook.ok(f"%%px -a -t 0 --no-stream\n{wait}\nprint('ended')")

        cell = four_in_notebook.start("%pxresult")
        gate.open()

        assert "ended" in cell.wait().text

    def test_raises_what_was_raised(self, four_in_notebook: Notebook) -> None:
        four_in_notebook.ok("%%px -a -t 0 --no-stream\n1 / 0")

        cell = four_in_notebook.run("%pxresult")

        assert cell.error is not None
        assert cell.error.ename == "ZeroDivisionError"


class TestSettings:
    def test_hold_for_lines_and_for_cells_that_say_nothing_else(
        self, four_in_notebook: Notebook
    ) -> None:
        four_in_notebook.ok("%pxconfig --targets 1 --verbose")

        assert "running on engine 1\n" in four_in_notebook.ok("%px pass").text
        assert "running on engine 1\n" in four_in_notebook.ok("%%px\npass").text
        assert "running on engine 2\n" in four_in_notebook.ok("%%px -t 2\npass").text
        four_in_notebook.ok("%pxconfig --targets all --no-verbose")

    def test_can_be_not_to_wait(self, four_in_notebook: Notebook) -> None:
        four_in_notebook.ok("%pxconfig --noblock")

        four_in_notebook.ok("%px 1")
        assert four_in_notebook.value("type(_).__name__") == "'AsyncExecuteResult'"
        assert shown(four_in_notebook.ok("%%px --block -t 0\n1").text) == ["Out[0]: 1"]
        four_in_notebook.ok("%pxconfig --block")

    def test_refuse_engines_that_are_not_there(self, four_in_notebook: Notebook) -> None:
        assert "there is no engine 7" in four_in_notebook.run("%pxconfig --targets 7").text

    def test_are_told(self, four_in_notebook: Notebook) -> None:
        four_in_notebook.ok("%pxconfig --targets ::2")
        first, second = four_in_notebook.ok("%pxconfig").text.splitlines()
        four_in_notebook.ok("%pxconfig --targets all")

        assert first.endswith(", which has 4")
        assert second == (
            "%pxconfig --block --targets ::2 --stream --no-verbose --no-debug --progress-after 2 "
            "--signal-on-interrupt SIGINT"
        )


class TestASuffix:
    def test_has_magics_of_its_own(self, four_in_notebook: Notebook) -> None:
        four_in_notebook.ok("even = rc.activate(targets=[0, 2], suffix='_even')")
        four_in_notebook.ok("%px a = 0\n%px_even a = 1\n%pxconfig_even --verbose")

        assert four_in_notebook.value("rc[:]['a']") == "[1, 0, 1, 0]"
        assert "engines 0, 2" in four_in_notebook.ok("%%px_even\n1").text
        again = by_engine(four_in_notebook.ok("%pxresult_even").text)
        assert again == ["Out[0]: 1", "Out[2]: 1"]
        assert four_in_notebook.run("%result_even").status == "error"

    def test_follows_the_flags_of_the_view_that_was_activated(
        self, four_in_notebook: Notebook
    ) -> None:
        four_in_notebook.ok("view = rc[:]\nview.activate('_mine')")
        assert "AsyncExecuteResult" in four_in_notebook.ok("%px_mine 1").text

        four_in_notebook.ok("view.block = True\nview.targets = [1]\n%px_mine b = 2")
        four_in_notebook.ok("%pxconfig_mine --targets 0")

        assert four_in_notebook.value("rc[1]['b'], view.targets") == "(2, 0)"


class TestHelp:
    @pytest.mark.parametrize(
        ("magic", "text"),
        [
            ("%px", "Run a line of code on the engines."),
            ("%%px", "--signal-on-interrupt SIGNAL"),
            ("%pxconfig", "--cluster ID"),
            ("%pxresult", "-o, --out NAME"),
            ("%autopx", "Send every cell from now on to the engines"),
        ],
    )
    def test_says_what_a_magic_does_and_which_options_it_has(
        self, four_in_notebook: Notebook, magic: str, text: str
    ) -> None:
        cell = four_in_notebook.ok(f"{magic}?")

        assert cell.reply is not None
        assert text in cell.reply["payload"][0]["data"]["text/plain"]
