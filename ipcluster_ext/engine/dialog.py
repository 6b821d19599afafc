"""What tasks ask the user, at whose client they were submitted: `input`, `getpass`, debuggers.

A question goes there as news of the task. The main thread receives while it waits for the answer,
so what comes for the engine meanwhile is heard, and interrupts and limits end the wait; other
threads wait aside. Should the hub die, what is open is asked once more: the client knows what it
has answered.
"""

import asyncio
import builtins
import getpass
import itertools
import threading
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError

from ipcluster_ext.protocol.messages import InputReply
from ipcluster_ext.protocol.status import Kind

if TYPE_CHECKING:
    from ipcluster_ext.engine.context import Surroundings
    from ipcluster_ext.engine.interrupts import Interrupts
    from ipcluster_ext.engine.lane import Assignment
    from ipcluster_ext.engine.wire import Wire

TOPIC = "input"
_REMEDY = (
    "run it from a notebook's cell or a terminal, set client.ask to a function that answers, or "
    "pass the value to the task as an argument"
)
_ON_A_LOOP = (
    "it was called by a coroutine, and all others would wait as well; "
    "'await asyncio.to_thread(input, ...)' does not keep them"
)


class Question:
    """Something a task has asked.

    Attributes
    ----------
    value
        The question, as its client gets it.
    reply
        The answer, when it is there.
    """

    def __init__(self, assignment: "Assignment", value: dict[str, Any]) -> None:
        self.assignment = assignment
        self.value = value
        self.reply: InputReply | None = None
        self.answered = threading.Event()


class Dialog:
    """Asks, and waits for answers.

    Parameters
    ----------
    surroundings
        Tells which task asks, and its client what.
    wire
        Receives.
    interrupts
        What may end a wait.
    flush
        Sends what tasks have to say that waits for more of it.
    """

    def __init__(
        self,
        surroundings: "Surroundings",
        wire: "Wire",
        interrupts: "Interrupts",
        flush: Callable[[], None],
    ) -> None:
        self._flush = flush
        self._surroundings = surroundings
        self._wire = wire
        self._interrupts = interrupts
        self._numbers = itertools.count(1)
        self._open: dict[int, Question] = {}

    def install(self) -> None:
        """Have `input` and `getpass.getpass` ask here, in this process."""
        builtins.input = self.input
        getpass.getpass = self.getpass

    def input(self, prompt: object = "", /) -> str:
        """Ask for a line of text, as the builtin of this name does.

        Raises
        ------
        EOFError
            There is none; the user ended the input.
        KeyboardInterrupt
            The user pressed Ctrl-C, or interrupted the task.
        StdinNotImplementedError
            There is nobody to ask.
        """
        __tracebackhide__ = True  # IPython shows the caller's line only
        return self.ask("input()", prompt=str(prompt), password=False)

    def getpass(
        self, prompt: str = "Password: ", stream: object = None, *, echo_char: str | None = None
    ) -> str:
        """Ask for a password, as `getpass.getpass` does; raises what `input` does."""
        __tracebackhide__ = True
        del stream, echo_char  # mean something in a terminal only
        return self.ask("getpass()", prompt=str(prompt), password=True)

    def ask(self, what: str, **value: object) -> str:
        """Ask the client of the task that runs, and wait for what it says.

        Parameters
        ----------
        what
            What the caller called, for error messages.
        **value
            The question: its ``prompt``, and whether it is a ``password``.

        Raises
        ------
        EOFError, KeyboardInterrupt, StdinNotImplementedError
            As for `input`.
        """
        __tracebackhide__ = True
        assignment = self._surroundings.assignment
        if assignment is None:
            raise self._refusal(what, "no task runs that could ask anybody")
        on_main = threading.current_thread() is threading.main_thread()
        if not on_main and _is_on_a_loop():
            raise self._refusal(what, _ON_A_LOOP)
        number = next(self._numbers)
        bare = assignment.spec.kind is Kind.DEBUG  # who debugs one engine knows which
        where = {"number": number, "engine": int(self._surroundings.engine), "bare": bare}
        numbered = {**value, **where}
        question = self._open[number] = Question(assignment, numbered)
        try:
            self._say(question)
            if on_main:
                self._wait(lambda: question.reply is not None)
            else:
                question.answered.wait()
        finally:
            self._open.pop(number, None)
        return self._meaning(what, question.reply)

    def _wait(self, answered: Callable[[], bool]) -> None:
        interrupts = self._interrupts
        with interrupts.held():
            while not (answered() or interrupts.pending):
                self._wire.wait_until(lambda: answered() or interrupts.pending, inf)

    def _say(self, question: Question) -> None:
        self._surroundings.tell(question.assignment, TOPIC, question.value)
        self._flush()

    def _meaning(self, what: str, reply: InputReply | None) -> str:
        __tracebackhide__ = True
        if reply is None:  # what ended the wait has been raised
            raise KeyboardInterrupt
        if reply.how == "end":
            raise EOFError
        if reply.how == "interrupt":
            raise KeyboardInterrupt
        if reply.how == "refused":
            raise self._refusal(what, reply.text)
        return reply.text

    def _refusal(self, what: str, reason: str) -> StdinNotImplementedError:
        where = f"{what} on engine {self._surroundings.engine}"
        return StdinNotImplementedError(f"{where} has nobody to ask: {reason}; {_REMEDY}")

    # ------------------------------------------------------------ from whoever receives

    def take(self, reply: InputReply) -> None:
        """Take an answer; one that nobody waits for any more is dropped."""
        for number, question in list(self._open.items()):
            meant = reply.number in {number, 0} and question.assignment.item.id == reply.id
            if meant and question.reply is None:
                question.reply = reply
                question.answered.set()

    def ask_again(self) -> None:
        """Ask once more what is open: the hub that was to pass it on is gone."""
        for question in list(self._open.values()):
            self._say(question)


def _is_on_a_loop() -> bool:
    return asyncio._get_running_loop() is not None  # noqa: SLF001 - the public twin raises
