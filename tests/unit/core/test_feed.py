import pytest

from ipcluster_ext.core.events import CaughtUp, Lags
from ipcluster_ext.protocol.feed import (
    EngineRow,
    FeedPart,
    Glimpse,
    Measure,
    Status,
    Totals,
    Vital,
    Vitals,
    Watch,
    WorkRow,
)
from ipcluster_ext.protocol.frames import encode_failure
from ipcluster_ext.protocol.ids import ClientId, EngineId
from ipcluster_ext.protocol.messages import ClientHello, Done, Output, Submit
from ipcluster_ext.protocol.parts import Failure, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.scripted import Agent, Client, Engine, Stage

ALL: tuple[FeedPart, ...] = ("engines", "work", "totals")


@pytest.fixture
def agent(stage: Stage) -> Agent:
    return stage.agent(2)


def watch(
    client: Client, *, interval: float = 0.1, request: int = 1, parts: tuple[FeedPart, ...] = ALL
) -> None:
    client.say(Watch(request, interval, parts))


def news(client: Client) -> list[Status]:
    """Return what a client was told since the last time, and have it say so."""
    told = client.of(Status)
    client.forget()
    client.acknowledge()
    return told


def states(status: Status) -> dict[int, str]:
    return {row.id: row.state for row in status.engines}


def submit_map(client: Client, count: int, label: str = "fit") -> list[TaskItem]:
    items = [TaskItem(task, b"in") for task in client.next_ids(count)]
    client.say(Submit(TaskSpec(Kind.MAP, label=label, name="f"), items))
    return items


