"""Which systems exist, what each needs, and how to get its adapter."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tests.bench.systems.contract import System

OURS = "ours"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One system that can be measured.

    Attributes
    ----------
    adapter
        Module and class, ``module:class``; imported only in the process that measures it.
    package
        What must be importable, or None for the standard library.
    distribution
        The package's name in the index, for its version.
    share
        How much of a workload's tasks it gets: a slow system would hold up the run, and a
        rate needs no more.
    """

    adapter: str
    package: str | None = None
    distribution: str | None = None
    share: float = 1.0


SYSTEMS: dict[str, Entry] = {
    OURS: Entry(adapter="ours:Ours", package="ipcluster_ext", distribution="ipcluster-ext"),
    "ipyparallel": Entry(
        adapter="ipyparallel:Ipyparallel",
        package="ipyparallel",
        distribution="ipyparallel",
        share=0.1,
    ),
    "distributed": Entry(
        adapter="distributed:Distributed",
        package="distributed",
        distribution="distributed",
        share=0.2,
    ),
    "loky": Entry(adapter="loky:Loky", package="loky", distribution="loky"),
    "processpool": Entry(adapter="executors:ProcessPool"),
    "pool": Entry(adapter="pool:MultiprocessingPool"),
    "pyzmq": Entry(adapter="pyzmq:Brokered", package="zmq", distribution="pyzmq"),
    "pyzmq-pair": Entry(adapter="pyzmq:Pair", package="zmq", distribution="pyzmq"),
}


def is_installed(name: str) -> bool:
    """Tell whether the package of a system can be found."""
    package = SYSTEMS[name].package
    return package is None or importlib.util.find_spec(package) is not None


def version(name: str) -> str:
    """Return the version of a system; the standard library has Python's own."""
    distribution = SYSTEMS[name].distribution
    if distribution is None:
        return "stdlib"
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def build(name: str) -> System:
    """Import the adapter of a system and return one that has not been started."""
    module, _, attribute = SYSTEMS[name].adapter.partition(":")
    adapter = getattr(importlib.import_module(f"tests.bench.systems.{module}"), attribute)
    return cast("System", adapter())
