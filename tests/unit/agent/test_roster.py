import itertools
import signal

import pytest

from ipcluster_ext.agent.roster import (
    END_GRACE,
    MOST_FAILURES,
    STEADY_AFTER,
    STOP_GRACE,
    Death,
    Effect,
    Kill,
    Launch,
    Roster,
)
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import EngineExited

E0, E1, E2 = EngineId(0), EngineId(1), EngineId(2)
NO_TASK = TaskId(0)


def made() -> Roster:
    """Make a roster whose lives are numbered from 1."""
    return Roster(itertools.count(1))


def running(*engines: int, now: float = 0.0) -> Roster:
    """Make a roster of running engines: engine 3 is process 103 in life 1 + its place."""
    roster = made()
    for effect in roster.start(map(EngineId, engines), now=now):
        assert isinstance(effect, Launch)
        assert roster.born(effect.engine, effect.boot, 100 + effect.engine, now=now) == []
    return roster


def death(pid: int = 100, code: int = -9, *, up: bool = True, words: str = "") -> Death:
    return Death(pid, code, up, NO_TASK, words)


def exited(
    engine: EngineId, boot: int, cause: str, *, again: bool, warning: str = ""
) -> EngineExited:
    asked = " on request" in cause
    return EngineExited(engine, boot, cause, NO_TASK, again, warning=warning, asked=asked)


class TestStarting:
    def test_each_engine_is_launched_in_a_life_of_its_own(self) -> None:
        assert made().start([E0, E1], now=0.0) == [Launch(E0, 1), Launch(E1, 2)]

    def test_an_engine_that_is_here_is_not_launched_twice(self) -> None:
        assert running(0).start([E0, E1], now=0.0) == [Launch(E1, 2)]

    def test_a_process_is_known_by_its_engine_from_its_birth_on(self) -> None:
        roster = made()
        roster.start([E0], now=0.0)

        before = roster.engine_of(100)
        roster.born(E0, 1, 100, now=0.0)

        assert (before, roster.engine_of(100)) == (None, Launch(E0, 1))

    def test_a_process_that_nobody_waits_for_is_killed(self) -> None:
        assert made().born(E0, 1, 100, now=0.0) == [Kill(100, signal.SIGKILL, group=True)]

    def test_a_process_of_an_earlier_life_is_killed(self) -> None:
        assert running(0).born(E0, 99, 555, now=0.0) == [Kill(555, signal.SIGKILL, group=True)]


class TestDeath:
    def test_is_reported_and_followed_by_another_life_at_once(self) -> None:
        roster = running(0)

        effects = roster.ended(Death(100, -9, up=True, began=TaskId(7)), now=1.0)

        assert effects == [
            EngineExited(E0, 1, "killed by SIGKILL", TaskId(7), again=True),
            Launch(E0, 2),
        ]

    @pytest.mark.parametrize(
        ("code", "cause"),
        [
            (0, "exit code 0"),
            (3, "exit code 3"),
            (-11, "killed by SIGSEGV"),
            (-40, "killed by signal 40"),
        ],
    )
    def test_its_cause_is_named(self, code: int, cause: str) -> None:
        report = running(0).ended(death(code=code), now=1.0)[0]

        assert report == exited(E0, 1, cause, again=True)

    def test_its_report_holds_what_is_known_of_it(self) -> None:
        one, two, three = TaskId(1), TaskId(2), TaskId(3)
        found = Death(
            100, -9, up=True, began=two, others=(three,), ran=(one, two), details="it wrote this",
            suspicion="probably for memory",
        )  # fmt: skip

        report = running(0).ended(found, now=1.0)[0]

        cause = "killed by SIGKILL, probably for memory"
        assert report == EngineExited(
            E0, 1, cause, two, again=True, others=[three], ran=[one, two], details="it wrote this"
        )

    def test_that_the_agent_brought_about_is_not_put_down_to_memory(self) -> None:
        roster = running(0)
        roster.stop([E0], again=True, now=1.0, reason="it did not answer")
        found = Death(100, -9, up=True, began=NO_TASK, suspicion="probably for memory")

        [report, _] = roster.ended(found, now=2.0)

        assert isinstance(report, EngineExited)
        assert report.cause == "it did not answer (killed by SIGKILL)"

    def test_of_a_stranger_means_nothing(self) -> None:
        assert running(0).ended(death(pid=4242), now=1.0) == []

    def test_is_counted_once(self) -> None:
        roster = running(0)
        roster.ended(death(), now=1.0)

        assert roster.ended(death(), now=1.0) == []

    def test_of_one_engine_leaves_the_others_alone(self) -> None:
        roster = running(0, 1)

        roster.ended(death(pid=101), now=1.0)

        assert list(roster.pids) == [100]


