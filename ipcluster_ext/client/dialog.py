"""What tasks ask the user, who is asked where this program waits: `input`, passwords, debuggers.

There is one user and one keyboard, so there is one list of questions for all clients of a process.
They arrive on whichever thread receives. Whoever waits for an answer, or for anything else that
engines do, stops waiting, asks, sends what was said and waits on: on the main thread, since nobody
else may read a terminal or a notebook's input line. Nothing looks for questions now and then: who
receives sees them come, who rests on a condition is woken. Where several engines ask, the user
hears them one after the other, and each to its end, as far as that goes without keeping him.
"""

import builtins
import getpass
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ipcluster_ext.client.news import show_notice
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.protocol.ids import TaskId, task_text
from ipcluster_ext.protocol.messages import InputReply, Message

GATHER = 0.05
"""So long, in seconds, a question waits for those of engines that come before its own."""
NOTICE_AFTER = 0.5
"""A question that nobody was asked for so long, in seconds, is announced."""
HUSHED_FOR = 1.0
"""So long, in seconds, tasks are asked nothing for after they were interrupted."""
KEPT = 16
"""So many answers to a task are kept, in case that they have to be sent once more."""

Ask = Callable[[str, bool], str]
"""Asks a user: called with the prompt, and whether the answer is a password."""
Said = list[tuple[str, str]]
"""What a task has written: names of streams, and texts."""

log = logging.getLogger(__name__)


@runtime_checkable
class Writes(Protocol):
    """Who waits for a task, and has what it writes."""

    def before_question(self, task: TaskId, /) -> Said:
        """Show what a task has written, as it asks something; return what nobody shows."""


class Asking(Protocol):
    """The connection that a question came by."""

    reader: Ask | None

    def say(self, messages: list[Message], /) -> None:
        """Send messages now."""

    def gather(self, done: Callable[[], bool], deadline: float, /) -> None:
        """Receive on the calling thread until something is done."""

    def count_open(self) -> int:
        """Return how many tasks have not ended."""

    def wake(self) -> None:
        """Have who receives look again."""


@dataclass(eq=False)
class Question:
    """Something that a task asks.

    Attributes
    ----------
    connection
        Where it came from.
    task, number, engine
        Who asks, and the how-many-eth time.
    prompt, password
        What is asked, and whether the answer is to be seen.
    context
        Has what the task has written shown, and returns what nobody shows.
    """

    connection: Asking
    task: TaskId
    number: int
    engine: int
    prompt: str
    password: bool
    context: Callable[[], Said]


