"""The examples do what they say, and leave nothing behind."""

import re
from pathlib import Path

import pytest

from examples.scripts.survey_modules import Figures, measure_source
from tests.examples.running import ROOT, output_of

SCRIPTS = ROOT / "examples" / "scripts"


class TestSurvey:
    @pytest.fixture(scope="class")
    @staticmethod
    def survey(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
        """Run it once; return what it printed, and where its picture is to be."""
        plot = tmp_path_factory.mktemp("survey") / "new folder" / "picture.png"
        options = ("--quick", "-n", "2", "--plot", str(plot))
        return output_of(SCRIPTS / "stdlib_survey.py", *options), plot

    def test_says_how_many_modules_it_measured(self, survey: tuple[list[str], Path]) -> None:
        lines, _ = survey

        (announced,) = [
            int(found[1])
            for line in lines
            if (found := re.fullmatch(r"Measuring (\d+) modules, load-balanced", line))
        ]
        (measured, refused) = next(
            (int(found[1]), int(found[2]))
            for line in lines
            if (found := re.match(r"(\d+) modules in .* s; (\d+) files are not Python", line))
        )
        assert announced == measured + refused
        assert measured > 10

    def test_has_every_engine_take_its_half_of_the_seeds(
        self, survey: tuple[list[str], Path]
    ) -> None:
        lines, _ = survey

        said = [line.split(" of ")[0] for line in lines if line.startswith("[engine ")]
        assert said == ["[engine 0] 500 samples", "[engine 1] 500 samples"]

    def test_shows_where_on_the_engine_an_error_was_raised(
        self, survey: tuple[list[str], Path]
    ) -> None:
        text = "\n".join(survey[0])

        assert re.search(r"caught as SyntaxError: \[engine [01]\] SyntaxError: Missing paren", text)
        assert re.search(r'File ".*survey_modules.py", line \d+, in measure_source', text)

    def test_compares_three_ways_in_a_table(self, survey: tuple[list[str], Path]) -> None:
        lines, _ = survey

        ways = "|".join(("one core", "process pool", "cluster"))
        rows = [
            found[1]
            for line in lines
            if (found := re.fullmatch(rf"  ({ways}) +\d+\.\d+ +\d+\.\d+ +\d+\.\d+ ×", line))
        ]
        assert rows == ["one core", "process pool", "cluster"]

    def test_draws_a_picture_and_says_where_it_is(self, survey: tuple[list[str], Path]) -> None:
        lines, plot = survey

        assert f"A picture: {plot}" in lines
        assert plot.read_bytes().startswith(b"\x89PNG")

    def test_says_that_nothing_is_left(self, survey: tuple[list[str], Path]) -> None:
        """An agent, a hub, a zygote and two engines; a runtime folder and a blob folder."""
        lines, _ = survey

        assert lines[-1] == "Nothing is left: 5 processes have ended, 2 folders are gone."


class TestMeasuring:
    def test_counts_what_a_module_has(self) -> None:
        source = b"""
class A:
    def f(self, x):
        if x and self:
            return [y for y in x if y]
        elif x is None:
            return 0
        return 1
"""
        assert measure_source(source, "pack.age") == Figures(
            module="pack.age",
            package="pack",
            lines=8,
            functions=1,
            classes=1,
            nesting=3,
            complexity=5,
            hardest="A.f",
            hardest_complexity=5,
        )

    def test_takes_an_elif_to_be_as_deep_as_its_if(self) -> None:
        chain = b"if a: pass\nelif b: pass\nelif c: pass\nelse: pass\n"

        assert measure_source(chain, "chain").nesting == 1

    def test_of_an_empty_module_finds_nothing(self) -> None:
        figures = measure_source(b"", "empty")

        assert (figures.lines, figures.complexity, figures.hardest) == (0, 0, "")

    def test_refuses_what_is_not_python(self) -> None:
        with pytest.raises(SyntaxError, match="old, line 1"):
            measure_source(b"print 'Python 2'", "old")


def test_the_map_goes_on_past_an_item_that_fails() -> None:
    lines = output_of(SCRIPTS / "map_with_a_failing_item.py")

    assert sorted(lines[1:5]) == [
        "  -0.3333333333333333",
        "  0.16666666666666666",
        "  0.3333333333333333",
        "  ZeroDivisionError('division by zero')",
    ]
    assert lines[6:9] == ["  -0.33", "  -0.50", "  -1.00"]
    assert re.fullmatch(r"  \[engine [01]\] ZeroDivisionError: division by zero", lines[9])
    assert lines[-1].startswith("  10 of 10 done in ")


def test_answers_are_awaited_in_both_ways() -> None:
    assert output_of(SCRIPTS / "futures_and_await.py") == [
        "as_completed: slept 0.1 s",
        "as_completed: slept 0.3 s",
        "as_completed: slept 0.6 s",
        "await: slept 0.1 s",
        "gather: ['slept 0.3 s', 'slept 0.2 s']",
        "every engine: [1024, 1024, 1024]",
    ]


def test_engines_share_an_array_until_they_write_to_it() -> None:
    lines = output_of(SCRIPTS / "broadcast_an_array.py")

    assert re.fullmatch(r"100 MB pushed to 4 engines in \d\.\d\d s", lines[0])
    assert lines[2] == "the first number on each: [-1.0, 0.637, 0.637, 0.637]"
    assert lines[3].startswith("49,840 numbers back in ")


def test_words_are_counted_by_a_graph_of_tasks() -> None:
    lines = output_of(SCRIPTS / "words_of_the_library.py", "--quick")

    assert re.fullmatch(r"\d+ files in \d+ tasks", lines[0])
    words = [line.split()[0] for line in lines[1:11]]
    assert {"self", "def"} <= set(words)
    assert re.fullmatch(r"3 merges, on engines \[[01](, 1)?\]", lines[-1])


def test_a_model_is_searched_for_on_engines() -> None:
    pytest.importorskip("sklearn")

    lines = output_of(SCRIPTS / "search_a_model.py", "--quick")

    assert re.fullmatch(r"10 fits in \d+\.\d s", lines[0])
    assert lines[1] == "best: {'C': 1.0, 'gamma': 0.001}, right in 97.2%"


def test_a_map_survives_the_death_of_an_engine_and_of_the_hub() -> None:
    lines = output_of(
        SCRIPTS / "nothing_is_lost.py", "-n", "2", "--samples", "80", "--points", "20000"
    )

    assert lines[0].startswith("engine 0 was killed after ")
    assert lines[1].startswith("the hub was killed after ")
    assert lines[2] == "80 samples by 3 processes"
    assert lines[3].startswith("pi is about 3.1")
    assert lines[4] == "the last sample is as it should be"
