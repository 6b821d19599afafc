import pytest

from ipcluster_ext.magics.autopx import AutoPx

AUTO = AutoPx("", ["px", "pxresult", "pxconfig", "autopx", "result"])


def sent(code: str) -> str:
    return f"get_ipython().run_cell_magic('px', '', {code!r})\n"


@pytest.mark.parametrize(
    ("cell", "lines"),
    [
        (["x = 1\n", "x\n"], [sent("x = 1\nx\n")]),
        (["%time x\n"], [sent("%time x\n")]),
        (["\n"], ["\n"]),
        ([], []),
        (["%autopx\n", "x\n"], ["%autopx\n", "x\n"]),
        (["x\n", "%autopx\n", "y\n"], [sent("x\n"), "%autopx\n", "y\n"]),
        (["%px x\n", "y\n"], ["%px x\n", sent("y\n")]),
        (["%pxresult\n"], ["%pxresult\n"]),
        (["%pxother\n"], [sent("%pxother\n")]),
        (["%%px -a\n", "x\n"], ["%%px -a\n", "x\n"]),
        (["%%time\n", "x\n"], [sent("%%time\nx\n")]),
    ],
)
def test_a_cell_goes_to_the_engines_but_for_lines_of_ours(
    cell: list[str], lines: list[str]
) -> None:
    assert AUTO(cell) == lines


def test_with_a_suffix_the_magics_of_that_suffix_are_meant() -> None:
    auto = AutoPx("_even", ["px_even", "autopx_even"])

    assert auto(["%autopx\n"]) == ["get_ipython().run_cell_magic('px_even', '', '%autopx\\n')\n"]
    assert auto(["%autopx_even\n"]) == ["%autopx_even\n"]
