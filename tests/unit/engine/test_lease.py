"""For how long tasks may begin while the hub is not heard."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ipcluster_ext.engine import lease as lease_module
from ipcluster_ext.engine.lease import Lease
from ipcluster_ext.transport.blackbox import BlackBox, hold

if TYPE_CHECKING:
    from ipcluster_ext.transport.channel import Channel


class Hub:
    """Answers what it is asked if it lives.

    Attributes
    ----------
    now
        What the clock shows.
    answered
        When it was asked what it has answered.
    steps
        How often the engine has waited for it.
    """

    def __init__(self, box: Path) -> None:
        self.now, self.answered, self.steps = 100.0, 0.0, 0
        self.lives = True
        self.box = BlackBox(box)
        self._path = box
        self._asked = 0.0

    def lease(self) -> Lease:
        return Lease(cast("Channel", self), self.box, 10.0)

    def ping(self) -> None:
        self.now += 0.001
        self._asked = self.now

    def step(self, timeout: float) -> None:
        self.now += timeout
        self.steps += 1
        if self.lives:
            self.answered = self._asked

    def hold(self) -> None:
        hold(self._path)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub(tmp_path / "box")
    monkeypatch.setattr(lease_module, "CLOCK", lambda: hub.now)
    return hub


def test_it_holds_from_when_the_hub_was_asked(hub: Hub) -> None:
    lease = hub.lease()
    hub.answered = 105.0
    lease.look()
    hub.now = 115.0
    before = lease.holds
    hub.now = 115.1

    assert (before, lease.holds) == (True, False)


def test_it_is_renewed_as_soon_as_the_hub_answers(hub: Hub) -> None:
    lease = hub.lease()
    hub.now = 200.0

    def step(timeout: float) -> None:
        hub.step(timeout)
        lease.look()

    lease.renew(step)

    assert lease.holds
    assert hub.steps == 1


class TestAnEngineThatIsHeld:
    def test_begins_nothing_before_the_hub_has_answered(self, hub: Hub) -> None:
        lease = hub.lease()
        before = lease.holds
        hub.hold()

        assert (before, lease.holds) == (True, False)
        lease.renew(hub.step)
        assert lease.holds
        assert hub.steps == 1

    def test_counts_no_answer_to_what_was_asked_before(self, hub: Hub) -> None:
        lease = hub.lease()
        hub.ping()
        hub.hold()
        hub.now += 1.0
        before = lease.holds
        hub.step(0.0)

        assert (before, lease.holds) == (False, False)

    def test_counts_no_answer_of_a_hub_that_has_not_welcomed_it(self, hub: Hub) -> None:
        lease = hub.lease()
        lease.estranged = True
        hub.hold()
        held = not lease.holds
        hub.now += 1.0
        hub.ping()
        hub.step(0.0)
        unwelcome = not lease.holds
        lease.estranged = False

        assert (held, unwelcome, lease.holds) == (True, True, True)

    def test_may_be_held_again(self, hub: Hub) -> None:
        lease = hub.lease()
        hub.hold()
        lease.renew(hub.step)
        hub.hold()
        again = lease.holds
        lease.renew(hub.step)

        assert (again, lease.holds) == (False, True)
