"""The parts of an engine, put together."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from ipcluster_ext.engine.apply import Applier
from ipcluster_ext.engine.context import Surroundings
from ipcluster_ext.engine.coroutines import Coroutines
from ipcluster_ext.engine.current import Current
from ipcluster_ext.engine.desk import Desk
from ipcluster_ext.engine.feeds import Feeds
from ipcluster_ext.engine.forks import Forks
from ipcluster_ext.engine.functions import Functions
from ipcluster_ext.engine.interrupts import Interrupts
from ipcluster_ext.engine.kernel import EngineKernel
from ipcluster_ext.engine.lane import Lane
from ipcluster_ext.engine.limits import Limits
from ipcluster_ext.engine.nesting import Nesting
from ipcluster_ext.engine.news import Newsroom
from ipcluster_ext.engine.orders import EngineOrders
from ipcluster_ext.engine.outcomes import Outcomes
from ipcluster_ext.engine.resolver import Resolver
from ipcluster_ext.engine.streams import Printed
from ipcluster_ext.engine.timer import Timer
from ipcluster_ext.engine.wire import Wire
from ipcluster_ext.protocol.ids import engine_owner
from ipcluster_ext.protocol.messages import EngineHello
from ipcluster_ext.protocol.process import EngineConfig
from ipcluster_ext.transport.blackbox import BlackBox
from ipcluster_ext.transport.blobs import BlobStore, host_identity
from ipcluster_ext.transport.channel import Channel
from ipcluster_ext.transport.files import connection_file, engine_socket


class Engine(NamedTuple):
    """What the process of an engine has to do with.

    Attributes
    ----------
    wire
        To the hub.
    desk
        What the main thread does.
    interrupts
        What to do with SIGINT.
    surroundings
        The engine, as tasks see it.
    nesting
        Where tasks wait.
    """

    wire: Wire
    desk: Desk
    interrupts: Interrupts
    surroundings: Surroundings
    nesting: Nesting


def assemble(config: EngineConfig, kernel: EngineKernel) -> Engine:
    """Put an engine together; nothing is said to the hub yet."""
    host, folder = host_identity(), Path(config.folder)
    namespace = kernel.engine_shell.user_ns
    identity = f"e{config.engine}-{config.boot:x}".encode()
    channel = Channel(engine_socket(folder), identity=identity, boot=config.boot)
    blobs = BlobStore(config.blobs, engine_owner(config.engine, config.boot))
    lane, timer = Lane(channel.wake), Timer()
    current = Current(lane)
    resolver = Resolver(namespace, blobs)
    functions = Functions(namespace, resolver)
    outcomes = Outcomes(config.engine, blobs, host, resolver)
    news = Newsroom(channel.say, timer)
    interrupts = Interrupts(lambda: lane.current, channel.wake)
    box = BlackBox(Path(config.box))
    feeds = Feeds(
        outcomes,
        news,
        interrupts,
        lane=lane,
        box=box,
        wake=channel.wake,
        on_aside=lambda count: wire.say_aside(count),
    )
    limits = Limits(timer, lambda task, error: orders.want(task, error))
    forks = Forks()
    coroutines = Coroutines(
        config.engine,
        functions,
        outcomes,
        limits=limits,
        feeds=feeds,
        box=box,
        forks=forks,
        say_started=lambda tasks: wire.say_started(tasks),
        conclude=lambda result, body, place: desk.conclude(result, body, place),
        flush=lambda: wire.flush(),
    )
    orders = EngineOrders(resolver, interrupts, feeds, coroutines)
    applier = Applier(
        config.engine,
        kernel,
        functions,
        resolver,
        outcomes=outcomes,
        interrupts=interrupts,
        limits=limits,
        feeds=feeds,
        coroutines=coroutines,
    )
    wire = Wire(
        channel,
        _hello(config, host),
        functions,
        blobs,
        orders=orders,
        lane=lane,
        printed=Printed(current.task),
        box=box,
    )
    desk = Desk(wire, applier, news=news, box=box, forks=forks)
    nesting = Nesting(wire, interrupts, current, box, desk.do)
    surroundings = Surroundings(
        config.engine,
        current,
        outcomes=outcomes,
        news=news,
        interrupts=interrupts,
        connection_file=connection_file(folder),
    )
    return Engine(wire, desk, interrupts, surroundings, nesting)


def _hello(config: EngineConfig, host: str) -> EngineHello:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return EngineHello(
        config.engine, config.boot, config.agent, host, os.getpid(), python, config.resources
    )
