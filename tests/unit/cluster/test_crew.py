from ipcluster_ext.cluster.foreman.crew import Again, Crew, Report, Seen
from ipcluster_ext.protocol.foreman import Launch

RUNS = Seen(code=None, state="runs", up=True)
CONNECTS = Seen(code=None, state="connects", up=False)
DIED = Seen(code=255, state="it cannot be reached", up=False, output="no route")


def crew() -> tuple[Crew, int]:
    """Return a crew of one."""
    made = Crew()
    return made, made.begun("ssh", "host n1", 4)


def test_what_is_new_is_reported_once() -> None:
    made, post = crew()

    first = made.look(post, CONNECTS, again=True, now=0.0)
    second = made.look(post, CONNECTS, again=True, now=1.0)

    assert first == [Report(Launch(set="ssh", name="host n1", count=4, state="connects"))]
    assert second == []


def test_what_meets_the_hub_is_up() -> None:
    made, post = crew()

    made.look(post, RUNS, again=True, now=0.0)

    assert [launch.stage for launch in made.launches] == ["up"]


def test_what_cannot_be_seen_from_here_is_starting() -> None:
    made, post = crew()

    made.look(post, Seen(code=None, state="waits in the queue"), again=False, now=0.0)

    assert [launch.stage for launch in made.launches] == ["starting"]


def test_a_failure_is_reported_with_its_last_words_and_the_next_try() -> None:
    made, post = crew()

    reports = made.look(post, DIED, again=True, now=0.0)

    assert reports == [
        Report(
            Launch(
                set="ssh",
                name="host n1",
                count=4,
                stage="failed",
                state="it cannot be reached",
                output="no route",
                again_in=1.0,
            )
        )
    ]


def test_pauses_grow_up_to_a_minute() -> None:
    made, post = crew()
    pauses = []
    for _ in range(9):
        made.look(post, DIED, again=True, now=0.0)
        pauses.append(made.launches[0].again_in)
        assert list(made.tick(now=100.0)) == [Again(post)]

    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_nothing_is_tried_before_its_time() -> None:
    made, post = crew()
    made.look(post, DIED, again=True, now=0.0)

    assert made.deadline == 1.0
    assert list(made.tick(now=0.9)) == []
    assert list(made.tick(now=1.0)) == [Again(post)]
    assert list(made.tick(now=1.0)) == []


def test_the_hopeless_is_not_tried_again() -> None:
    made, post = crew()

    made.look(post, DIED._replace(hopeless=True), again=True, now=0.0)

    assert made.deadline is None
    assert made.launches[0].again_in is None


def test_a_kind_that_is_not_started_again_is_reported_only() -> None:
    made, post = crew()

    made.look(post, DIED, again=False, now=0.0)

    assert made.deadline is None


def test_what_is_tried_again_is_told_from_what_starts_until_it_is_up() -> None:
    made, post = crew()
    made.look(post, DIED, again=True, now=0.0)
    list(made.tick(now=1.0))

    made.look(post, CONNECTS, again=True, now=1.0)
    trying = made.launches[0].stage
    made.look(post, RUNS, again=True, now=2.0)

    assert (trying, made.launches[0].stage) == ("again", "up")


def test_after_a_minute_up_the_next_pause_is_the_first_again() -> None:
    made, post = crew()
    for _ in range(3):
        made.look(post, DIED, again=True, now=0.0)
        list(made.tick(now=10.0))
    made.look(post, RUNS, again=True, now=10.0)
    made.look(post, RUNS, again=True, now=70.0)

    made.look(post, DIED, again=True, now=71.0)

    assert made.launches[0].again_in == 1.0


def test_what_ends_in_the_end_has_not_failed() -> None:
    made, post = crew()
    made.look(post, RUNS, again=True, now=0.0)
    made.end()

    made.look(post, Seen(code=0, state="ended"), again=True, now=1.0)

    assert made.deadline is None
    assert made.launches[0].stage == "ended"


def test_what_cannot_even_be_started_has_failed() -> None:
    made = Crew()

    made.refused("batch", "launcher slurm", 8, "there is no sbatch")

    assert made.launches == [
        Launch(
            set="batch",
            name="launcher slurm",
            count=8,
            stage="failed",
            state="there is no sbatch",
        )
    ]


def test_what_could_not_be_started_again_is_tried_later() -> None:
    made, post = crew()
    made.look(post, DIED, again=True, now=0.0)
    list(made.tick(now=1.0))

    made.failed_again(post, "no hub", now=1.0)

    assert (made.launches[0].state, made.deadline) == ("no hub", 3.0)


def test_what_is_found_again_is_kept_while_it_may_come_back() -> None:
    made, post = crew()
    kept = {"host": "n1"}
    made.look(post, RUNS._replace(kept=kept), again=True, now=0.0)
    running = made.launches[0].kept
    made.look(post, DIED._replace(kept=kept), again=True, now=1.0)

    assert (running, made.launches[0].kept) == (kept, kept)


def test_what_ends_because_its_engines_were_told_to_has_not_failed() -> None:
    made, post = crew()
    ended = Seen(code=0, state="has ended", hopeless=True, in_order=True)

    made.look(post, ended, again=True, now=0.0)

    assert made.launches == [
        Launch(set="ssh", name="host n1", count=4, stage="ended", state="has ended")
    ]
    assert made.deadline is None


def test_what_waits_for_its_turn_is_reported_so() -> None:
    made, post = crew()

    made.look(post, Seen(code=None, state="waits", queued=True), again=False, now=0.0)
    first = made.launches[0].queued
    made.look(post, Seen(code=None, state="runs"), again=False, now=1.0)

    assert (first, made.launches[0].queued) == (True, False)


def test_the_last_end_of_a_set_is_marked_if_its_agents_end_with_it() -> None:
    made = Crew()
    one, two = (made.begun("mpi", f"MPI program {pid}", 2) for pid in (8, 9))
    made.begun("ssh", "host n1", 1)
    killed = Seen(code=-9, state="was killed", holds=True)

    made.look(one, killed, again=True, now=0.0)
    first = [launch.last for launch in made.launches]
    made.look(two, killed, again=True, now=0.0)

    assert first == [False, False, False]
    assert [launch.last for launch in made.launches] == [False, True, False]


def test_the_end_of_a_connection_is_not_that_of_its_agents() -> None:
    made, post = crew()

    made.look(post, DIED, again=True, now=0.0)

    assert not made.launches[0].last


def test_an_order_for_more_is_carried_out_once() -> None:
    made = Crew()

    assert [made.takes(number) for number in (1, 2, 2, 1, 3)] == [True, True, False, False, True]
    assert made.account.taken == 3


def test_what_a_foreman_before_carried_out_is_no_new_order() -> None:
    before, made = Crew(), Crew()
    before.takes(2)

    made.takes(before.account.taken)

    assert not made.takes(2)
    assert made.takes(3)
