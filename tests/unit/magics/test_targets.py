import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipcluster_ext.client.targets import Targets
from ipcluster_ext.magics.targets import parse_targets, targets_text


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("all", "all"),
        (" all ", "all"),
        ("0", 0),
        ("-1", -1),
        ("0,2", [0, 2]),
        ("[0,2]", [0, 2]),
        ("[0, 2]", [0, 2]),
        ("(0, 2,)", [0, 2]),
        ("[3]", [3]),
        ("3,", [3]),
        ("::2", slice(None, None, 2)),
        ("1:3", slice(1, 3)),
        ("[1:3]", slice(1, 3)),
        ("-2:", slice(-2, None)),
        (":", slice(None)),
        ("::-1", slice(None, None, -1)),
    ],
)
def test_targets_are_read_as_they_are_written(text: str, targets: Targets) -> None:
    assert parse_targets(text) == targets


@pytest.mark.parametrize(
    "text", ["", "[]", "one", "1.5", "[1", "1 2", "1:2:3:4", "a:b", "range(3)", "0,,2", "1e3", "²"]
)
def test_what_names_no_engines_is_refused_with_the_forms_that_do(text: str) -> None:
    with pytest.raises(ValueError, match="names no engines; write an engine's id"):
        parse_targets(text)


def test_a_slice_without_step_is_refused() -> None:
    with pytest.raises(ValueError, match="leads nowhere"):
        parse_targets("::0")


@given(st.text())
def test_nothing_that_is_written_runs_or_gives_anything_but_targets(text: str) -> None:
    try:
        targets = parse_targets(text)
    except ValueError:
        return
    assert targets == "all" or isinstance(targets, int | slice | list)


@pytest.mark.parametrize(
    "text", ["all", "0", "-1", "[0,2]", "[3]", ":", "::2", "1:3", "-2:", "5:1:-1"]
)
def test_targets_are_written_as_they_are_read(text: str) -> None:
    assert targets_text(parse_targets(text)) == text


@given(st.lists(st.integers(), min_size=1))
def test_a_list_is_read_as_python_writes_it(ids: list[int]) -> None:
    assert parse_targets(repr(ids)) == ids
