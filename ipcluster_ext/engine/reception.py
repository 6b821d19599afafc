"""What front ends ask of an engine's kernel, and who answers.

What only looks is answered at once, on the thread that hears it, whatever the main thread does.
Cells and comm messages take their turn among the engine's tasks. An engine serves others, too: a
front end that goes leaves it alone, and can end it only if it was said to be allowed.
"""

import asyncio
import inspect
import logging
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from jupyter_client.session import Session

from ipcluster_ext.engine.kernel import EngineKernel
from ipcluster_ext.engine.outbox import Outbox, Request
from ipcluster_ext.engine.visits import Reply, Visit, Visits
from ipcluster_ext.errors import IpclusterError

ABORTED: Reply = {"status": "aborted"}
_CELL = "execute_request"
_COMMS = ("comm_open", "comm_msg", "comm_close")
_LOOKS = (
    "complete_request",
    "inspect_request",
    "history_request",
    "comm_info_request",
    "kernel_info_request",
    "connect_request",
    "is_complete_request",
)
_SHARED = (
    "an engine serves others, too: it is stopped and restarted with its cluster, as by "
    "client.stop_engines() and client.restart_engines(), or by front ends after "
    "ipp.bind_kernel(may_end=True)"
)

log = logging.getLogger(__name__)


class Host(Protocol):
    """The engine, as front ends need it."""

    def submit(self, number: int, done: Callable[[], object]) -> Callable[[], object]:
        """Have a visit done as a task.

        Parameters
        ----------
        number
            The visit's.
        done
            Called when the task has ended, however.

        Returns
        -------
        What takes the task back, if it has not begun.
        """

    def interrupt(self) -> None:
        """Interrupt what the main thread does."""

    def end(self, *, restart: bool) -> None:
        """Have this engine stopped, or started again."""