class TestBirthThatFails:
    def test_is_reported_and_tried_again(self) -> None:
        roster = made()
        roster.start([E0], now=0.0)

        assert roster.unborn(E0, 1, "too many processes", now=0.1) == [
            exited(E0, 1, "it could not be started: too many processes", again=True),
            Launch(E0, 2),
        ]

    def test_again_and_again_is_given_up(self) -> None:
        roster = made()
        roster.start([E0], now=0.0)
        boot = 1
        for _ in range(MOST_FAILURES - 1):
            effects = roster.unborn(E0, boot, "no", now=0.0)
            boot += 1
            if effects[1:] != [Launch(E0, boot)]:
                assert roster.tick(now=10.0) == [Launch(E0, boot)]

        (report,) = roster.unborn(E0, boot, "no", now=10.0)

        assert isinstance(report, EngineExited)
        assert not report.again
        assert roster.empty

    def test_of_an_earlier_life_means_nothing(self) -> None:
        assert running(0).unborn(E0, 1, "no", now=0.0) == []


def delays(roster: Roster, deaths: int, *, lasting: float = 1.0, up: bool = True) -> list[float]:
    """Let engine 0 die again and again; return how long each new life had to wait."""
    now, waited = 0.0, []
    pid = 100
    for _ in range(deaths):
        now += lasting
        effects: list[Effect] = roster.ended(death(pid=pid, up=up), now=now)
        began = now
        if not any(isinstance(effect, Launch) for effect in effects):
            assert roster.deadline is not None
            assert roster.tick(now=roster.deadline - 0.001) == []
            now = roster.deadline
            effects = roster.tick(now=now)
        waited.append(round(now - began, 6))
        launch = effects[-1]
        assert isinstance(launch, Launch)
        pid += 1
        roster.born(launch.engine, launch.boot, pid, now=now)
    return waited


class TestDyingAgainAndAgain:
    def test_costs_more_and_more_time_up_to_a_limit(self) -> None:
        waited = delays(running(0), 11, lasting=0.2)

        assert waited == [0, 0, 0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]

    def test_costs_no_more_than_a_part_of_each_life_that_was_long_enough_for_work(self) -> None:
        waited = delays(running(0), 9, lasting=2.0)

        assert waited == [0, 0, 0, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5]

    def test_never_ends_for_an_engine_that_comes_up(self) -> None:
        assert delays(running(0), 100, lasting=0.2)[-1] == 5.0

    def test_is_forgotten_after_a_long_life(self) -> None:
        roster = running(0)
        delays(roster, 6)
        pid = next(iter(roster.pids))

        effects = roster.ended(death(pid=pid), now=100.0 + STEADY_AFTER)

        assert isinstance(effects[-1], Launch)

    def test_without_ever_coming_up_is_given_up_with_the_last_words(self) -> None:
        roster = running(0)
        delays(roster, MOST_FAILURES - 1, up=False)
        pid = next(iter(roster.pids))

        effects = roster.ended(
            death(pid=pid, code=1, up=False, words="ImportError: no module"), now=5.1
        )

        cause = (
            "exit code 1; it did not come up 5 times in 5.1 s and is not started again; "
            "its last words: ImportError: no module"
        )
        warning = f"engine 0 is given up: {cause}"
        assert effects == [exited(E0, 5, cause, again=False, warning=warning)]
        assert roster.empty

    def test_is_told_to_users_with_its_cause_less_and_less_often(self) -> None:
        roster, now, warnings = running(0), 0.0, {}
        for deaths in range(1, 40):
            [pid] = roster.pids
            now += 2.0
            report, *effects = roster.ended(death(pid=pid, code=-11), now=now)
            assert isinstance(report, EngineExited)
            if report.warning:
                warnings[deaths] = report.warning
            if not effects:
                now = roster.deadline or now
                effects = roster.tick(now=now)
            [launch] = effects
            assert isinstance(launch, Launch)
            roster.born(E0, launch.boot, 100 + deaths, now=now)

        assert list(warnings) == [4, 8, 16, 32]
        assert warnings[4] == (
            "engine 0 failed 4 times in 8 s, the last time: killed by SIGSEGV; next try in 0.1 s"
        )
        assert warnings[16].endswith("; next try in 0.5 s")

    def test_is_no_news_where_it_was_asked_for(self) -> None:
        roster = running(0)
        delays(roster, 7)
        [pid] = roster.pids
        roster.stop([E0], again=True, now=20.0)

        [report, _] = roster.ended(death(pid=pid, code=0), now=20.1)

        assert isinstance(report, EngineExited)
        assert (report.warning, report.asked) == ("", True)

    def test_after_having_come_up_once_is_not_given_up(self) -> None:
        roster = running(0)
        delays(roster, MOST_FAILURES - 1, up=False)
        delays(roster_with_pid_100(roster), 1, up=True)

        assert not roster.empty


