"""The parts of an engine, put together."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ipcluster_ext.engine.apply import Applier
from ipcluster_ext.engine.capture import Captures
from ipcluster_ext.engine.comms import speak_through
from ipcluster_ext.engine.commways import Comms
from ipcluster_ext.engine.context import Surroundings
from ipcluster_ext.engine.coroutines import Coroutines
from ipcluster_ext.engine.current import Current
from ipcluster_ext.engine.desk import Desk
from ipcluster_ext.engine.dialog import Dialog
from ipcluster_ext.engine.feeds import Feeds
from ipcluster_ext.engine.forks import Forks
from ipcluster_ext.engine.fulltext import FullTexts
from ipcluster_ext.engine.functions import Functions
from ipcluster_ext.engine.insides import Insides
from ipcluster_ext.engine.interrupts import Interrupts
from ipcluster_ext.engine.kernel import EngineKernel, hold_back_in_hooks
from ipcluster_ext.engine.lane import Lane
from ipcluster_ext.engine.lease import Lease
from ipcluster_ext.engine.limits import Limits
from ipcluster_ext.engine.nesting import Nesting
from ipcluster_ext.engine.news import Newsroom
from ipcluster_ext.engine.orders import EngineOrders
from ipcluster_ext.engine.outcomes import Outcomes
from ipcluster_ext.engine.redirects import Redirects
from ipcluster_ext.engine.resolver import Resolver
from ipcluster_ext.engine.speaker import Speaker
from ipcluster_ext.engine.streams import Printed, Written
from ipcluster_ext.engine.timer import Timer
from ipcluster_ext.engine.wire import Wire
from ipcluster_ext.protocol.ids import engine_owner
from ipcluster_ext.protocol.messages import EngineHello
from ipcluster_ext.protocol.process import EngineConfig
from ipcluster_ext.transport.blackbox import BlackBox
from ipcluster_ext.transport.blobs import BlobStore
from ipcluster_ext.transport.channel import Channel
from ipcluster_ext.transport.files import connection_file, engine_socket
from ipcluster_ext.transport.thishost import host_identity


class Engine:
    """An engine that has said nothing to its hub yet.

    Parameters
    ----------
    config
        What it was told.
    kernel
        The kernel inside.

    Attributes
    ----------
    wire
        To the hub.
    desk
        What the main thread does.
    printed
        What tasks print.
    interrupts
        What to do with SIGINT.
    surroundings
        The engine, as tasks see it.
    dialog
        What tasks ask users.
    nesting
        Where tasks wait.
    """

    def __init__(self, config: EngineConfig, kernel: EngineKernel) -> None:
        self._config, self._kernel, self._host = config, kernel, host_identity()
        namespace, folder = kernel.engine_shell.user_ns, Path(config.folder)
        identity = f"e{config.engine}-{config.boot:x}".encode()
        door = engine_socket(folder) if config.hub is None else config.hub
        self._channel = Channel(door, identity=identity, boot=config.boot)
        self._blobs = BlobStore(config.blobs, engine_owner(config.engine, config.boot))
        self._resolver = Resolver(namespace, self._blobs)
        self._functions = Functions(namespace, self._resolver)
        self._outcomes = Outcomes(config.engine, self._blobs, self._host, self._resolver)
        self._lane, self._timer = Lane(self._channel.wake), Timer()
        self._current = Current(self._lane)
        self._full = FullTexts(folder / "output", config.engine)
        self.printed = Printed(self._current.task, self._full)
        self._news = Newsroom(lambda news, frames: self.wire.words.say(news, frames), self._timer)
        self._box, self._forks = _box(config), Forks()
        self._limits = Limits(self._timer, lambda task, error: self._orders.want(task, error))
        self.interrupts = Interrupts(lambda: self._lane.current, self._channel.wake)
        self._speaker = Speaker(
            self.printed,
            self._say_written,
            self._timer,
            self.interrupts,
            show=lambda written: self.wire.say_glimpse(written),
        )
        self._feeds = self._make_feeds()
        self._coroutines = self._make_coroutines()
        self._orders = EngineOrders(self._resolver, self.interrupts, self._feeds, self._coroutines)
        self.wire = self._make_wire()
        self.desk = Desk(
            self.wire,
            self._make_applier(),
            speaker=self._speaker,
            news=self._news,
            box=self._box,
            forks=self._forks,
            interrupts=self.interrupts,
        )
        self.interrupts.spared = self.wire.express.handed
        hold_back_in_hooks(kernel.engine_shell, self.interrupts.held)
        self.nesting = Nesting(self.wire, self.interrupts, self._current, self._box, self.desk.do)
        self.surroundings = self._make_surroundings(connection_file(folder))
        self.dialog = Dialog(self.surroundings, self.wire, self.interrupts, self._news.flush)
        self._orders.dialog = self.dialog
        self.surroundings.insides = self._make_insides(folder)

    def _say_written(self, written: Sequence[Written]) -> None:
        """Say what tasks printed, after what they had shown before."""
        if written:
            self._news.flush()
            self.wire.say_written(written)

    def _make_feeds(self) -> Feeds:
        return Feeds(
            self._outcomes,
            self._news,
            self.interrupts,
            lane=self._lane,
            box=self._box,
            wake=self._channel.wake,
            on_aside=lambda count: self.wire.waits.aside(count),
        )

    def _make_coroutines(self) -> Coroutines:
        return Coroutines(
            self._config.engine,
            self._functions,
            self._outcomes,
            limits=self._limits,
            feeds=self._feeds,
            box=self._box,
            forks=self._forks,
            say_started=lambda tasks: self.wire.say_started(tasks),
            conclude=lambda result, body, place: self.desk.conclude(result, body, place),
            flush=lambda: self.wire.flush(),
        )

    def _make_applier(self) -> Applier:
        return Applier(
            self._config.engine,
            self._kernel,
            self._functions,
            self._resolver,
            outcomes=self._outcomes,
            interrupts=self.interrupts,
            limits=self._limits,
            feeds=self._feeds,
            coroutines=self._coroutines,
        )

    def _make_wire(self) -> Wire:
        return Wire(
            self._channel,
            _hello(self._config, self._host),
            self._functions,
            self._blobs,
            orders=self._orders,
            lane=self._lane,
            box=self._box,
            lease=Lease(self._channel, self._box, self._config.lease),
            folder=Path(self._config.folder) if self._config.hub is None else None,
        )

    def _make_insides(self, folder: Path) -> Insides:
        """Make what there is for visitors; nothing of it is at work before they come."""
        kernel, surroundings, redirects = self._kernel, self.surroundings, Redirects(self._kernel)
        captures = Captures(kernel, self._current, redirects)
        comms = Comms(self._config.engine, self._current, surroundings.tell, captures)
        comms.remind, self._news.left_over = self._news.expect_end, comms.catch_up
        speak_through(comms.say)
        kernel.engine_shell.asked_by = comms.asked_by
        return Insides(
            self._config.engine,
            folder,
            kernel,
            current=self._current,
            interrupts=self.interrupts,
            redirects=redirects,
            comms=comms,
            client=surroundings.client,
        )

    def _make_surroundings(self, connection: Path) -> Surroundings:
        return Surroundings(
            self._config.engine,
            self._current,
            outcomes=self._outcomes,
            news=self._news,
            speaker=self._speaker,
            full=self._full,
            interrupts=self.interrupts,
            connection_file=connection,
            away=self._config.hub is not None,
        )


def _box(config: EngineConfig) -> BlackBox:
    box = Path(config.box)
    return BlackBox(box, Path(config.folder, box.name))


def _hello(config: EngineConfig, host: str) -> EngineHello:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return EngineHello(
        config.engine, config.boot, config.agent, host, os.getpid(), python, config.resources
    )
