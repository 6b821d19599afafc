from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipcluster_ext.errors import OptionError
from ipcluster_ext.magics.options import (
    CELL,
    CONFIG,
    RESULT,
    OptionLine,
    Said,
    UnreadableOptions,
)

LINE = OptionLine("%%px", CELL)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", {}),
        ("-b", {"block": True}),
        ("--block", {"block": True}),
        ("-a", {"block": False}),
        ("--noblock", {"block": False}),
        ("-a -b", {"block": True}),
        ("--stream", {"stream": True}),
        ("--no-stream", {"stream": False}),
        ("-t 0", {"targets": 0}),
        ("-t -1", {"targets": -1}),
        ("-t -2:", {"targets": slice(-2, None)}),
        ("-t [0, 2]", {"targets": [0, 2]}),
        ("--targets=(0, 2)", {"targets": [0, 2]}),
        ("--targets ::2", {"targets": slice(None, None, 2)}),
        ("--targets 'all'", {"targets": "all"}),
        ("--verbose", {"verbose": True}),
        ("--no-verbose", {"verbose": False}),
        ("--progress-after -1", {"progress_after": -1.0}),
        ("--progress-after=0.5", {"progress_after": 0.5}),
        ("--signal-on-interrupt SIGINT", {"signal_on_interrupt": 2}),
        ("--signal-on-interrupt 9", {"signal_on_interrupt": 9}),
        ("--signal-on-interrupt sigterm", {"signal_on_interrupt": 15}),
        ("--signal-on-interrupt 0", {"signal_on_interrupt": 0}),
        ("--signal-on-interrupt None", {"signal_on_interrupt": 0}),
        ("--debug", {"debug": True}),
        ("--no-debug", {"debug": False}),
        ("-r", {"group_outputs": "order"}),
        ("-e", {"group_outputs": "engine"}),
        ("--group-outputs type", {"group_outputs": "type"}),
        ("--group-outputs=order", {"group_outputs": "order"}),
        ("-o ar", {"out": "ar"}),
        ("--out ar", {"out": "ar"}),
        ("--local", {"local": True}),
        ("--engines 4", {"engines": 4}),
        ("--profile night", {"profile": "night"}),
        ("--label 'warm up'", {"label": "warm up"}),
        ("-a -t 1 -o ar", {"block": False, "targets": 1, "out": "ar"}),
    ],
)
def test_a_line_says_what_its_options_say(line: str, said: dict[str, Any]) -> None:
    assert LINE.read(line) == Said(**said)


@pytest.mark.parametrize(
    ("line", "near"),
    [("--tragets 1", "'--targets'"), ("--no-block", "'--noblock'"), ("--strea=1", "'--stream'")],
)
def test_an_unknown_option_is_refused_with_the_nearest_one(line: str, near: str) -> None:
    with pytest.raises(OptionError, match=f"%%px has no option .* did you mean {near}"):
        LINE.read(line)


def test_options_are_not_guessed_from_their_beginnings() -> None:
    with pytest.raises(OptionError):
        LINE.read("--prog 1")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("-t", "expected one argument"),
        ("-t one", "'one' names no engines"),
        ("--progress-after soon", "'soon' is no number of seconds"),
        ("--signal-on-interrupt SIGNOT", "there is no signal 'SIGNOT'"),
        ("--signal-on-interrupt 99", "there is no signal '99'"),
        ("--group-outputs size", "invalid choice: 'size'"),
        ("--engines 0", "'0' is no number of engines"),
        ("--engines many", "'many' is no number of engines"),
        ("-o 1x", "'1x' is no name of a variable"),
        ("x = 1", "%%px takes options only, and 'x = 1' is none"),
        ("--label 'open", "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(line: str, why: str) -> None:
    with pytest.raises(UnreadableOptions, match=why):
        LINE.read(line)


def test_results_and_settings_take_their_own_options_only() -> None:
    assert OptionLine("%pxresult", RESULT).read("-e -o ar") == Said(
        group_outputs="engine", out="ar"
    )
    assert OptionLine("%pxconfig", CONFIG).read("-a --cluster fit") == Said(
        block=False, cluster="fit"
    )
    with pytest.raises(OptionError):
        OptionLine("%pxresult", RESULT).read("--noblock")
    with pytest.raises(OptionError):
        OptionLine("%pxconfig", CONFIG).read("--local")


@given(st.text())
def test_any_other_line_is_refused(line: str) -> None:
    try:
        said = LINE.read(line)
    except (OptionError, UnreadableOptions):
        return
    assert isinstance(said, Said)


def test_the_help_explains_every_option() -> None:
    text = LINE.help()

    assert [name for name in LINE.names if name not in text] == []
    assert "-t, --targets ENGINES\n    The engines:" in text
