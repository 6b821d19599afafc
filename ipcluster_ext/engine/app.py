"""The engine's process: built once in the zygote, brought to life in each fork."""

import atexit
import logging
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

from ipcluster_ext.engine import context
from ipcluster_ext.engine.apply import Applier, Terminated
from ipcluster_ext.engine.context import Surroundings
from ipcluster_ext.engine.current import Current
from ipcluster_ext.engine.desk import Desk
from ipcluster_ext.engine.forks import Forks
from ipcluster_ext.engine.functions import Functions
from ipcluster_ext.engine.interrupts import Interrupts
from ipcluster_ext.engine.kernel import EngineKernel, build
from ipcluster_ext.engine.lane import Lane
from ipcluster_ext.engine.limits import Limits
from ipcluster_ext.engine.news import Newsroom
from ipcluster_ext.engine.orders import EngineOrders
from ipcluster_ext.engine.outcomes import Outcomes
from ipcluster_ext.engine.resolver import Resolver
from ipcluster_ext.engine.streams import Printed, TaskStream
from ipcluster_ext.engine.timer import Timer
from ipcluster_ext.engine.wire import Wire
from ipcluster_ext.protocol.ids import engine_owner
from ipcluster_ext.protocol.messages import EngineHello
from ipcluster_ext.protocol.process import EngineConfig
from ipcluster_ext.transport.blackbox import BlackBox
from ipcluster_ext.transport.blobs import BlobStore, host_identity
from ipcluster_ext.transport.channel import Channel
from ipcluster_ext.transport.files import engine_socket

log = logging.getLogger(__name__)


def warm(*, numpy: bool = True) -> None:
    """Import and build whatever engines have in common, without starting a thread.

    Parameters
    ----------
    numpy
        Whether to import numpy, if it is installed.
    """
    _kernel()
    if numpy:
        try:
            import_module("numpy")
        except ImportError:
            log.debug("numpy is not installed")


def _kernel() -> EngineKernel:
    return EngineKernel.instance() if EngineKernel.initialized() else build()


def run(config: EngineConfig) -> NoReturn:
    """Be an engine until asked to end; never returns."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    code = 0
    try:
        _serve(config, _kernel())
    except Terminated:
        log.debug("engine %d was asked to end", config.engine)
    except BaseException:
        log.exception("engine %d failed", config.engine)
        code = 1
    try:
        atexit._run_exitfuncs()  # noqa: SLF001 - a fork has no other way to run them and no more
    except BaseException:
        log.exception("engine %d: an exit handler failed", config.engine)
        code = code or 1
    os._exit(code)


def _serve(config: EngineConfig, kernel: EngineKernel) -> None:
    host = host_identity()
    identity = f"e{config.engine}-{config.boot:x}".encode()
    channel = Channel(engine_socket(Path(config.folder)), identity=identity, boot=config.boot)
    blobs = BlobStore(config.blobs, engine_owner(config.engine, config.boot))
    resolver = Resolver(kernel.engine_shell.user_ns, blobs)
    functions = Functions(kernel.engine_shell.user_ns, resolver)
    outcomes = Outcomes(config.engine, blobs, host, resolver)
    lane, timer = Lane(channel.wake), Timer()
    current = Current(lane)
    news = Newsroom(channel.say, timer)
    interrupts = Interrupts(lambda: lane.current, channel.wake)
    applier = Applier(
        config.engine,
        kernel,
        functions,
        resolver,
        outcomes=outcomes,
        interrupts=interrupts,
        limits=Limits(timer),
    )
    wire = Wire(
        channel,
        _hello(config, host),
        functions,
        blobs,
        orders=EngineOrders(resolver, interrupts),
        lane=lane,
        printed=Printed(current.task),
    )
    sys.stdout = TaskStream(wire.printed, "stdout", 1)
    sys.stderr = TaskStream(wire.printed, "stderr", 2)
    signal.signal(signal.SIGINT, interrupts.on_signal)
    signal.signal(signal.SIGTERM, _terminate)
    context.enter(
        Surroundings(config.engine, current, outcomes=outcomes, news=news, interrupts=interrupts)
    )
    kernel.publisher.pass_on = context.show
    kernel.engine_shell.user_ns["engine_id"] = config.engine
    desk = Desk(wire, applier, news=news, box=BlackBox(Path(config.box)), forks=Forks())
    wire.start()
    desk.work()


def _hello(config: EngineConfig, host: str) -> EngineHello:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return EngineHello(
        config.engine, config.boot, config.agent, host, os.getpid(), python, config.resources
    )


def _terminate(_signum: int, _frame: FrameType | None) -> NoReturn:
    """End the engine."""
    raise Terminated
