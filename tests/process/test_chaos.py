"""Faults on real clusters, with short figures; ``python -m tests.chaos`` has the long ones."""

from typing import get_args

import pytest

from tests.chaos import partition
from tests.chaos.churn import churn
from tests.chaos.crowded import crowded
from tests.chaos.cycles import cycles
from tests.chaos.hubkill import hubkill
from tests.chaos.mixed import mixed
from tests.chaos.moments import while_starting, while_stopping
from tests.chaos.orphans import Burden, agent_killed, owner_killed
from tests.chaos.outlived import outlived
from tests.chaos.recorded import recorded
from tests.chaos.report import Report
from tests.chaos.stopped import Who, stopped
from tests.chaos.storm import storm
from tests.chaos.stuck import How, stuck

SLACK = 5.0
"""Times are for `make chaos` to judge; here something has to be badly wrong."""


def judge(report: Report) -> None:
    assert report.broken(SLACK) == [], report.row()


@pytest.mark.filterwarnings("ignore:engine . failed:RuntimeWarning")
class TestEnginesAndHubKilledAgainAndAgain:
    def test_lose_nothing_and_deliver_nothing_twice(self) -> None:
        judge(churn(1_500, 0.005, hub_every=1.5))

    def test_run_nothing_twice_that_may_not_run_again(self) -> None:
        judge(churn(1_000, 0.005, hub_every=2.0, fragile=0.5))

    def test_cost_little_where_tasks_may_run_again(self) -> None:
        judge(churn(400, 0.02))


@pytest.mark.filterwarnings("ignore:engine . failed:RuntimeWarning")
class TestTasksOfAllKinds:
    def test_run_once_whatever_happens_to_the_hub(self) -> None:
        judge(mixed(40, hub_every=2.0))

    def test_come_to_their_end_whatever_happens_to_hub_and_engines(self) -> None:
        judge(mixed(40, hub_every=2.0, engine_every=1.0))


class TestAHubKilledInTheMiddle:
    def test_is_a_pause_and_nothing_else(self) -> None:
        judge(hubkill(2_000, 0.001, points=4))

    def test_runs_nothing_again_that_it_has_forgotten_by_then(self) -> None:
        judge(hubkill(1_000, 0.001, points=4, middle=0.95, history=300))


class TestAHubKilledWhileAnEngineIsStuck:
    @pytest.mark.parametrize("how", get_args(How))
    def test_is_a_pause_and_nothing_else(self, how: How) -> None:
        judge(stuck(how, 400, 0.005, points=1))


class TestAHubKilledWhereOthersCompute:
    def test_is_a_pause_and_nothing_else(self) -> None:
        judge(crowded(1, busy=2))


class TestAHubKilledRightAfterAResult:
    def test_leaves_the_next_one_the_whole_history(self) -> None:
        judge(recorded(6))


class TestWhoeverIsStoppedForAWhile:
    @pytest.mark.parametrize("who", get_args(Who))
    def test_goes_on_where_it_was(self, who: Who) -> None:
        judge(stopped(who, 200, 0.01, pause=1.0))


class TestTheAgentKilled:
    def test_is_the_end_of_the_cluster(self) -> None:
        judge(agent_killed())


class TestTheOwnerKilled:
    @pytest.mark.parametrize("burden", ["daemons", "nested", "native", "stopped"])
    def test_leaves_nothing_whatever_its_engines_do(self, burden: Burden) -> None:
        judge(owner_killed(burden))


class TestAClientKilled:
    def test_is_outlived_by_its_tasks_where_nobody_owns_the_cluster(self) -> None:
        judge(outlived(200, 0.005))


class TestTheHubKilled:
    def test_at_any_moment_of_a_start_does_no_harm(self) -> None:
        judge(while_starting(3))

    def test_at_any_moment_of_a_stop_does_no_harm(self) -> None:
        judge(while_stopping(3))


class TestManyClusters:
    def test_one_after_the_other_leave_this_process_as_it_was(self) -> None:
        judge(cycles(2))


class TestManyEngines:
    def test_may_come_at_once(self) -> None:
        judge(storm(500))


@pytest.mark.skipif(bool(partition.unable()), reason=partition.unable() or "-")
class TestALinkThatIsCut:
    def test_is_a_pause_for_the_client_behind_it(self) -> None:
        judge(partition.cut(3.0, count=100))


@pytest.mark.skipif(bool(partition.unable()), reason=partition.unable() or "-")
class TestALongWayThatLosesPackets:
    def test_is_slower_and_nothing_else(self) -> None:
        judge(partition.slow(100))


@pytest.mark.skipif(bool(partition.unable()), reason=partition.unable() or "-")
class TestAHubKilledFarAway:
    def test_is_a_pause_and_nothing_else(self) -> None:
        judge(partition.hub_killed(count=200))
