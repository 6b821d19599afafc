import logging

import pytest

from ipcluster_ext.transport.refusals import LINES_PER_SECOND, LONGEST, Refusals


def test_a_flood_of_strangers_costs_few_lines_and_each_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    refusals = Refusals(lambda: now)

    with caplog.at_level(logging.WARNING):
        for tick in range(3_000):
            now = tick / 1000
            refusals.note("knock")

    assert refusals.count == 3_000
    assert len(caplog.records) == 3 * LINES_PER_SECOND
    assert caplog.records[LINES_PER_SECOND].getMessage() == (
        f"refused: knock (and {1000 - LINES_PER_SECOND} not told of before)"
    )


def test_what_a_stranger_says_makes_one_short_line_of_plain_characters(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        Refusals().note("a\nWARNING all is well\x1b[31m\u202e" + "x" * 100_000)

    [said] = [record.getMessage() for record in caplog.records]
    assert said.startswith(r"refused: a\nWARNING all is well\x1b[31m\u202exxx")
    assert said.isprintable()
    assert len(said) < 2 * LONGEST
