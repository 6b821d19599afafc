import pytest

from ipcluster_ext.display.pace import WINDOW, Pace


def test_nothing_is_known_before_the_first_has_ended() -> None:
    pace = Pace(100.0)

    pace.note(0, now=105.0)

    assert pace.rate(now=105.0) is None
    assert pace.left(10, now=105.0) is None


def test_the_rate_is_what_ended_in_the_time_so_far() -> None:
    pace = Pace(100.0)

    pace.note(10, now=102.0)

    assert pace.rate(now=102.0) == 5.0
    assert pace.left(30, now=102.0) == 4.0


def test_the_rate_follows_a_change_within_the_window() -> None:
    pace = Pace(0.0)
    for second in range(1, 100):
        pace.note(second, now=float(second))
    for second in range(100, 100 + int(WINDOW) + 1):
        pace.note(100 + (second - 99) * 10, now=float(second))

    assert pace.rate(now=100 + WINDOW) == pytest.approx(10.0, rel=0.05)


def test_of_long_tasks_the_last_two_ends_count() -> None:
    pace = Pace(0.0)

    pace.note(1, now=60.0)
    pace.note(2, now=120.0)

    assert pace.rate(now=120.0) == pytest.approx(1 / 60)
    assert pace.left(4, now=120.0) == pytest.approx(120.0)


def test_the_rate_falls_while_nothing_ends() -> None:
    pace = Pace(0.0)
    pace.note(10, now=10.0)

    assert pace.rate(now=100.0) == pytest.approx(0.1)


def test_nobody_knows_when_work_without_a_total_ends() -> None:
    pace = Pace(0.0)
    pace.note(10, now=10.0)

    assert pace.left(None, now=10.0) is None


def test_what_is_begun_again_is_measured_anew() -> None:
    pace = Pace(0.0)
    pace.note(10, now=10.0)

    pace.note(0, now=20.0)
    pace.note(5, now=21.0)

    assert pace.rate(now=21.0) == 5.0


def test_no_time_is_left_once_more_is_done_than_there_was_to_do() -> None:
    pace = Pace(0.0)
    pace.note(12, now=10.0)

    assert pace.left(10, now=10.0) == 0.0
