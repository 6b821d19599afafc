import pytest

from ipcluster_ext.magics.places import AmongOptions, InCode, Place, place_of

SUFFIXES = ["", "_even"]


def place_in(text: str) -> Place | None:
    """Find the place of the mark in a cell."""
    before, _, after = text.partition("|")
    line = before.count("\n")
    return place_of(before + after, line, len(before.split("\n")[line]), SUFFIXES)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("%%px |", AmongOptions("%%px", [], "")),
        ("%%px --no|\nx", AmongOptions("%%px", [], "--no")),
        ("%%px -a --targets al|", AmongOptions("%%px", ["-a", "--targets"], "al")),
        ("%%px --targets=al|", AmongOptions("%%px", ["--targets"], "al")),
        ("%%px_even --no|", AmongOptions("%%px_even", [], "--no")),
        ("%pxconfig --cl|", AmongOptions("%pxconfig", [], "--cl")),
        ("%pxresult |", AmongOptions("%pxresult", [], "")),
        ("%result -|", AmongOptions("%pxresult", [], "-")),
        ("x = 1\n%pxconfig_even --cl|", AmongOptions("%pxconfig_even", [], "--cl")),
    ],
)
def test_the_cursor_is_among_options(text: str, place: Place) -> None:
    assert place_in(text) == place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("%px x.re|", InCode("", "x.re", 4)),
        ("  %px  x.re|al", InCode("", "x.real", 4)),
        ("%px_even |", InCode("_even", "", 0)),
        ("%%px\nx.re|", InCode("", "x.re", 4)),
        ("%%px -a\nimport os\nos.|\n1", InCode("", "import os\nos.\n1", 13)),
        ("\n%%px_even\nx|", InCode("_even", "x", 1)),
    ],
)
def test_the_cursor_is_in_code_for_the_engines(text: str, place: Place) -> None:
    assert place_in(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x.re|",
        "%p|x x",
        "%%p|x\nx",
        "%%px|",
        "%pxc|",
        "%timeit x|",
        "%%timeit\nx|",
        "%%px_odd\nx|",
    ],
)
def test_the_cursor_is_elsewhere(text: str) -> None:
    assert place_in(text) is None