def roster_with_pid_100(roster: Roster) -> Roster:
    """Restart engine 0 so that its process is 100 again."""
    pid = next(iter(roster.pids))
    roster.stop([E0], again=True, now=50.0)
    launch = roster.ended(death(pid=pid, code=0), now=50.0)[-1]
    assert isinstance(launch, Launch)
    roster.born(launch.engine, launch.boot, 100, now=50.0)
    return roster


class TestStopping:
    def test_begins_politely(self) -> None:
        assert running(0).stop([E0], again=False, now=1.0) == [
            Kill(100, signal.SIGTERM, group=False)
        ]

    def test_uses_force_on_the_whole_group_after_the_grace(self) -> None:
        roster = running(0)
        roster.stop([E0], again=False, now=1.0)

        assert roster.tick(now=1.0 + STOP_GRACE - 0.01) == []
        assert roster.tick(now=1.0 + STOP_GRACE) == [Kill(100, signal.SIGKILL, group=True)]
        assert roster.deadline is None

    def test_gives_the_time_that_was_asked_for(self) -> None:
        roster = running(0)
        roster.stop([E0], again=True, now=1.0, grace=3.0)

        assert roster.tick(now=3.9) == []
        assert roster.tick(now=4.0) == [Kill(100, signal.SIGKILL, group=True)]

    @pytest.mark.parametrize(("grace", "killed_at"), [(0.1, 1.3), (60.0, 1.0 + STOP_GRACE)])
    def test_gives_no_more_time_than_was_asked_for_last(
        self, grace: float, killed_at: float
    ) -> None:
        roster = running(0)
        roster.stop([E0], again=True, now=1.0)
        roster.stop([E0], again=True, now=1.2, grace=grace)

        assert roster.tick(now=killed_at - 0.01) == []
        assert roster.tick(now=killed_at) == [Kill(100, signal.SIGKILL, group=True)]
        assert roster.tick(now=100.0) == []

    def test_uses_no_force_on_who_went(self) -> None:
        roster = running(0)
        roster.stop([E0], again=False, now=1.0)
        roster.ended(death(code=0), now=1.1)

        assert roster.tick(now=10.0) == []

    def test_is_for_good(self) -> None:
        roster = running(0)
        roster.stop([E0], again=False, now=1.0)

        effects = roster.ended(death(code=0), now=1.1)

        assert effects == [exited(E0, 1, "stopped on request", again=False)]
        assert roster.empty

    def test_says_so_where_force_was_needed(self) -> None:
        roster = running(0)
        roster.stop([E0], again=False, now=1.0)

        effects = roster.ended(death(code=-9), now=1.6)

        assert effects == [exited(E0, 1, "stopped on request (killed by SIGKILL)", again=False)]

    def test_with_again_is_followed_by_another_life_at_once(self) -> None:
        roster = running(0)
        delays(roster, 7)
        pid = next(iter(roster.pids))
        roster.stop([E0], again=True, now=20.0)

        effects = roster.ended(death(pid=pid, code=0), now=20.1)

        assert effects == [exited(E0, 8, "restarted on request", again=True), Launch(E0, 9)]

    def test_for_good_is_not_undone_by_a_restart(self) -> None:
        roster = running(0)
        roster.stop([E0], again=False, now=1.0)

        assert roster.stop([E0], again=True, now=1.1) == []
        assert roster.ended(death(code=0), now=1.2)[1:] == []

    def test_for_good_overrules_a_restart(self) -> None:
        roster = running(0)
        roster.stop([E0], again=True, now=1.0)
        roster.stop([E0], again=False, now=1.1)

        assert roster.ended(death(code=0), now=1.2)[1:] == []

    def test_who_is_not_here_is_left_out(self) -> None:
        assert running(0).stop([E2], again=False, now=1.0) == []

    def test_who_is_still_to_be_born_is_struck_off_and_killed_at_birth(self) -> None:
        roster = made()
        roster.start([E0], now=0.0)

        assert roster.stop([E0], again=False, now=0.1) == [
            exited(E0, 1, "stopped on request", again=False)
        ]
        assert roster.born(E0, 1, 100, now=0.2) == [Kill(100, signal.SIGKILL, group=True)]

    def test_who_is_to_be_restarted_before_birth_is_restarted_after_it(self) -> None:
        roster = made()
        roster.start([E0], now=0.0)

        assert roster.stop([E0], again=True, now=0.1) == []
        assert roster.born(E0, 1, 100, now=0.2) == [Kill(100, signal.SIGTERM, group=False)]

    def test_who_waits_for_another_life_is_struck_off(self) -> None:
        roster = running(0)
        delays(roster, 3)
        roster.ended(death(pid=103), now=4.0)

        assert roster.stop([E0], again=False, now=4.01) == [
            exited(E0, 4, "stopped on request", again=False)
        ]
        assert roster.tick(now=100.0) == []

    def test_who_waits_for_another_life_gets_it_at_once_on_a_restart(self) -> None:
        roster = running(0)
        delays(roster, 3)
        roster.ended(death(pid=103), now=4.0)

        assert roster.stop([E0], again=True, now=4.01)[-1] == Launch(E0, 5)
        assert roster.tick(now=100.0) == []


