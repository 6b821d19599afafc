import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ipcluster_ext.client.roster import Roster
from ipcluster_ext.errors import ClientClosed, EngineError
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.parts import EngineInfo
from ipcluster_ext.protocol.status import EngineStatus
from tests.support.waiting import wait_until

STARTING, READY, STOPPED = EngineStatus.STARTING, EngineStatus.READY, EngineStatus.STOPPED
RETIRING = EngineStatus.RETIRING


def info(number: int, status: EngineStatus, *, pid: int = 0, reason: str = "") -> EngineInfo:
    return EngineInfo(EngineId(number), status, "here", pid, reason)


@pytest.fixture
def roster() -> Roster:
    return Roster()


class TestTheIds:
    def test_are_those_of_engines_that_are_ready_in_order(self, roster: Roster) -> None:
        roster.update([info(2, READY, pid=12), info(1, STARTING), info(0, READY, pid=10)])

        assert roster.ids == [0, 2]

    def test_keep_an_engine_that_comes_back(self, roster: Roster) -> None:
        roster.update([info(0, READY, pid=10)])
        roster.update([info(0, STARTING, pid=10)])

        assert roster.ids == [0]

    def test_lose_an_engine_that_stopped(self, roster: Roster) -> None:
        roster.update([info(0, READY, pid=10), info(1, READY, pid=11)])
        roster.update([info(0, STOPPED)])

        assert roster.ids == [1]
        assert roster.get(EngineId(0)) is None

    def test_are_not_those_of_engines_that_retire(self, roster: Roster) -> None:
        roster.update([info(0, READY, pid=10), info(1, READY, pid=11)])
        roster.update([info(0, RETIRING, pid=10)])

        assert (roster.ids, roster.known, roster.count_ready) == ([1], [0, 1], 1)

    def test_cannot_be_changed_by_who_gets_them(self, roster: Roster) -> None:
        roster.update([info(0, READY, pid=10)])
        roster.ids.clear()

        assert roster.ids == [0]


class TestTheListOfAnotherHub:
    def test_takes_the_place_of_what_was_known(self, roster: Roster) -> None:
        roster.update([info(0, READY, pid=10), info(1, READY, pid=11)])

        roster.replace([info(1, READY, pid=11), info(2, READY, pid=12)])

        assert roster.ids == [1, 2]

    def test_tells_those_who_wait_for_an_engine_that_is_not_in_it(self, roster: Roster) -> None:
        roster.update([info(0, READY, pid=10)])
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(roster.wait_until, lambda: not roster.ids, 10)
            roster.replace([])

            assert waiting.result(10)


class TestTheHosts:
    def test_are_those_of_all_engines(self, roster: Roster) -> None:
        roster.update([info(0, READY), EngineInfo(EngineId(1), STARTING, "there")])

        assert roster.hosts == {"here", "there"}


class TestWaiting:
    def test_ends_at_once_if_there_are_enough(self, roster: Roster) -> None:
        roster.update([info(0, READY), info(1, READY)])

        assert roster.wait_for(2, None)

    def test_is_not_for_those_that_were_not_wanted_any_more_before_they_were_up(
        self, roster: Roster
    ) -> None:
        roster.update([info(0, READY, pid=10), info(1, RETIRING), info(1, STOPPED)])

        assert not roster.wait_for(2, 0.0)

    def test_ends_when_the_time_is_up(self, roster: Roster) -> None:
        roster.update([info(0, READY), info(1, STARTING, pid=11)])

        assert not roster.wait_for(2, 0.0)

    def test_ends_when_enough_are_ready(self, roster: Roster) -> None:
        began = threading.Event()

        def come() -> None:
            began.wait()
            roster.update([info(0, READY)])
            roster.update([info(1, READY)])

        thread = threading.Thread(target=come)
        thread.start()
        began.set()

        assert roster.wait_for(2, 10.0)
        thread.join()

    def test_fails_when_one_does_not_come_up(self, roster: Roster) -> None:
        roster.update([info(0, STARTING)])
        roster.update([info(0, STOPPED, reason="exit code 7")])

        with pytest.raises(EngineError, match="engine 0 did not start: exit code 7"):
            roster.wait_for(1, None)

    def test_does_not_fail_when_one_stopped_that_had_been_up(self, roster: Roster) -> None:
        roster.update([info(0, READY)])
        roster.update([info(0, STOPPED, reason="it was told to")])

        assert not roster.wait_for(1, 0.0)

    def test_fails_when_one_that_had_been_up_stops_meanwhile(self, roster: Roster) -> None:
        roster.update([info(0, READY)])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(roster.wait_for, 2, 10.0)
            while not waiting.done():  # until it has begun to wait, stops are nobody's concern
                roster.update([info(0, READY)])
                roster.update([info(0, STOPPED, reason="it was told to")])

        with pytest.raises(EngineError, match="engine 0 stopped meanwhile: it was told to"):
            waiting.result()

    def test_goes_on_when_one_goes_that_was_to_go(self, roster: Roster) -> None:
        roster.update([info(0, READY), info(1, RETIRING)])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(roster.wait_for, 2, 10.0)
            wait_until(lambda: roster._waiting)  # noqa: SLF001 - nobody else need know
            roster.update([info(1, STOPPED, reason="it was told to")])
            missed = list(roster._gone)  # noqa: SLF001 - or it would have to be awaited that nothing happens
            roster.update([info(2, READY)])

        assert missed == []
        assert waiting.result()

    def test_for_any_condition_looks_after_each_change(self, roster: Roster) -> None:
        roster.update([info(0, READY)])

        assert roster.wait_until(lambda: roster.get(EngineId(0)) is not None, None)
        assert not roster.wait_until(lambda: False, 0.0)

    def test_fails_when_nothing_more_will_be_heard(self, roster: Roster) -> None:
        roster.fail(ClientClosed("closed"))

        with pytest.raises(ClientClosed):
            roster.wait_for(1, None)


class TestAnotherPython:
    def test_on_an_engine_is_a_mismatch(self) -> None:
        roster = Roster("3.13")
        roster.update([EngineInfo(EngineId(0), READY, python="3.13")])
        assert roster.mismatch is None

        roster.update([EngineInfo(EngineId(1), READY, python="3.11")])

        assert str(roster.mismatch).startswith(
            "this process runs Python 3.13, engine 1 Python 3.11"
        )

    def test_does_not_matter_once_that_engine_is_gone(self) -> None:
        roster = Roster("3.13")
        roster.update([EngineInfo(EngineId(1), READY, python="3.11")])

        roster.update([EngineInfo(EngineId(1), STOPPED)])

        assert roster.mismatch is None

    def test_is_not_suspected_of_an_engine_that_has_not_said(self) -> None:
        roster = Roster("3.13")

        roster.update([EngineInfo(EngineId(0), STARTING), EngineInfo(EngineId(1), READY)])

        assert roster.mismatch is None
