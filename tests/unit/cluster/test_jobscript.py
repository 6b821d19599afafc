"""What a job's script says, and that hostile values do not get into it."""

import shlex
import subprocess

import pytest

from ipcluster_ext.cluster.launchers import jobscript
from ipcluster_ext.errors import ClusterError

HOSTILE = [
    "$(touch hit)",
    "`touch hit`",
    "a; touch hit",
    "a\n#SBATCH --wrap=touch",
    "a b",
    "'a'",
    '"a"',
    "a&b",
    "a|b",
    "a>b",
    "$HOME",
    "-x",
    "--uid=0",
    "",
    "a\0b",
    "a\\b",
    "~/x",
    "*",
    "é",
    "a" * 300,
]


def test_a_template_gets_its_values_and_keeps_everything_else() -> None:
    template = 'echo "$@" ${HOME} me@host\n@{command} @{folder}'

    filled = jobscript.fill(template, {"command": "run it", "folder": "/x"}, source="it")

    assert filled == 'echo "$@" ${HOME} me@host\nrun it /x'


def test_a_value_that_looks_like_a_place_stays_a_value() -> None:
    assert jobscript.fill("@{command}", {"command": "@{x}", "x": "y"}, source="it") == "@{x}"


def test_a_template_that_asks_for_something_unknown_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"it has no value for @\{comand\} in its template"):
        jobscript.fill("@{comand} @{command}", {"command": ""}, source="it")


def test_a_template_that_starts_nothing_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"has to contain @\{command\}"):
        jobscript.fill("#!/bin/bash", {"command": ""}, source="it")


@pytest.mark.parametrize("value", [*(each for each in HOSTILE if "\0" not in each), "a'b\n$(c)"])
def test_whatever_a_variable_is_set_to_the_shell_takes_it_as_it_is(value: str) -> None:
    script = f'{jobscript.exports({"TOLD": value})}\nprintf %s "$TOLD"'

    said = subprocess.run(
        ["/bin/bash", "-c", script], capture_output=True, text=True, check=True, cwd="/"
    )

    assert said.stdout == value


@pytest.mark.parametrize("name", ["A B", "A=B", "1A", "A;touch", "", "A\n"])
def test_a_variable_has_a_name_that_shells_know(name: str) -> None:
    with pytest.raises(ClusterError, match="cannot be set by a shell"):
        jobscript.exports({name: "x"})


@pytest.mark.parametrize("value", HOSTILE)
def test_a_word_for_a_batch_system_is_one_word(value: str) -> None:
    with pytest.raises(ClusterError, match="queue = "):
        jobscript.word(value, option="queue")


@pytest.mark.parametrize("value", ["short", "long,short", "a.q@host", "gpu:2", "abc-def_1", "50%"])
def test_usual_names_of_queues_are_words(value: str) -> None:
    assert jobscript.word(value, option="queue") == value
    assert shlex.split(value) == [value]


@pytest.mark.parametrize("value", [each for each in HOSTILE if not set("a-") & set(each[:1])])
def test_a_path_with_unusual_characters_is_refused(value: str) -> None:
    with pytest.raises(ClusterError, match="unusual characters"):
        jobscript.path(f"/scratch/{value}" if value else value)


def test_a_line_is_one_line() -> None:
    assert jobscript.line("--exclusive --x='a b'", option="directives") == "--exclusive --x='a b'"
    for bad in ["a\nb", "a\rb", "", "  ", "a\x1b[31m"]:
        with pytest.raises(ClusterError, match="directives"):
            jobscript.line(bad, option="directives")


@pytest.mark.parametrize(
    ("time", "span"),
    [("8:00", 28_800), ("0:30", 1_800), ("1:30:05", 5_405), ("2-12:00:00", 216_000)],
)
def test_times_begin_with_hours(time: str, span: int) -> None:
    assert jobscript.seconds(time) == span


@pytest.mark.parametrize("time", ["", "8", "8h", "0:00", "1:75", "-1:00", "1:00; x", "1:00\n"])
def test_what_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(ClusterError, match="hours first"):
        jobscript.seconds(time)


def test_times_are_written_with_hours_first() -> None:
    assert jobscript.clock(216_005) == "60:00:05"


@pytest.mark.parametrize(("memory", "mebibytes"), [("800M", 800), ("8G", 8192), ("1TiB", 1048576)])
def test_memory_has_a_unit(memory: str, mebibytes: int) -> None:
    assert jobscript.mebibytes(memory) == mebibytes


@pytest.mark.parametrize("memory", ["", "8", "8g", "0G", "-1G", "1.5G", "8G x", "8G\n"])
def test_what_is_no_memory_is_refused(memory: str) -> None:
    with pytest.raises(ClusterError, match="memory = "):
        jobscript.mebibytes(memory)
