import pytest

from ipcluster_ext.core.function import Function
from ipcluster_ext.core.library import Library
from ipcluster_ext.protocol.messages import (
    Define,
    Message,
    Need,
    Run,
    Undefine,
)
from tests.support.scripted import PICKLED, Client, Stage


def kinds(messages: list[Message]) -> list[str]:
    return [type(message).__name__ for message in messages]


class TestOnTheWay:
    def test_a_function_reaches_an_engine_once_and_before_its_first_task(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        client.define(b"f")
        engine.forget()

        client.submit(2, function=b"f")
        engine.finish(seconds=1.0)

        assert kinds(engine.heard) == ["Define", "Run", "Run"]
        assert engine.functions == {b"f": PICKLED}

    def test_tasks_without_a_function_need_none(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)

        client.submit(1)

        assert engine.of(Define) == []
        assert len(engine.of(Run)) == 1

    def test_a_function_that_is_not_here_is_asked_for_once(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)

        client.submit(2, function=b"f")
        client.submit(1, function=b"f")
        client.submit_each([0], function=b"f")

        assert client.of(Need) == [Need(b"f")]
        assert engine.of(Run) == []

    def test_a_function_is_asked_for_also_when_a_task_goes_on_later(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        [before] = client.submit()
        [task] = client.submit(function=b"f", needs=[before])
        engine.finish()
        asked = client.needed

        client.define(b"f")

        assert asked == [b"f"]
        assert engine.ids == [task]

    def test_a_task_fails_that_goes_on_when_nobody_can_send_its_function_any_more(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        [before] = client.submit()
        client.submit(function=b"f", needs=[before])
        client.leave()

        engine.finish()

        assert stage.hub.state.tasks == {}

    def test_tasks_that_waited_for_their_function_run_in_their_order_when_it_comes(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        first, second = client.submit(2, function=b"f")
        [direct] = client.submit_each([0], function=b"f")

        client.define(b"f")
        engine.finish(seconds=1.0)
        engine.finish(seconds=1.0)

        assert list(client.results) == [direct, first]
        assert engine.ids == [second]

    def test_each_client_whose_tasks_wait_is_asked(self, stage: Stage) -> None:
        stage.engines(1)
        one, other = stage.client(), stage.client()

        one.submit(2, function=b"f")
        other.submit(2, function=b"f")

        assert (one.needed, other.needed) == ([b"f"], [b"f"])

    def test_a_task_whose_function_comes_when_no_engine_is_left_fails(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        [task] = client.submit(1, function=b"f")
        [restricted] = client.submit(1, function=b"f", engines=[0])
        [direct] = client.submit_each([0], function=b"f")

        engine.die(again=False)
        client.define(b"f")

        assert client.why(task)[0] == "NoEnginesRegistered"
        assert client.why(restricted)[0] == "NoSuchEngine"
        assert client.why(direct)[0] == "NoSuchEngine"

    def test_a_function_that_comes_twice_is_kept_as_it_came_first(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        client.define(b"f", b"first")

        client.define(b"f", b"second")
        client.submit(1, function=b"f")

        assert engine.functions == {b"f": b"first"}

    def test_a_function_that_nobody_sent_is_not_remembered_after_its_tasks(
        self, stage: Stage, client: Client
    ) -> None:
        stage.engines(1)

        client.cancel(*client.submit(2, function=b"f"))

        assert [function.digest for function in stage.hub.state.library] == []


class TestEviction:
    @pytest.fixture
    def stage(self) -> Stage:
        stage = Stage()
        stage.hub.state.library = Library(limit=100)
        return stage

    def test_the_function_that_was_unused_longest_leaves_and_engines_forget_it(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        for digest in (b"a", b"b"):
            client.define(digest, bytes(40))
            client.submit(1, function=digest)
            engine.finish()
        client.submit(1, function=b"a")
        engine.finish()

        client.define(b"c", bytes(40))

        assert engine.of(Undefine) == [Undefine([b"b"])]
        assert {function.digest for function in stage.hub.state.library} == {b"a", b"c"}

    def test_functions_leave_when_they_are_too_many(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        stage.hub.state.library = Library(most=32)

        for number in range(100):
            client.define(b"%d" % number, bytes(4))
            client.submit(1, function=b"%d" % number)
            engine.finish()
            assert len(engine.functions) <= 33

        kept = [function.digest for function in stage.hub.state.library]
        assert kept == [b"%d" % number for number in range(100 - len(kept), 100)]

    def test_functions_in_use_are_not_looked_at_each_time(
        self, stage: Stage, client: Client
    ) -> None:
        stage.hub.state.library = Library(most=64)
        for number in range(200):
            client.define(b"%d" % number, bytes(4))
        stage.agent(1)
        for number in range(200, 400):
            client.submit(1, function=b"%d" % number)
            client.define(b"%d" % number, bytes(4))

        kept = {function.digest for function in stage.hub.state.library}
        assert {b"%d" % number for number in range(200, 400)} <= kept

    def test_a_function_in_use_stays_whatever_its_size(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        client.submit(1, function=b"a")
        client.define(b"a", bytes(200))

        client.define(b"b", bytes(40))

        assert set(engine.functions) == {b"a"}
        assert {function.digest for function in stage.hub.state.library} == {b"a"}

    def test_a_function_that_left_is_asked_for_again(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        client.define(b"a", bytes(60))
        client.submit(1, function=b"a")
        engine.finish()
        client.define(b"b", bytes(60))

        client.submit(1, function=b"a")
        client.define(b"a", bytes(60))

        assert client.needed == [b"a"]
        assert b"a" in engine.functions


class TestCredit:
    @pytest.mark.parametrize(
        ("seconds", "credit"),
        [
            (10.0, 1),
            (0.03, 1),
            (0.01, 2),
            (0.004, 2),
            (0.0024, 2),
            (0.001, 4),
            (0.0001, 48),
            (0.0, 512),
        ],
    )
    def test_credit_fills_the_horizon(self, seconds: float, credit: int) -> None:
        function = Function(b"f")

        function.took(seconds)

        assert function.credit == credit

    def test_credit_is_one_before_the_first_task_ended(self) -> None:
        assert Function(b"f").credit == 1

    def test_one_task_that_is_unlike_the_others_changes_credit_little(self) -> None:
        function = Function(b"f")
        for _ in range(50):
            function.took(0.001)

        function.took(0.0)

        assert function.credit == 5

    @pytest.mark.parametrize("seconds", [-3600.0, float("nan"), float("inf"), float("-inf")])
    def test_a_clock_that_jumps_does_not_spoil_what_was_learnt(self, seconds: float) -> None:
        function = Function(b"f")
        function.took(1.0)

        function.took(seconds)

        assert function.credit == 1
