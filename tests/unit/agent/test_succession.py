import pytest

from ipcluster_ext.agent.succession import Succession


@pytest.fixture
def hubs() -> Succession:
    """Return the lives of hubs of which the first has answered."""
    hubs = Succession(20.0, now=100.0)
    hubs.answered()
    return hubs


def delays(hubs: Succession, count: int, *, lived: float, now: float = 100.0) -> list[float | None]:
    """Have hubs die, each so many seconds after its start; return what followed."""
    followed: list[float | None] = []
    for _ in range(count):
        now += lived
        delay = hubs.died(now=now)
        followed.append(delay)
        now += delay or 0.0
        hubs.started(now=now)
    return followed


class TestAHubThatDies:
    def test_is_followed_at_once(self, hubs: Succession) -> None:
        assert hubs.died(now=150.0) == 0.0

    def test_soon_after_its_start_is_followed_later_and_later(self, hubs: Succession) -> None:
        assert delays(hubs, 9, lived=0.1) == [0, 0, 0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]

    def test_after_a_while_is_followed_at_once_again(self, hubs: Succession) -> None:
        delays(hubs, 6, lived=0.1)

        assert delays(hubs, 2, lived=2.0, now=200.0) == [0, 0]

    def test_ten_times_within_a_minute_ends_the_cluster(self, hubs: Succession) -> None:
        assert delays(hubs, 10, lived=6.0) == [0] * 9 + [None]

    def test_ten_times_in_more_than_a_minute_does_not(self, hubs: Succession) -> None:
        assert delays(hubs, 30, lived=6.7) == [0] * 30

    def test_five_times_before_it_has_ever_answered_ends_the_cluster(self) -> None:
        hubs = Succession(20.0, now=100.0)

        assert delays(hubs, 5, lived=0.1) == [0, 0, 0, 0.1, None]

    def test_is_told_with_the_number_of_deaths_before(self, hubs: Succession) -> None:
        hubs.died(now=101.0)
        first = hubs.account(now=101.0)
        hubs.died(now=103.5)

        assert (first, hubs.account(now=103.5)) == ("once", "2 times in 2.5 s")


class TestAHubThatAnswersNothing:
    def test_hangs_once_it_has_been_asked_for_so_long(self, hubs: Succession) -> None:
        for now in range(102, 120, 2):
            hubs.asked(every=2.0, now=now)
        before = hubs.hangs
        hubs.asked(every=2.0, now=120.0)

        assert (before, hubs.hangs) == (False, True)

    def test_does_not_hang_if_it_has_answered_meanwhile(self, hubs: Succession) -> None:
        for now in range(102, 200, 2):
            hubs.asked(every=2.0, now=now)
            if now % 10 == 0:
                hubs.answered()

        assert not hubs.hangs

    def test_is_not_blamed_for_the_sleep_of_the_agent(self, hubs: Succession) -> None:
        hubs.asked(every=2.0, now=102.0)
        hubs.asked(every=2.0, now=1000.0)

        assert not hubs.hangs

    def test_is_given_the_whole_time_again_after_its_start(self, hubs: Succession) -> None:
        for now in range(102, 120, 2):
            hubs.asked(every=2.0, now=now)
        hubs.started(now=119.0)
        hubs.asked(every=2.0, now=120.0)

        assert not hubs.hangs
