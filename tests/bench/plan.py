"""Which measurements a run makes, and in which order. Pure: no process, no clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tests.bench.systems.registry import SYSTEMS
from tests.bench.workloads.catalogue import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.bench.workloads.contract import Workload

_QUICK_ENGINES = 8


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measurement: one system under one workload at one size, started from nothing."""

    workload: str
    system: str
    engines: int
    repeat: int
    quick: bool

    def to_dict(self) -> dict[str, str | int | bool]:
        """Return the fields for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user asked for."""

    workloads: Sequence[str] = tuple(WORKLOADS)
    systems: Sequence[str] = tuple(SYSTEMS)
    repeats: int = 3
    quick: bool = False
    full: bool = False


def cells(choice: Choice) -> Iterator[Cell]:
    """List the measurements of a run.

    Systems take turns within each repeat, so that a slow minute of the machine falls on all
    of them and not on one.
    """
    for name in choice.workloads:
        workload = WORKLOADS[name]
        for engines in workload.engines:
            for repeat in range(choice.repeats):
                for system in workload.systems:
                    if _is_wanted(choice, workload, system, engines):
                        yield Cell(
                            workload=name,
                            system=system,
                            engines=engines,
                            repeat=repeat,
                            quick=choice.quick,
                        )


def _is_wanted(choice: Choice, workload: Workload, system: str, engines: int) -> bool:
    if system not in choice.systems or (choice.quick and engines > _QUICK_ENGINES):
        return False
    limit = workload.limits.get(system)
    return limit is None or engines <= (limit.full if choice.full else limit.usual)
