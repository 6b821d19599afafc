"""How errors of engines look in IPython, and elsewhere."""

import linecache
import traceback
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

from ipcluster_ext.errors import RemoteError
from ipcluster_ext.protocol import showing
from ipcluster_ext.protocol.composite import CompositeError
from ipcluster_ext.protocol.tracebacks import PLAIN, colourless

CELL = """\
scale = 3

def inner(x):
    # a comment
    return scale / x

def outer(x):
    return inner(x)
"""
NAME = "/tmp/ipykernel_1/2.py"
PYTHONS = """\
Traceback (most recent call last):
  File "/tmp/ipykernel_1/2.py", line 8, in outer
  File "/tmp/ipykernel_1/2.py", line 5, in inner
ZeroDivisionError: division by zero"""


def cell_known() -> None:
    linecache.cache[NAME] = (len(CELL), None, CELL.splitlines(keepends=True), NAME)


@pytest.fixture(autouse=True)
def cell() -> Iterator[None]:
    """Have the cell as a notebook has it."""
    cell_known()
    yield
    linecache.cache.pop(NAME, None)


@pytest.fixture(params=["nocolor", "neutral"])
def shell(request: pytest.FixtureRequest) -> Iterator[InteractiveShell]:
    """Be in IPython."""
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(colors=request.param)
    shell.compile._filename_map[NAME] = 7  # noqa: SLF001 - as if it had run the cell
    yield shell
    InteractiveShell.clear_instance()


def remote(
    text: str = PYTHONS, engine: int | None = 0, said: str = "division by zero"
) -> RemoteError:
    return RemoteError("ZeroDivisionError", said, text, engine)


def plain(lines: list[str]) -> list[str]:
    return colourless("\n".join(lines)).splitlines()


LOOKS = [
    "---------------------------------------------------------------------------",
    "ZeroDivisionError                         Traceback (most recent call last)",
    "Cell In[7], line 8, in outer",
    "      7 def outer(x):",
    "----> 8     return inner(x)",
    "",
    "Cell In[7], line 5, in inner",
    "      3 def inner(x):",
    "      4     # a comment",
    "----> 5     return scale / x",
    "",
    "ZeroDivisionError: division by zero",
]


class TestInIPython:
    pytestmark = pytest.mark.usefixtures("shell")

    def test_an_error_looks_like_ipythons_own(self) -> None:
        lines = remote()._render_traceback_()

        assert plain(lines) == ["[0]: ZeroDivisionError: division by zero", *LOOKS]

    def test_colours_are_those_of_the_shell(self, shell: InteractiveShell) -> None:
        lines = remote()._render_traceback_()

        assert ("\x1b[" in "\n".join(lines)) == (shell.colors == "neutral")

    def test_errors_that_are_the_same_are_shown_once_with_their_engines(self) -> None:
        errors = [remote(engine=number) for number in (0, 1, 3)]
        other = [RemoteError("KeyError", "'a'", "Traceback", 2)]

        lines = plain(CompositeError("apply f", [*errors, *other])._render_traceback_())

        assert lines == [
            "[0-1,3]: ZeroDivisionError: division by zero",
            *LOOKS,
            "",
            "[2]: KeyError: 'a'",
            "Traceback",
            "",
            "4 errors: apply f",
        ]

    def test_the_same_words_of_two_places_are_two_errors(self) -> None:
        elsewhere = PYTHONS.replace("line 5", "line 8").replace("inner", "outer")

        lines = plain(CompositeError("f", [remote(), remote(elsewhere, 1)])._render_traceback_())

        assert [line for line in lines if line.startswith("[")] == [
            "[0]: ZeroDivisionError: division by zero",
            "[1]: ZeroDivisionError: division by zero",
        ]

    def test_no_more_are_shown_than_the_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(CompositeError, "tb_limit", 1)
        errors = [remote(engine=number, said=str(number)) for number in range(5)]

        lines = plain(CompositeError("f", errors)._render_traceback_())

        assert [line[:4] for line in lines if line.startswith("[")] == ["[0]:"]
        assert "... and 4 more" in lines

    def test_notes_stand_below_the_traceback(self) -> None:
        error = remote()
        error.add_note("raised for item 5 of the map")

        assert plain(error._render_traceback_())[-1] == "raised for item 5 of the map"

    def test_a_traceback_that_ipython_made_there_stays_as_it_is(
        self, shell: InteractiveShell
    ) -> None:
        made = "\x1b[31m----\x1b[39m\nZeroDivisionError    Traceback (most recent call last)"

        lines = remote(made)._render_traceback_()[1:]

        assert lines == (made if shell.colors == "neutral" else colourless(made)).splitlines()

    def test_one_is_printed_without_anything_around_it(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        CompositeError("f", [remote(), remote(engine=1)]).print_traceback(1)

        assert plain(capsys.readouterr().out.splitlines()) == LOOKS

    def test_lines_that_are_not_the_engines_are_not_shown(self) -> None:
        text = PYTHONS.replace("in inner\n", "in inner\n    return other / x\n           ~~~^~~\n")

        lines = plain(remote(text)._render_traceback_())

        assert lines[7:9] == ["Cell In[7], line 5, in inner", "----> 5 return other / x"]


class TestElsewhere:
    def test_pythons_own_text_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        remote().print_traceback()

        assert capsys.readouterr().out == PYTHONS + "\n"

    def test_colours_are_taken_away(self, capsys: pytest.CaptureFixture[str]) -> None:
        error = remote("\x1b[31mred\x1b[39m")

        error.print_traceback()

        assert (capsys.readouterr().out, error.traceback) == ("red\n", "red")


def chained() -> BaseException:
    error = KeyError("a\nFile b")
    error.__cause__ = ValueError("x")
    return error


@pytest.mark.parametrize(
    "error",
    [
        chained(),
        ExceptionGroup("two", [ValueError("a"), KeyError("b")]),
        SyntaxError("bad", ("file", 1, 2, "a = = 5", 1, 3)),
        ValueError('Traceback (most recent call last):\n  File "x", line 1, in y\n'),
        KeyError(),
        RecursionError("x" * 1000),
        ValueError("\x1b[31mred\n\n\n"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.usefixtures("shell")
def test_nothing_that_is_said_is_left_out(error: BaseException) -> None:
    text = "".join(traceback.format_exception(error)).rstrip("\n")

    lines = plain(remote(text)._render_traceback_())

    wanted = colourless(getattr(error, "msg", str(error))).split()
    assert [word for word in wanted if word not in " ".join(lines)] == []


@pytest.mark.usefixtures("shell")
def test_of_whole_lines_that_are_marked_nothing_is_lost() -> None:
    text = PYTHONS.replace("in inner\n", "in inner\n    return scale / x\n           ~~~~~~^~~\n")

    assert plain(remote(text)._render_traceback_())[1:] == LOOKS


@pytest.mark.parametrize("title", ["", "Cell In[7]"])
def test_where_it_was_asked_for_is_said_in_one_line(
    title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "title_of", lambda _: title)
    code = "def ask():\n    block(3, 4)\n\n\nx = 5\n\nask()"
    try:
        exec(compile(code, NAME, "exec"), {"block": showing.block})  # noqa: S102 - a user's cell
    except TypeError as error:
        lines = showing.called_at(error.__traceback__, PLAIN)

    assert lines == [f"asked for at {title or 'File ' + NAME}, line 2"]


def test_what_was_not_asked_for_by_the_user_is_said_to_be_nowhere() -> None:
    assert showing.called_at(None, PLAIN) == []
