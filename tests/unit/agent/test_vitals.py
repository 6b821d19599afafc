import os

from ipcluster_ext.agent.vitals import LOOK_EVERY, Sample, Vitals, in_words
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.transport.processes import Usage

MIB = 1 << 20


def test_looks_are_so_far_apart() -> None:
    vitals = Vitals()

    assert [vitals.due(at) for at in (100.0, 100.1, 100.0 + LOOK_EVERY)] == [True, False, True]


def test_the_load_is_what_was_used_between_two_looks() -> None:
    vitals = Vitals()
    vitals.look([os.getpid()], 0.0)
    sum(range(3_000_000))
    vitals.look([os.getpid()], 1.0)

    seen = vitals.of(os.getpid())

    assert seen is not None
    assert seen.load is not None
    assert seen.load > 0.0
    assert seen.nbytes > MIB


def test_who_is_gone_is_forgotten() -> None:
    vitals = Vitals()
    vitals.look([os.getpid()], 0.0)

    vitals.look([], 1.0)

    assert vitals.of(os.getpid()) is None


def test_nobody_waits_for_a_look_unless_somebody_watches() -> None:
    vitals = Vitals()
    before = vitals.deadline

    vitals.measure(1.0)
    vitals.due(100.0)
    during = vitals.deadline
    vitals.measure(0.0)

    assert (before, during, vitals.deadline) == (None, 101.0, None)


def test_a_watcher_cannot_have_it_looked_at_all_the_time() -> None:
    vitals = Vitals()

    vitals.measure(0.001)

    assert [vitals.due(at) for at in (100.0, 100.1, 100.5)] == [True, False, True]


def test_whoever_watches_is_told_what_has_changed() -> None:
    vitals, engines = Vitals(), {os.getpid(): EngineId(3)}
    vitals.measure(1.0)
    vitals.look([os.getpid()], 0.0)

    [vital] = vitals.news(engines)
    again = vitals.news(engines)
    vitals.measure(1.0)
    anew = vitals.news(engines)

    assert (vital.engine, vital.cpu, vital.nbytes % MIB) == (3, None, 0)
    assert (again, anew) == ([], [vital])


def test_what_was_used_is_told_in_words() -> None:
    sample = Sample(8.5, 1.0, 0.98, 100 * MIB)

    text = in_words(sample, Usage(3.4, 150 * MIB), lived=12.34, now=10.0)

    assert text == (
        "it had lived for 12.3 s and used 3.4 s of CPU time and at most 150.0 MiB of memory; "
        "1.5 s before its end: 98% CPU, 100.0 MiB of memory"
    )


def test_where_nothing_was_seen_little_is_told() -> None:
    assert in_words(None, Usage(), lived=0.0, now=1.0) == "it had lived for 0.0 s"
