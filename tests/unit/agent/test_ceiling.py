from ipcluster_ext.agent.ceiling import LOOK_EVERY, Ceiling

GIB = 1 << 30


def test_nobody_looks_if_there_is_no_limit() -> None:
    ceiling = Ceiling(0)

    assert ceiling.deadline is None
    assert not ceiling.due(1e9)


def test_looks_are_so_far_apart() -> None:
    ceiling = Ceiling(GIB)

    assert [ceiling.due(at) for at in (5.0, 5.1, 5.0 + LOOK_EVERY)] == [True, False, True]
    assert ceiling.deadline == 5.0 + 2 * LOOK_EVERY


def test_who_uses_more_than_the_limit_is_told_of_once() -> None:
    ceiling = Ceiling(GIB)

    assert [ceiling.exceeds(7, GIB), ceiling.exceeds(7, GIB + 1), ceiling.exceeds(7, 2 * GIB)] == [
        False,
        True,
        False,
    ]
    assert not ceiling.nears(7, 2 * GIB)


def test_who_is_near_the_limit_is_told_of_once() -> None:
    ceiling = Ceiling(100)

    assert [ceiling.nears(7, nbytes) for nbytes in (79, 80, 95)] == [False, True, False]
    assert ceiling.nears(8, 90)


def test_another_process_of_the_same_number_begins_anew() -> None:
    ceiling = Ceiling(100)
    ceiling.nears(7, 90)
    ceiling.exceeds(7, 120)

    assert (ceiling.gone(7), ceiling.gone(7)) == (120, 0)
    assert ceiling.nears(7, 90)
    assert ceiling.exceeds(7, 130)


def test_the_verdict_names_both_amounts() -> None:
    assert Ceiling(4 * GIB).verdict(4 * GIB + GIB // 2) == (
        "it used 4.5 GiB of memory, more than its limit of 4.0 GiB (memory_limit)"
    )
