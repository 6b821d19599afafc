"""Questions to the hub, and waiting for their answers."""

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import Any

from ipcluster_ext.client.dialog import questions
from ipcluster_ext.client.hearing import Hearing
from ipcluster_ext.errors import HubGone
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.functions import PackedFunction
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import Interrupt, Message, More


class Questions(Hearing):
    """The part of a connection that asks; parameters as for `Hearing`."""

    @abstractmethod
    def say(
        self,
        messages: list[Message],
        frames: Sequence[Frame] = (),
        *,
        function: PackedFunction | None = None,
        attended: bool = False,
    ) -> None:
        """Send messages now."""

    @abstractmethod
    def attend(
        self, done: Callable[[], bool], deadline: float | None, *, soon: bool = False
    ) -> bool:
        """Receive on the calling thread until something is done."""

    @abstractmethod
    def check_waiting(self) -> None:
        """Refuse to wait where nothing would ever arrive."""

    @property
    @abstractmethod
    def hub_is_away(self) -> bool:
        """Whether the hub may have died, and another one not be here as yet."""

    @abstractmethod
    def _check(self) -> None:
        """Refuse to be used after the end."""

    def interrupt(self, tasks: list[TaskId], graces: Sequence[float] = ()) -> list[TaskId]:
        """Stop tasks, whether they have begun or not.

        Parameters
        ----------
        tasks
            The tasks; those that have ended are passed over.
        graces
            How long to wait before the engine of one that goes on gets SIGTERM, and then SIGKILL,
            in seconds; without any, nothing follows.

        Returns
        -------
        Those that will never run.

        Raises
        ------
        HubGone, ClientError, RuntimeError
            As for `request`.
        """
        questions.hush(tasks)
        reply = self.request(lambda number: Interrupt(tasks, number, list(graces)))
        cancelled: list[TaskId] = reply.ids
        return cancelled

    def more(self, task: TaskId, count: int) -> None:
        """Tell a stream how many items its reader has taken, so that it may make more."""
        with self._lock:
            granted = self._words.granted[task] = More(task, count)
            self.say([granted])

    def request(self, make: Callable[[int], Message], timeout: float = 10.0) -> Any:
        """Ask the hub something and wait for its answer.

        Parameters
        ----------
        make
            Called with the request's number; returns the message.
        timeout
            How long to wait, in seconds.

        Raises
        ------
        HubGone
            No answer came in time. Where the hub died, the next one has as much time.
        RuntimeError
            The calling thread runs a callback.
        """
        self._check()
        self.check_waiting()
        with self._lock:
            number, question, answer = self._requests.ask(make)
        try:
            self.say([question], attended=True)
            while True:
                deadline = time.monotonic() + timeout
                self.attend(answer.done, deadline, soon=True)
                try:
                    return answer.result(max(0.0, deadline - time.monotonic()))
                except TimeoutError:
                    if not self.hub_is_away:
                        raise HubGone(self.name, timeout) from None
        finally:
            self._requests.forget(number)

    def ask(self, make: Callable[[int], Message], *, attended: bool = False) -> Future[Any]:
        """Ask the hub something without waiting for its answer.

        Parameters
        ----------
        make, attended
            As for `request` and `say`.

        Returns
        -------
        The answer to come; it is a `ClientError` if the hub is lost meanwhile.
        """
        self._check()
        with self._lock:
            number, question, answer = self._requests.ask(make)
            answer.add_done_callback(lambda _: self._requests.forget(number))
            self.say([question], attended=attended)
        return answer

    def wait_for(self, future: Future[Any], timeout: float | None = None) -> bool:
        """Wait for any future, receiving meanwhile.

        Parameters
        ----------
        future
            One of ours, or another.
        timeout
            In seconds; None for ever.

        Returns
        -------
        Whether it has ended.

        Raises
        ------
        RuntimeError
            The calling thread runs a callback.
        """
        if future.done():
            return True
        self.check_waiting()
        deadline = None if timeout is None else time.monotonic() + timeout
        future.add_done_callback(lambda _: self._channel.wake())
        self.attend(future.done, deadline)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        wait([future], left)
        return future.done()