class TestSignals:
    def test_go_to_the_whole_group(self) -> None:
        assert running(0, 1).signal([E1], signal.SIGINT) == [Kill(101, signal.SIGINT, group=True)]

    def test_are_not_sent_to_who_is_not_running(self) -> None:
        roster = running(0)
        roster.start([E1], now=0.0)

        assert roster.signal([E1, E2], signal.SIGINT) == []


class TestTheEnd:
    def test_stops_everybody_and_uses_force_soon(self) -> None:
        roster = running(0, 1)

        assert roster.end_all(now=1.0) == [
            Kill(100, signal.SIGTERM, group=False),
            Kill(101, signal.SIGTERM, group=False),
        ]
        assert roster.tick(now=1.0 + END_GRACE) == [
            Kill(100, signal.SIGKILL, group=True),
            Kill(101, signal.SIGKILL, group=True),
        ]

    def test_comes_when_the_last_has_gone(self) -> None:
        roster = running(0, 1)
        roster.end_all(now=1.0)
        roster.ended(death(pid=100, code=0), now=1.1)
        before = roster.empty
        roster.ended(death(pid=101, code=0), now=1.1)

        assert (before, roster.empty) == (False, True)

    def test_does_not_wait_for_the_unborn(self) -> None:
        roster = made()
        roster.start([E0], now=0.0)
        roster.end_all(now=0.1)

        assert roster.empty

    def test_lets_nobody_start(self) -> None:
        roster = running(0)
        roster.end_all(now=1.0)

        assert roster.start([E1], now=1.1) == []