class Questions:
    """Those that have not been answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._waiting: list[Question] = []
        self._answers: dict[TaskId, dict[int, InputReply]] = {}
        self._resting: list[threading.Condition] = []
        self._announced: set[TaskId] = set()
        self._hushed: dict[TaskId, float] = {}

    # ------------------------------------------------------------ from whoever receives

    def add(self, question: Question) -> None:
        """Take a question; one that has been answered is answered again, with the same."""
        with self._lock:
            before = self._answers.get(question.task, {}).get(question.number)
            if before is None:
                known = {(each.task, each.number) for each in self._waiting}
                if (question.task, question.number) in known:
                    return
                if self._hushed.get(question.task, 0.0) > time.monotonic():
                    before = InputReply(question.task, question.number, how="interrupt")
                elif not (refusal := _why_nobody(question.connection.reader)):
                    self._waiting.append(question)
        if before is not None:
            question.connection.say([before])
        elif refusal:
            self.refuse(question, refusal)
        else:
            self._wake(question)

    def refuse(self, question: Question, reason: str) -> None:
        """Say that nobody will answer."""
        question.connection.say([InputReply(question.task, question.number, reason, "refused")])

    def _wake(self, question: Question) -> None:
        with self._lock:
            resting = list(self._resting)
        for condition in resting:
            with condition:
                condition.notify_all()
        question.connection.wake()
        timer = threading.Timer(NOTICE_AFTER, self._announce, [question])
        timer.daemon = True
        timer.start()

    def _announce(self, question: Question) -> None:
        """Tell the user that he will be asked, if he has not been by now."""
        with self._lock:
            silent = self._asking is not None or question not in self._waiting
            if silent or question.task in self._announced:
                return
            self._announced.add(question.task)
        show_notice(
            f"engine {question.engine} asks for input ({question.prompt.strip()!r}) in task "
            f"{task_text(question.task)}; you are asked when you wait for it, as with its get()"
        )

    def hush(self, tasks: Iterable[TaskId]) -> None:
        """Ask nothing for tasks that are being interrupted; what is on its way ends like they."""
        hushed = set(tasks)
        until = time.monotonic() + HUSHED_FOR
        with self._lock:
            self._waiting = [each for each in self._waiting if each.task not in hushed]
            now = {task: when for task, when in self._hushed.items() if when > until - HUSHED_FOR}
            self._hushed = now | dict.fromkeys(hushed, until)

    def ended(self, outcomes: Iterable[Outcome]) -> None:
        """Ask nothing any more for tasks that have ended."""
        if not (self._waiting or self._answers):
            return
        tasks = {outcome.item.id for outcome in outcomes}
        with self._lock:
            self._waiting = [each for each in self._waiting if each.task not in tasks]
            self._announced -= tasks
            for task in tasks & self._answers.keys():
                del self._answers[task]

    def drop(self, connection: Asking) -> None:
        """Forget what came by a connection that is closed."""
        with self._lock:
            self._waiting = [each for each in self._waiting if each.connection is not connection]

    # ------------------------------------------------------------ for whoever waits

    def due(self) -> bool:
        """Tell whether the calling thread is to ask something now."""
        return bool(self._waiting) and self._asking is None and bool(self._own())

    def _own(self) -> list[Question]:
        if threading.current_thread() is threading.main_thread():
            return self._waiting
        return [each for each in self._waiting if each.connection.reader is not None]

    def answer(self) -> None:
        """Ask what is due, one after the other.

        Raises
        ------
        KeyboardInterrupt
            The user pressed Ctrl-C, which the task that asked meets as well.
        """
        with self._lock:
            if self._asking is not None:
                return
            self._asking = threading.current_thread()
        last: TaskId | None = None
        try:
            while (question := self._next(last)) is not None:
                last = question.task
                self._put(question)
        finally:
            self._asking = None

    def _next(self, last: TaskId | None) -> Question | None:
        """Take the next question: of the task that asked last, else of the first engine."""
        if not self._own():
            return None
        self._gather(last)
        with self._lock:
            own = sorted(self._own(), key=lambda each: (each.task != last, each.engine))
            if own:
                self._waiting.remove(own[0])
        return own[0] if own else None

    def _gather(self, last: TaskId | None) -> None:
        """Wait a moment for the task that asked last, or for engines that have not asked yet."""
        own = self._own()
        connection = own[0].connection

        def complete() -> bool:
            waiting = self._waiting
            if last is not None and any(each.task == last for each in waiting):
                return True
            return len(waiting) >= connection.count_open()

        if not complete():
            connection.gather(complete, time.monotonic() + GATHER)

    def _put(self, question: Question) -> None:
        """Ask one question, and send the answer."""
        for stream, text in question.context():
            _write(stream, question.engine, text)
        try:
            text = (question.connection.reader or _read)(question.prompt, question.password)
            reply = InputReply(question.task, question.number, str(text))
        except EOFError:
            reply = InputReply(question.task, question.number, how="end")
        except KeyboardInterrupt:
            self._send(question, InputReply(question.task, question.number, how="interrupt"))
            raise
        except Exception as error:  # noqa: BLE001 - who asks may be the user's own
            log.debug("nobody answered task %s: %r", task_text(question.task), error)
            self.refuse(question, f"{type(error).__name__}: {error}")
            return
        self._send(question, reply)

    def _send(self, question: Question, reply: InputReply) -> None:
        with self._lock:
            kept = self._answers.setdefault(question.task, {})
            kept[question.number] = reply
            while len(kept) > KEPT:
                del kept[next(iter(kept))]
        question.connection.say([reply])

    def rest(
        self, condition: threading.Condition, done: Callable[[], bool], deadline: float | None
    ) -> bool:
        """Wait on a condition until something is done, and ask what is due meanwhile.

        Returns
        -------
        Whether it is done; False when the deadline, by `time.monotonic`, is over.
        """
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            with condition, self._woken_by(condition):
                condition.wait_for(lambda: done() or self.due(), left)
            if done() or not self.due():
                return done()
            self.answer()

    @contextmanager
    def _woken_by(self, condition: threading.Condition) -> Iterator[None]:
        with self._lock:
            self._resting.append(condition)
        try:
            yield
        finally:
            with self._lock:
                self._resting.remove(condition)


questions = Questions()
"""Those of this process."""


def question_of(connection: Asking, owner: object, task: TaskId, value: dict[str, Any]) -> Question:
    """Make a question of what came.

    Parameters
    ----------
    connection
        Where it came from.
    owner
        Who waits for the task.
    task
        Who asks.
    value
        What the engine says.
    """

    def context() -> Said:
        return owner.before_question(task) if isinstance(owner, Writes) else []

    engine, prompt = int(value["engine"]), str(value["prompt"])
    if not value.get("bare"):
        prompt = f"[input:{engine}] {prompt}"
    return Question(
        connection, task, int(value["number"]), engine, prompt, bool(value["password"]), context
    )


def _why_nobody(reader: Ask | None) -> str:
    """Tell why there is nobody to ask in this program; empty if there is somebody."""
    if reader is not None:
        return ""
    plain = builtins.input
    kernel = getattr(_shell(), "kernel", None)
    is_plain = getattr(plain, "__self__", None) is builtins
    if not is_plain and getattr(plain, "__self__", None) is not kernel:
        return ""  # somebody else's, as an engine's own
    if kernel is not None:
        allowed = getattr(kernel, "_allow_stdin", False)
        return "" if allowed else "the front end of the notebook takes no input"
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        return "the program that submitted the task has no terminal"
    return ""


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _read(prompt: str, password: bool) -> str:  # noqa: FBT001 - as `Ask` has it
    """Ask as this program asks its user."""
    sys.stdout.flush()
    return getpass.getpass(prompt) if password else input(prompt)


def _write(stream: str, engine: int, text: str) -> None:
    """Show what a task has written before it asks."""
    file = sys.stderr if stream == "stderr" else sys.stdout
    lines = text.removesuffix("\n").split("\n")
    file.write("".join(f"[{stream}:{engine}] {line}\n" for line in lines))
    file.flush()
