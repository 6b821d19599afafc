"""What the parts of a client share: its wire, its engines, and whether calls wait."""

from typing import TYPE_CHECKING, Any, TypeVar

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.dialog import Ask
from ipcluster_ext.client.targets import Targets, resolve
from ipcluster_ext.errors import NoSuchEngine
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.parts import EngineInfo

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


class Base:
    """A connected client, as far as its parts need to know.

    Attributes
    ----------
    connection
        The wire.
    block
        Whether calls without a choice of their own wait.
    """

    connection: Connection
    block: bool

    @property
    def ask(self) -> Ask | None:
        """Who is asked when a task calls ``input()``, if not the user of this program.

        A function of the prompt and of whether the answer is a password; it returns the answer,
        or raises `EOFError`. None, as it is to begin with, means the terminal or the notebook; the
        user is asked where something waits for an answer, on the main thread.

        Examples
        --------
        >>> rc.ask = lambda prompt, password: "Ann"
        >>> rc[0].apply_sync(lambda: input("your name? "))
        'Ann'
        >>> rc.ask = None
        """
        return self.connection.reader

    @ask.setter
    def ask(self, reader: Ask | None) -> None:
        self.connection.reader = reader

    @property
    def ids(self) -> list[EngineId]:
        """The ids of the engines, in order; an engine that is being restarted keeps its id.

        Raises
        ------
        ClientError
            There are none, since the hub is gone or this client was closed.

        Examples
        --------
        >>> rc.ids
        [0, 1]
        """
        self.connection.catch_up()
        ids = self.connection.roster.ids
        if not ids:
            self.connection.check()
        return ids

    @property
    def unresponsive(self) -> list[EngineId]:
        """Those of the engines that have not answered for a while, in order.

        They may be stopped, cut off, or run something that does not let go of the interpreter.
        They are given no work before they are heard again; what they have begun stays with them.

        Examples
        --------
        >>> rc.unresponsive
        []
        """
        self.connection.catch_up()
        return self.connection.roster.unresponsive

    def __len__(self) -> int:
        return len(self.ids)

    def engine_info(self, engine: int) -> EngineInfo:
        """Return what is known of an engine: its state, host and process.

        Raises
        ------
        NoSuchEngine
            There is no such engine.

        Examples
        --------
        >>> rc.engine_info(1).id
        1
        """
        found, _ = resolve(engine, self.ids)
        info = self.connection.roster.get(found[0])
        if info is None:
            raise NoSuchEngine(engine, self.ids)
        return info

    def _engines(self, targets: Targets | None) -> list[EngineId]:
        """Return the engines that targets mean; None means all."""
        return resolve("all" if targets is None else targets, self.ids)[0]

    def _or_wait(self, answer: "Future[T]", *, block: bool | None) -> "Future[T]":
        """Wait for an answer if that is wanted, and raise what it raises."""
        if self.block if block is None else block:
            self._wait_for(answer)
            answer.result()
        return answer

    def _wait_for(self, answer: "Future[Any]", timeout: float | None = None) -> bool:
        """Wait for any future, receiving meanwhile; tell whether it has come."""
        return self.connection.wait_for(answer, timeout)
