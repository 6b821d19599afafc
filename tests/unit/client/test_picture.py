"""A snapshot is what the hub's words about changes add up to."""

import pytest

from ipcluster_ext.client.picture import ClusterStatus, Picture
from ipcluster_ext.protocol.feed import EngineRow, Status, Totals, WorkRow
from ipcluster_ext.protocol.ids import ClientId, EngineId

TOTALS = Totals("ready", 2, 2, 0, 0, 0, 0, 0, 1)


def engine(number: int, state: str = "idle") -> EngineRow:
    return EngineRow(EngineId(number), state)  # type: ignore[arg-type] # any text will do


def work(number: int, done: int = 0) -> WorkRow:
    return WorkRow(number, ClientId(1), "", "fit", "f", "map", done, 1, 2, 3, 4, 100.0)


@pytest.fixture
def picture() -> Picture:
    picture = Picture()
    first = Status(1, 1, [engine(1), engine(0)], [], [work(2), work(1)], [], TOTALS)
    assert picture.fold(first)
    return picture


def test_nothing_is_known_at_first() -> None:
    assert Picture().status == ClusterStatus(0, (), (), None)


def test_the_first_status_is_everything(picture: Picture) -> None:
    assert picture.status == ClusterStatus(1, (engine(0), engine(1)), (work(1), work(2)), TOTALS)


def test_rows_are_replaced_added_and_taken_away(picture: Picture) -> None:
    before = picture.status
    news = Status(1, 2, [engine(1, "busy"), engine(2)], [EngineId(0)], [work(2, 5)], [1])

    assert picture.fold(news)

    assert picture.status == ClusterStatus(2, (engine(1, "busy"), engine(2)), (work(2, 5),), TOTALS)
    assert before.engines == (engine(0), engine(1))


def test_what_is_gone_need_not_have_been_known(picture: Picture) -> None:
    assert picture.fold(Status(1, 2, gone=[EngineId(9)], past=[9]))


def test_after_a_gap_everything_has_to_be_told_again(picture: Picture) -> None:
    before = picture.status

    assert not picture.fold(Status(1, 3, [engine(1, "busy")]))
    assert picture.status is before
    assert picture.fold(Status(1, 1, [engine(5)]))
    assert picture.status == ClusterStatus(2, (engine(5),), (), None)


def test_an_engine_is_found_by_its_id(picture: Picture) -> None:
    assert (picture.status.engine(1), picture.status.engine(7)) == (engine(1), None)


def test_work_is_called_by_its_label_or_its_function() -> None:
    label, name, kind = (
        WorkRow(1, ClientId(1), "", *names, "map", 1, 1, 1, 1, 1, 0.0).title
        for names in (("fit", "f"), ("", "f"), ("", ""))
    )

    assert (label, name, kind) == ("fit", "f", "map")


def test_its_tasks_add_up() -> None:
    row = work(1, 5)

    assert (row.total, row.over) == (15, 8)


def test_lines_are_replaced_and_those_of_engines_that_are_gone_forgotten(picture: Picture) -> None:
    one, two = EngineId(0), EngineId(1)
    assert picture.fold(Status(1, 2, lines={one: "first", two: "other"}))
    before = picture.status
    assert picture.fold(Status(1, 3, lines={one: "", two: "later"}))
    assert picture.fold(Status(1, 4))

    assert (before.lines, picture.status.lines) == ({one: "first", two: "other"}, {two: "later"})
