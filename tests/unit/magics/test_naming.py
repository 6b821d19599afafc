import pytest

from ipcluster_ext.magics.naming import engines_text


@pytest.mark.parametrize(
    ("engines", "text"),
    [
        ([], "no engine"),
        ([3], "engine 3"),
        ([0, 1], "engines 0-1"),
        ([2, 0, 1, 5, 7, 8, 5], "engines 0-2, 5, 7-8"),
        ([0, 2], "engines 0, 2"),
    ],
)
def test_engines_are_named_in_ranges(engines: list[int], text: str) -> None:
    assert engines_text(engines) == text