class TestWhatIsTold:
    def test_a_watcher_is_told_everything_at_first(
        self, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        del engines
        [task] = client.submit()

        watch(watcher)

        assert news(watcher) == [
            Status(
                1,
                1,
                [
                    EngineRow(EngineId(0), "busy", "here", 100, task, "apply", 100.0),
                    EngineRow(EngineId(1), "idle", "here", 101, since=100.0),
                ],
                work=[WorkRow(1, client.number, "", "", "", "apply", 0, 0, 0, 1, 0, 100.0)],
                totals=Totals("ready", 2, 2, 1, 0, 1, 0, 0, 2),
            )
        ]

    def test_then_only_of_what_has_changed(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        watch(watcher)
        news(watcher)
        [task] = client.submit()
        stage.turn(0.1)
        news(watcher)

        engines[0].finish()
        stage.turn(0.1)

        [status] = news(watcher)
        assert status == Status(
            1,
            3,
            [EngineRow(EngineId(0), "idle", "here", 100, since=100.1, ended=1)],
            work=[WorkRow(1, client.number, "", "", "", "apply", 1, 0, 0, 0, 0, 100.0, 100.1)],
            totals=Totals("ready", 2, 2, 0, 0, 0, 1, 0, 2),
        )
        assert task

    def test_and_nothing_while_nothing_changes(
        self, stage: Stage, watcher: Client, engines: list[Engine]
    ) -> None:
        del engines
        watch(watcher)
        news(watcher)

        stage.turn(10.0)

        assert news(watcher) == []
        assert stage.hub.deadline is None

    def test_an_engine_that_is_gone_is_not_shown_any_more(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        watch(watcher)
        news(watcher)
        client.steer("stop", [1])
        engines[1].die(again=False)

        stage.turn(0.1)

        assert [status.gone for status in news(watcher)] == [[1]]

    def test_one_that_was_given_up_is_shown_as_dead_and_why(
        self, stage: Stage, watcher: Client, engines: list[Engine]
    ) -> None:
        engines[1].die(again=False)

        watch(watcher)

        [status] = news(watcher)
        assert status.engines[1] == EngineRow(
            EngineId(1), "dead", "here", reason="killed by SIGKILL"
        )
        assert status.totals is not None
        assert status.totals.wanted == 1

    def test_engines_are_shown_as_they_are(
        self, stage: Stage, watcher: Client, client: Client, agent: Agent
    ) -> None:
        stage.agent(2)
        busy, silent = (agent.start(EngineId(engine)) for engine in (0, 1))
        client.submit_each([0])
        silent.fall_silent()
        client.steer("retire", [0])

        watch(watcher)

        [status] = news(watcher)
        assert states(status) == {0: "retiring", 1: "unresponsive", 2: "starting", 3: "starting"}
        assert busy.ids

    def test_only_the_parts_that_are_wanted_are_told(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        del engines
        watch(watcher, parts=("totals",))
        client.submit()
        stage.turn(0.1)

        told = news(watcher)

        assert [(s.engines, s.work) for s in told] == [([], [])]
        assert all(status.totals for status in told)

    def test_a_client_may_have_several_feeds(self, watcher: Client) -> None:
        watch(watcher, request=1, parts=("totals",))
        watch(watcher, request=2, parts=("work",))

        assert [(s.request, s.number) for s in news(watcher)] == [(1, 1), (2, 1)]

    def test_but_not_any_number(self, stage: Stage, watcher: Client) -> None:
        for request in range(70):
            watch(watcher, request=request)

        assert len(watcher.of(Status)) == 64


class TestWhen:
    def test_at_most_one_status_is_told_in_an_interval(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        watch(watcher, interval=0.5)
        news(watcher)

        for _ in range(49):
            client.submit()
            engines[0 if engines[0].ids else 1].finish()
            stage.turn(0.01)
            assert news(watcher) == []
        stage.turn(0.02)

        assert len(news(watcher)) == 1

    def test_nobody_is_told_more_often_than_ten_times_a_second(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        del engines
        watch(watcher, interval=0.001)
        news(watcher)

        client.submit()
        stage.turn(0.05)
        early = news(watcher)
        stage.turn(0.05)

        assert (early, len(news(watcher))) == ([], 1)

    def test_the_hub_wakes_up_for_what_is_still_to_be_told(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        del engines
        watch(watcher)
        news(watcher)

        client.submit()

        assert stage.hub.deadline == pytest.approx(100.1)

    def test_after_a_while_news_are_told_at_once(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        del engines
        watch(watcher)
        news(watcher)
        stage.turn(5.0)

        client.submit()

        assert len(news(watcher)) == 1

    def test_what_is_not_received_is_followed_by_nothing(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        watch(watcher)
        for _ in range(5):
            client.submit()
            engines[0 if engines[0].ids else 1].finish()
            stage.turn(1.0)

        before = [status.number for status in watcher.of(Status)]
        deadline = stage.hub.deadline
        watcher.acknowledge()

        assert (before, deadline) == ([1], None)
        [_, status] = watcher.of(Status)
        assert status.totals is not None
        assert status.totals.ended == 5

    def test_a_client_that_lags_behind_is_told_of_what_is_new_when_it_has_caught_up(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        del engines
        watch(watcher)
        news(watcher)
        stage.happen(Lags(watcher.id))
        client.submit()
        stage.turn(1.0)
        before = news(watcher)

        stage.happen(CaughtUp(watcher.id))

        assert (before, len(news(watcher))) == ([], 1)

    def test_whoever_has_enough_is_told_nothing(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        del engines
        watch(watcher)
        news(watcher)

        watch(watcher, interval=0.0)
        client.submit()
        stage.turn(1.0)

        assert news(watcher) == []
        assert stage.hub.deadline is None

    def test_nor_is_whoever_has_left(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        del engines
        watch(watcher)
        watcher.bye()

        client.submit()
        stage.turn(1.0)

        assert stage.hub.deadline is None

    def test_a_feed_that_is_asked_for_again_begins_with_everything(
        self, stage: Stage, watcher: Client, engines: list[Engine]
    ) -> None:
        del engines
        watch(watcher)
        news(watcher)

        watch(watcher)
        stage.turn(0.1)

        assert [(s.number, states(s)) for s in news(watcher)] == [(1, {0: "idle", 1: "idle"})]

    @pytest.mark.parametrize("interval", [float("nan"), float("inf"), -1.0])
    def test_no_interval_upsets_the_hub(
        self, stage: Stage, watcher: Client, client: Client, interval: float
    ) -> None:
        watch(watcher, interval=interval)
        client.submit()
        stage.turn(1.0)

        assert len(news(watcher)) == (interval == float("inf"))


class TestWork:
    def rows(self, stage: Stage, watcher: Client) -> list[WorkRow]:
        watch(watcher, parts=("work",))
        stage.turn(0.1)
        told = news(watcher)
        watch(watcher, interval=0.0)
        return [row for status in told for row in status.work]

    def test_a_map_is_counted(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        submit_map(client, 7)
        engines[0].finish()
        engines[1].fail()

        [row] = self.rows(stage, watcher)

        assert (row.label, row.name, row.kind) == ("fit", "f", "map")
        assert (row.done, row.failed, row.cancelled) == (1, 1, 0)
        assert (row.running, row.queued) == (2, 3)
        assert (row.client, row.ended) == (client.number, 0.0)

    def test_the_first_error_is_told(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        first, second = submit_map(client, 2)
        for item, engine, text in ((first, 0, "too\nlong"), (second, 1, "late")):
            failure = encode_failure(Failure("ValueError", text, ""))
            failed = ResultItem(item.id, TaskStatus.FAILED, 0.0, 0.0, failure)
            engines[engine].say(Done([failed]))

        [row] = self.rows(stage, watcher)

        assert (row.failed, row.error) == (2, "ValueError: too long")

    def test_cancelled_tasks_have_not_failed(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        del engines
        items = submit_map(client, 5)

        client.cancel(items[-1].id)

        [row] = self.rows(stage, watcher)
        assert (row.failed, row.cancelled, row.queued) == (0, 1, 2)

    def test_another_map_is_another_row(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        submit_map(client, 1)
        engines[0].finish()
        submit_map(client, 1)

        rows = self.rows(stage, watcher)

        assert [(row.number, row.done, row.running) for row in rows] == [(1, 1, 0), (2, 0, 1)]

    def test_calls_one_after_the_other_are_one_row(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        for place in range(300):
            client.submit()
            engines[place % 2].finish()

        assert [row.done for row in self.rows(stage, watcher)] == [300]

    def test_until_there_are_none_for_a_while(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        client.submit()
        engines[0].finish()
        stage.turn(6.0)
        client.submit()

        assert [row.done for row in self.rows(stage, watcher)] == [1, 0]

    def test_there_are_never_more_rows_than_somebody_could_read(
        self, stage: Stage, watcher: Client, client: Client
    ) -> None:
        stage.agent(1)
        for number in range(1000):
            submit_map(client, 1, label=f"map {number}")

        rows = self.rows(stage, watcher)

        assert [row.label for row in rows] == [
            f"map {number}" for number in (*range(64), *range(936, 1000))
        ]

    def test_nor_is_more_remembered_of_what_is_over(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        for number in range(1000):
            submit_map(client, 1, label=f"map {number}")
            engines[0 if engines[0].ids else 1].finish()

        assert len(list(stage.hub.state.works)) < 200

    def test_the_owners_name_is_told(self, stage: Stage, watcher: Client) -> None:
        stage.engines(1)
        client = Client(stage, ClientId(77))
        client.say(ClientHello(client.number, "here", 20, "notebook.ipynb"))
        submit_map(client, 1)

        assert [row.session for row in self.rows(stage, watcher)] == ["notebook.ipynb"]

    def test_a_new_hub_goes_on_counting(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(1, number=7)
        engine = agent.start(EngineId(0))
        submit_map(client, 5)
        engine.finish()

        stage.crash()
        watcher = stage.client()

        [row] = self.rows(stage, watcher)
        assert (row.label, row.done, row.queued, row.running) == ("fit", 1, 4, 0)


class TestMeasuring:
    def test_agents_measure_only_while_somebody_watches(
        self, watcher: Client, client: Client, agent: Agent
    ) -> None:
        watch(watcher)
        watch(client)
        watch(watcher, interval=0.0)
        client.leave()

        assert agent.of(Measure) == [Measure(1.0), Measure(0.0)]

    def test_they_do_not_for_those_who_see_no_engines(self, watcher: Client, agent: Agent) -> None:
        watch(watcher, parts=("work", "totals"))

        assert agent.of(Measure) == []

    def test_an_agent_that_comes_later_does_too(self, stage: Stage, watcher: Client) -> None:
        watch(watcher)

        assert stage.agent(1).of(Measure) == [Measure(1.0)]

    def test_what_engines_use_is_told(
        self, stage: Stage, watcher: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        watch(watcher)
        news(watcher)

        agent.say(Vitals([Vital(engines[1].number, 0.5, 2000)], 9000))
        stage.turn(0.1)

        [status] = news(watcher)
        assert [(row.id, row.cpu, row.nbytes, row.limit) for row in status.engines] == [
            (0, None, None, 9000),
            (1, 0.5, 2000, 9000),
        ]

    def test_an_agent_tells_of_its_own_engines_only(
        self, stage: Stage, watcher: Client, engines: list[Engine]
    ) -> None:
        other = stage.agent(1)
        watch(watcher)
        news(watcher)

        other.say(Vitals([Vital(engines[1].number, 0.5, 2000), Vital(EngineId(99), 0.5, 1)], 0))
        stage.turn(0.1)

        assert news(watcher) == []

    def test_a_new_life_has_used_nothing(
        self, stage: Stage, watcher: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        watch(watcher)
        agent.say(Vitals([Vital(engines[1].number, 0.5, 2000)], 0))
        news(watcher)

        engines[1].die()
        stage.turn(0.1)

        [status] = news(watcher)
        assert [(row.id, row.state, row.nbytes) for row in status.engines] == [
            (1, "starting", None)
        ]


class TestWhatEnginesWrite:
    LINES: tuple[FeedPart, ...] = ("lines",)

    def test_is_told_to_those_who_ask_for_it(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        engines[0].say(Output(task, "stdout", "one\ntwo\n"))
        watch(watcher)
        watch(watcher, request=2, parts=self.LINES)

        others, own = news(watcher)

        assert (others.lines, own.lines) == ({}, {0: "two"})
        assert (own.engines, own.totals) == ([], None)
        assert stage.hub.deadline is None

    def test_is_told_once_in_an_interval_however_much_it_is(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        tasks = [task for _ in engines for task in client.submit()]
        watch(watcher, interval=1.0, parts=self.LINES)
        news(watcher)
        told: list[Status] = []
        for step in range(30):
            for engine, task in zip(engines, tasks, strict=True):
                engine.say(Output(task, "stdout", f"step {step}\n" * 100))
            stage.turn(0.125)
            told += news(watcher)

        assert [status.lines for status in told] == [
            {0: f"step {step}", 1: f"step {step}"} for step in (7, 15, 23)
        ]

    def test_is_told_although_others_were_told_of_the_same_event_before(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        watch(watcher)
        watch(watcher, request=2, interval=1.0, parts=self.LINES)
        news(watcher)
        engines[0].say(Output(task, "stdout", "late\n"))
        stage.turn(0.1)
        news(watcher)

        stage.turn(1.0)

        assert [status.lines for status in news(watcher)] == [{0: "late"}]

    def test_is_one_line_although_it_comes_in_pieces(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        for text in ("loss", "=0", ".5", "\n", ""):
            engines[0].say(Output(task, "stdout", text))
        watch(watcher, parts=self.LINES)
        [first] = news(watcher)
        engines[0].say(Output(task, "stdout", "half"), Output(task, "stderr", "other"))
        stage.turn(0.1)

        assert first.lines == {0: "loss=0.5"}
        assert [status.lines for status in news(watcher)] == [{0: "other"}]

    def test_that_its_client_is_not_told_yet_is_told_too(
        self, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        engines[0].say(Glimpse(task, "stdout", "beyond the limit\n"))
        engines[1].say(Glimpse(task, "stdout", "not its own\n"))
        watch(watcher, parts=self.LINES)

        assert [status.lines for status in news(watcher)] == [{0: "beyond the limit"}]
        assert client.of(Glimpse) == []

    def test_is_forgotten_with_its_process(
        self, stage: Stage, watcher: Client, client: Client, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        engines[0].say(Output(task, "stdout", "its last words\n"))
        watch(watcher, parts=self.LINES)
        news(watcher)
        engines[0].die()
        stage.turn(0.1)

        assert [status.lines for status in news(watcher)] == [{0: ""}]
