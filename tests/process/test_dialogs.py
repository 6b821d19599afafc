"""What tasks ask reaches the user, and what he says reaches them."""

import asyncio
import getpass
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from IPython.core.error import StdinNotImplementedError

import ipcluster_ext as ipp
from ipcluster_ext.client import dialog
from tests.support.clusters import Started
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until

WITHIN = 20.0


class Human:
    """Answers from a script, and remembers what was asked.

    Attributes
    ----------
    heard
        The prompts, and whether each was for a password.
    says
        What is answered next; an exception is raised.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[str, bool]] = []
        self.says: list[str | BaseException] = []

    def __call__(self, prompt: str, password: bool) -> str:
        self.heard.append((prompt, password))
        said = self.says.pop(0) if self.says else f"answer {len(self.heard)}"
        if isinstance(said, BaseException):
            raise said
        return said

    @property
    def prompts(self) -> list[str]:
        return [prompt for prompt, _ in self.heard]


@pytest.fixture
def human(rc: ipp.Client) -> Iterator[Human]:
    """Have somebody answer."""
    human = Human()
    rc.ask = human
    yield human
    rc.ask = None
    assert dialog.questions.due() is False


def ask(prompt: str = "name? ") -> str:
    return input(prompt)


class TestInput:
    def test_asks_the_user_and_returns_what_he_says(self, rc: ipp.Client, human: Human) -> None:
        assert rc[2].apply_async(ask).get(WITHIN) == "answer 1"
        assert human.heard == [("[input:2] name? ", False)]

    def test_of_a_password_is_not_shown(self, rc: ipp.Client, human: Human) -> None:
        assert rc[1].apply_async(lambda: getpass.getpass("PIN: ")).get(WITHIN) == "answer 1"
        assert human.heard == [("[input:1] PIN: ", True)]

    def test_of_cells_asks_as_well(self, rc: ipp.Client, human: Human) -> None:
        rc[0].execute("import getpass\na = input('a'), getpass.getpass()").get(WITHIN)

        assert rc[0]["a"] == ("answer 1", "answer 2")
        assert human.prompts == ["[input:0] a", "[input:0] Password: "]

    def test_of_several_engines_is_asked_one_after_the_other(
        self, rc: ipp.Client, human: Human
    ) -> None:
        answer = rc[:].apply_async(lambda: [input("a"), input("b")])

        assert answer.get(WITHIN) == [
            ["answer 1", "answer 2"],
            ["answer 3", "answer 4"],
            ["answer 5", "answer 6"],
            ["answer 7", "answer 8"],
        ]
        assert human.prompts[:3] == ["[input:0] a", "[input:0] b", "[input:1] a"]

    def test_in_balanced_tasks_asks_too(self, rc: ipp.Client, human: Human) -> None:
        values = rc.load_balanced_view().map_async(lambda n: input(str(n)), range(6))

        assert len(set(values.get(WITHIN))) == 6
        assert len(human.heard) == 6

    def test_of_a_thread_asks_too(self, rc: ipp.Client, human: Human) -> None:
        async def beside() -> str:
            return await asyncio.to_thread(input, "name? ")

        assert rc[0].apply_async(beside).get(WITHIN) == "answer 1"
        assert len(human.heard) == 1

    def test_that_would_keep_other_coroutines_is_refused(
        self, rc: ipp.Client, human: Human
    ) -> None:
        async def within() -> str:
            return input("name? ")  # noqa: ASYNC250 - what it must not do

        with pytest.raises(StdinNotImplementedError, match="to_thread"):
            rc[0].apply_async(within).get(WITHIN)
        assert human.heard == []

    def test_ends_where_the_user_ends_it(self, rc: ipp.Client, human: Human) -> None:
        human.says = [EOFError()]

        with pytest.raises(EOFError):
            rc[0].apply_async(ask).get(WITHIN)

    def test_is_interrupted_there_and_here(self, rc: ipp.Client, human: Human) -> None:
        human.says = [KeyboardInterrupt()]
        answer = rc[0].apply_async(ask)

        with pytest.raises(KeyboardInterrupt):
            answer.get(WITHIN)
        error = answer.exception(WITHIN)

        assert isinstance(error, ipp.RemoteError)
        assert error.ename == "KeyboardInterrupt"

    def test_that_the_reader_cannot_read_is_refused(self, rc: ipp.Client, human: Human) -> None:
        human.says = [ValueError("no eyes")]

        with pytest.raises(StdinNotImplementedError, match="ValueError: no eyes"):
            rc[0].apply_async(ask).get(WITHIN)

    def test_shows_what_was_printed_before(
        self, rc: ipp.Client, human: Human, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rc[0].execute("print('first')\ninput()\nprint('second')\ninput()").get(WITHIN)

        assert capsys.readouterr().out == "[stdout:0] first\n[stdout:0] second\n"
        assert len(human.heard) == 2


class TestWaiting:
    def test_for_another_task_asks_as_well(self, rc: ipp.Client, human: Human) -> None:
        asking = rc[0].apply_async(ask)

        assert rc[0].apply_async(pow, 2, 3).get(WITHIN) == 8
        assert (asking.get(WITHIN), len(human.heard)) == ("answer 1", 1)

    @pytest.mark.parametrize(
        "wait",
        [
            lambda ar: ar.get(WITHIN),
            lambda ar: ar.wait(WITHIN),
            lambda ar: ar[0],
            lambda ar: list(ar),
            lambda ar: ipp.wait([ar], WITHIN),
            lambda ar: list(ipp.as_completed([ar], WITHIN)),
            lambda ar: ar.wait_interactive(timeout=WITHIN),
            lambda ar: ar.exception(WITHIN),
        ],
    )
    def test_of_any_kind_asks(
        self, rc: ipp.Client, human: Human, wait: Callable[[ipp.AsyncResult], object]
    ) -> None:
        answer = rc[[0]].apply_async(ask)

        wait(answer)

        assert answer.get(WITHIN) == ["answer 1"]

    def test_of_nobody_leaves_the_question_open_and_says_so(
        self, rc: ipp.Client, human: Human, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said: list[str] = []
        monkeypatch.setattr(dialog, "show_notice", said.append)

        answer = rc[3].apply_async(ask)
        wait_until(lambda: said)

        assert said[0].startswith("engine 3 asks for input ('[input:3] name?')")
        assert (human.heard, answer.done()) == ([], False)
        assert answer.get(WITHIN) == "answer 1"

    def test_on_another_thread_does_not_keep_the_main_one_from_being_asked(
        self, rc: ipp.Client, human: Human, gate: Gate
    ) -> None:
        rc.ask = None
        busy = rc[1].apply_async(pass_through, gate.path, 5)
        other = threading.Thread(target=busy.get, args=[WITHIN])
        other.start()
        wait_until(lambda: rc.connection._foreground.locked())  # noqa: SLF001 - no other sign
        rc.ask = human

        assert rc[0].apply_async(ask).get(WITHIN) == "answer 1"
        gate.open()
        other.join()


class TestAQuestionThatNobodyCanAnswer:
    def test_is_refused_with_a_remedy(self, rc: ipp.Client) -> None:
        with pytest.raises(
            StdinNotImplementedError, match=r"engine 2 has nobody to ask: .*no terminal.*client.ask"
        ):
            rc[2].apply_async(ask).get(WITHIN)

    def test_as_its_client_goes_is_refused(self, started: Started) -> None:
        client = ipp.Client(started.cluster.connection_file)
        client.ask = Human()
        task = client[0].apply_async(ask)
        wait_until(lambda: dialog.questions.due())

        client.close()

        answer = started.client.get_result(task.msg_ids[0])
        with pytest.raises(StdinNotImplementedError, match="is gone"):
            answer.get(WITHIN)


class TestATaskThatAsks:
    def test_can_be_interrupted(self, rc: ipp.Client, human: Human) -> None:
        answer = rc[0].apply_async(ask)
        wait_until(lambda: dialog.questions.due())

        answer.interrupt()
        wait_until(answer.done)

        assert (getattr(answer.exception(), "ename", ""), human.heard) == ("KeyboardInterrupt", [])

    def test_keeps_to_its_time_limit(self, rc: ipp.Client, human: Human) -> None:
        view = rc[0].options(time_limit=0.2)
        answer = view.apply_async(ask)
        wait_until(answer.done)

        assert isinstance(answer.exception(), ipp.TaskTimeout)
        assert human.heard == []

    def test_may_pass_the_question_on(self, rc: ipp.Client, human: Human) -> None:
        def outer() -> str:
            inner = ipp.get_client().load_balanced_view().apply_async(lambda: input("deep? "))
            return str(inner.get(WITHIN))

        assert rc[0].apply_async(outer).get(WITHIN) == "answer 1"
        assert human.prompts[0].endswith("deep? ")


def test_a_question_outlives_the_hub(started: Started) -> None:
    client, human = started.client, Human()
    client.ask = human
    answer = client[:].apply_async(ask)
    wait_until(lambda: dialog.questions.due())

    os.kill(client.hub_pid, signal.SIGKILL)

    assert sorted(answer.get(WITHIN)) == ["answer 1", "answer 2"]
    assert len(human.heard) == 2


def test_an_answer_that_a_hub_died_with_is_given_again(started: Started) -> None:
    client = started.client

    def reader(prompt: str, password: bool) -> str:
        del password
        before = client.hub_pid
        if prompt.endswith("first? "):
            os.kill(before, signal.SIGSTOP)
            threading.Timer(0.3, os.kill, (before, signal.SIGKILL)).start()
        return prompt

    client.ask = reader

    assert client[0].apply_async(lambda: [input("first? "), input("second? ")]).get(WITHIN) == [
        "[input:0] first? ",
        "[input:0] second? ",
    ]
