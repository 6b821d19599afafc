"""The engine's process: built once in the zygote, brought to life in each fork."""

import atexit
import logging
import os
import signal
import sys
from importlib import import_module
from typing import NoReturn

from ipcluster_ext.engine import context, debugger
from ipcluster_ext.engine.assembly import Engine
from ipcluster_ext.engine.interrupts import Terminated
from ipcluster_ext.engine.kernel import EngineKernel, build
from ipcluster_ext.engine.streams import TaskStream
from ipcluster_ext.protocol.process import EngineConfig
from ipcluster_ext.transport import pastime

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
    engine = Engine(config, kernel)
    sys.stdout = TaskStream(engine.printed, "stdout", 1)
    sys.stderr = TaskStream(engine.printed, "stderr", 2)
    signal.signal(signal.SIGINT, engine.interrupts.on_signal)
    signal.signal(signal.SIGTERM, engine.interrupts.on_terminate)
    context.enter(engine.surroundings)
    engine.dialog.install()
    debugger.install()
    pastime.install(engine.nesting)
    kernel.publisher.pass_on = context.show
    kernel.engine_shell.user_ns["engine_id"] = config.engine
    engine.wire.start()
    engine.desk.work()
