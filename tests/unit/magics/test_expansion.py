import pytest

from ipcluster_ext.magics.expansion import is_to_be_filled_in


@pytest.mark.parametrize(
    "line",
    [
        "x = $name",
        "x = {name}",
        "x = {name + 1}",
        "x = {name[0]}",
        "x = {name:.2f}",
        "!ls {folder}",
        "%cd $folder",
        "print('$name')",
        "print('{name}')",
        "open(f'{theirs}', '{mine}')",
        "x = {{1: 2}}",
    ],
)
def test_a_line_with_ipythons_notation_is_filled_in(line: str) -> None:
    assert is_to_be_filled_in(line)


@pytest.mark.parametrize(
    "line",
    [
        "x = 1",
        "x = {}",
        "x = {1: 2}",
        "x = {a: b}",
        "x = {1, 2}",
        "x = {1}",
        "x = {*others}",
        "x = {a for a in b}",
        "x = {a: b for a, b in c}",
        "print(f'{x} {x!r:>{width}}')",
    ],
)
def test_braces_that_are_pythons_are_left_alone(line: str) -> None:
    assert not is_to_be_filled_in(line)