class Reception:
    """Hears what front ends ask.

    Parameters
    ----------
    kernel
        The engine's kernel.
    session
        Reads and signs.
    outbox
        What all front ends hear.
    visits
        Does what takes its turn.
    host
        The engine.
    may_end
        Whether a front end may stop and restart the engine.

    Attributes
    ----------
    may_end
        As given.
    """

    def __init__(
        self,
        kernel: EngineKernel,
        session: Session,
        outbox: Outbox,
        visits: Visits,
        *,
        host: Host,
        may_end: bool,
    ) -> None:
        self._kernel = kernel
        self._session = session
        self._outbox = outbox
        self._visits = visits
        self._host = host
        self.may_end = may_end
        self._turn = asyncio.Lock()
        self._waiting: dict[int, asyncio.Future[Reply | None]] = {}
        self._heard = self._answered = self._aborted = 0
        handlers: dict[str, Callable[..., Any]] = {name: getattr(kernel, name) for name in _LOOKS}
        self._shell = handlers | {
            _CELL: self._execute,
            **dict.fromkeys(_COMMS, self._comm),
        }
        self._control = handlers | {
            "interrupt_request": self._interrupt,
            "shutdown_request": self._shutdown,
            "debug_request": kernel.debug_request,
            "usage_request": kernel.usage_request,
        }

    async def hear_shell(self, stream: Any, frames: Sequence[Any]) -> None:
        """Do what comes by the shell channel; on the loop of that channel."""
        await self._hear(self._shell, stream, frames)

    async def hear_control(self, stream: Any, frames: Sequence[Any]) -> None:
        """Do what comes by the control channel; on the loop of that channel."""
        await self._hear(self._control, stream, frames, channel="control")

    async def _hear(
        self,
        handlers: dict[str, Callable[..., Any]],
        stream: Any,
        frames: Sequence[Any],
        channel: str = "shell",
    ) -> None:
        try:
            idents, parts = self._session.feed_identities(list(frames), copy=False)
            request: Request = self._session.deserialize(parts, content=True, copy=False)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            log.warning("what a front end said is not signed, or no message: %s", error)
            return
        kind = request["header"]["msg_type"]
        handler = handlers.get(kind)
        if handler is None:
            log.warning("a front end asked for %.60s, which engines do not know", kind)
            return
        self._kernel.set_parent(idents, request, channel)
        self._heard += kind == _CELL  # an interrupt may come as soon as it is known to be heard
        self._outbox.publish("status", {"execution_state": "busy"}, request)
        try:
            answer = handler(stream, idents, request)
            if inspect.isawaitable(answer):
                await answer
        except Exception:  # looking runs the code of what is looked at
            log.exception("%s of a front end", kind)
            failed = {"status": "error", "ename": "", "evalue": traceback.format_exc()}
            self._reply(stream, idents, request, failed | {"traceback": []})
        finally:
            self._outbox.publish("status", {"execution_state": "idle"}, request)

    def _reply(self, stream: Any, idents: list[bytes], request: Request, content: Reply) -> None:
        kind = request["header"]["msg_type"].removesuffix("_request") + "_reply"
        self._session.send(stream, kind, content, parent=request, ident=idents)

    # ------------------------------------------------------------ what takes its turn

    async def _execute(self, stream: Any, idents: list[bytes], request: Request) -> None:
        """Run a cell after those that came before it, if none of them failed."""
        number = self._heard

        def aborted() -> bool:
            return number <= self._aborted

        async with self._turn:
            reply: Reply | None = None
            if not aborted():
                run = partial(self._visits.run_cell, request)
                reply = await self._visit(idents, request, run, unless=aborted)
            reply = ABORTED if reply is None else reply
            if reply["status"] == "error" and request["content"].get("stop_on_error", True):
                self._aborted = self._heard
            self._answered = number
        self._outbox.flush()
        self._reply(stream, idents, request, reply)

    async def _comm(self, stream: Any, idents: list[bytes], request: Request) -> None:
        """Give a comm's message to whom it is for."""
        handler = getattr(self._kernel.comm_manager, request["header"]["msg_type"])

        def deliver() -> Reply:
            handler(stream, idents, request)
            return {}

        await self._visit(idents, request, deliver)

    async def _visit(
        self,
        idents: list[bytes],
        request: Request,
        do: Callable[[], Reply],
        *,
        unless: Callable[[], bool] = lambda: False,
    ) -> Reply | None:
        """Have something done on the main thread; None if it was not done to its end."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Reply | None] = loop.create_future()

        def settle(reply: Reply | None) -> None:
            if not done.done():
                done.set_result(reply)

        def carry_out() -> None:
            reply = do()
            loop.call_soon_threadsafe(settle, reply)

        number = self._visits.expect(Visit(idents, request, carry_out))
        self._waiting[number] = done  # the first submission of all takes a while
        if unless():  # since it was asked last, and before this was known to wait
            del self._waiting[number]
            self._visits.forget(number)
            return None
        try:
            take_back = self._host.submit(number, lambda: loop.call_soon_threadsafe(settle, None))
        except IpclusterError as error:
            del self._waiting[number]
            self._visits.forget(number)
            return {"status": "error", "ename": type(error).__name__, "evalue": str(error)} | {
                "traceback": [str(error)]
            }
        try:
            return await done
        finally:
            del self._waiting[number]
            if self._visits.forget(number):
                take_back()

    # ------------------------------------------------------------ what does not wait

    def _interrupt(self, stream: Any, idents: list[bytes], request: Request) -> None:
        """Interrupt the cell of a front end that runs or waits; without one, what runs."""
        self._aborted = self._heard
        waiting = list(self._waiting.items())
        for number, done in waiting:
            if self._visits.forget(number):
                done.get_loop().call_soon_threadsafe(_settle, done)
        if self._visits.running or not (waiting or self._answered < self._heard):
            self._host.interrupt()
        self._reply(stream, idents, request, {"status": "ok"})

    def _shutdown(self, stream: Any, idents: list[bytes], request: Request) -> None:
        """End the engine if that is allowed; say why not if it is not."""
        restart = bool(request["content"].get("restart", False))
        content: Reply = {"status": "ok", "restart": restart}
        if not self.may_end:
            failure = {"ename": "EngineIsShared", "evalue": _SHARED, "traceback": [_SHARED]}
            content |= failure | {"status": "error"}
        self._reply(stream, idents, request, content)
        if self.may_end:
            self._outbox.publish("shutdown_reply", content, request)
            self._host.end(restart=restart)


def _settle(done: "asyncio.Future[Reply | None]") -> None:
    if not done.done():
        done.set_result(None)
