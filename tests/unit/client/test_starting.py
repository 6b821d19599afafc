"""Which engines are waited for while a cluster starts, and which are not."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ipcluster_ext.client.roster import Roster
from ipcluster_ext.client.starting import Coming, await_engines, coming
from ipcluster_ext.cluster.register import About
from ipcluster_ext.errors import ClusterError, EngineError
from ipcluster_ext.protocol.foreman import LAUNCHED, Launch, Launches
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.parts import EngineInfo
from ipcluster_ext.protocol.status import EngineStatus
from ipcluster_ext.transport.files import ConnectionFile, to_json, write_private
from ipcluster_ext.transport.thishost import host_identity

if TYPE_CHECKING:
    import ipcluster_ext as ipp


def engine(number: int, status: EngineStatus = EngineStatus.READY, pid: int = 0) -> EngineInfo:
    return EngineInfo(EngineId(number), status, "here", pid)


def launch(stage: str = "starting", count: int = 2, **more: Any) -> Launch:
    return Launch(set="n1", name="host n1", count=count, stage=cast("Any", stage), **more)


class Stage:
    """A cluster, as a client sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roster = Roster()
        self.said: list[str] = []
        fake = SimpleNamespace(
            cluster_id="demo",
            connection_file=folder / "client.json",
            connection=SimpleNamespace(roster=self.roster),
        )
        self.client = cast("ipp.Client", fake)

    def was_started(self, count: int, *, ago: float = 0.0) -> None:
        ticks = int((time.clock_gettime(time.CLOCK_BOOTTIME) - ago) * os.sysconf("SC_CLK_TCK"))
        deed = ConnectionFile(
            cluster="demo",
            folder=str(self.folder),
            agent_pid=1,
            agent_started=ticks,
            host=host_identity(),
        )
        write_private(self.folder / "client.json", to_json(deed))
        write_private(self.folder / "about.json", to_json(About(n=count)))

    def launches(self, *launches: Launch) -> None:
        write_private(self.folder / LAUNCHED, to_json(Launches(launches=list(launches))))

    def wait(self, *steps: Callable[[], None]) -> bool:
        """Wait for engines, something happening whenever it is looked for them."""
        left = iter(steps)
        real = self.roster.wait_for

        def wait_for(count: int, timeout: float | None) -> bool:
            next(left)()
            del timeout
            return real(count, 0.0)

        self.roster.wait_for = wait_for  # type: ignore[method-assign] # time goes by in steps
        return await_engines(self.client, self.said.append)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    tmp_path.chmod(0o700)
    return Stage(tmp_path)


class TestWhatComes:
    def test_is_what_has_never_been_up(self, stage: Stage) -> None:
        starting = EngineStatus.STARTING
        stage.roster.update([engine(0, pid=7), engine(1, starting), engine(2, starting, pid=8)])

        assert coming(stage.client) == Coming(1)

    def test_is_all_that_a_young_cluster_was_started_with_if_its_hub_knows_nothing(
        self, stage: Stage
    ) -> None:
        stage.was_started(3)

        assert coming(stage.client) == Coming(3)

    def test_is_nothing_if_it_is_not_young_any_more(self, stage: Stage) -> None:
        stage.was_started(3, ago=60.0)

        assert coming(stage.client) == Coming(0)

    def test_is_nothing_if_all_are_there(self, stage: Stage) -> None:
        stage.was_started(3)
        stage.roster.update([engine(0, pid=7)])

        assert coming(stage.client) == Coming(0)

    def test_is_what_is_being_started_elsewhere(self, stage: Stage) -> None:
        stage.roster.update([engine(0, pid=7)])
        stage.launches(launch(state="connecting"), launch("up"), launch(queued=True))

        assert coming(stage.client) == Coming(2, ("host n1: connecting",))

    def test_is_what_stands_in_a_queue_if_nothing_else_is_there(self, stage: Stage) -> None:
        stage.launches(launch("failed"), launch(state="in the queue", queued=True))

        assert coming(stage.client) == Coming(2, ("host n1: in the queue",))

    def test_is_never_coming_if_all_has_failed(self, stage: Stage) -> None:
        stage.launches(launch("failed", state="no route to host"))

        with pytest.raises(ClusterError, match="demo has not come up; host n1: no route to host"):
            coming(stage.client)


class TestWaiting:
    def test_is_not_done_where_all_are_there(self, stage: Stage) -> None:
        stage.roster.update([engine(0, pid=7)])

        assert stage.wait() is False
        assert stage.said == []

    def test_goes_on_until_nothing_more_comes(
        self, stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ipcluster_ext.client.starting.QUIET", -1.0)
        stage.was_started(2)
        starting = EngineStatus.STARTING

        assert stage.wait(
            lambda: None,
            lambda: stage.roster.update([engine(0, starting), engine(1, starting)]),
            lambda: stage.roster.update([engine(0, pid=7)]),
            lambda: stage.roster.update([engine(1, pid=8)]),
        )
        assert stage.said == ["cluster demo is still starting; waiting for 2 engines"]
        assert stage.roster.count_ready == 2
        assert "engines: 2 of 2 ready" in capsys.readouterr().err

    def test_is_not_told_of_if_it_is_over_in_a_moment(
        self, stage: Stage, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stage.was_started(1)

        assert stage.wait(lambda: stage.roster.update([engine(0, pid=7)]))
        assert (stage.said, capsys.readouterr().err) == ([], "")

    def test_fails_with_the_reason_if_an_engine_does(self, stage: Stage) -> None:
        stage.roster.update([engine(0, EngineStatus.STARTING)])
        dead = EngineInfo(EngineId(0), EngineStatus.STOPPED, "here", reason="no module numpy")

        with pytest.raises(EngineError, match="engine 0 did not start: no module numpy"):
            stage.wait(lambda: stage.roster.update([dead]))

    def test_fails_with_the_reason_if_all_launches_do(self, stage: Stage) -> None:
        stage.launches(launch())

        with pytest.raises(ClusterError, match="not come up; host n1: permission denied"):
            stage.wait(lambda: stage.launches(launch("failed", state="permission denied")))

    def test_ends_if_no_more_come_beside_those_that_are_there(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ipcluster_ext.client.starting.PATIENCE", -1.0)
        stage.launches(launch())

        assert stage.wait(lambda: stage.roster.update([engine(0, pid=7)]))
