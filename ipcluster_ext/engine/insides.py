"""The parts of an engine that its visitors need: front ends, and those who look into it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ipcluster_ext.engine.commways import Comms
from ipcluster_ext.engine.current import Current
from ipcluster_ext.engine.interrupts import Interrupts
from ipcluster_ext.engine.kernel import EngineKernel
from ipcluster_ext.engine.redirects import Redirects
from ipcluster_ext.protocol.ids import EngineId

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipcluster_ext import Client


@dataclass(slots=True, frozen=True)
class Insides:
    """An engine from inside.

    Attributes
    ----------
    engine
        Its id.
    folder
        The cluster's folder.
    kernel
        Its kernel.
    current
        Tells which task asks.
    interrupts
        Raises in the task on the main thread.
    redirects
        Sends elsewhere what code shows.
    comms
        Finds the way for what widgets say.
    client
        Returns a client of its cluster.
    """

    engine: EngineId
    folder: Path
    kernel: EngineKernel
    current: Current
    interrupts: Interrupts
    redirects: Redirects
    comms: Comms
    client: "Callable[[], Client]"
