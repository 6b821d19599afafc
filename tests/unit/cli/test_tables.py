from ipcluster_ext.cli.tables import shortened, table


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_stand_at_the_right() -> None:
    text = table(["NAME", ">N"], [["a", 1], ["long name", 1000], [None, ""]])

    assert text.split("\n") == [
        "NAME          N",
        "a             1",
        "long name  1000",
        "",
    ]


def test_a_cell_cannot_give_the_terminal_orders() -> None:
    assert table(["NAME"], [["a\x1b[2Jb\nc"]]) == "NAME\na [2Jb c"


def test_what_is_too_long_is_cut_and_says_so() -> None:
    assert [shortened(text, 4) for text in ("four", "fives")] == ["four", "fiv…"]
