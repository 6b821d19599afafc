"""What a workload is: its figures, the sizes it runs at, and the systems it is fair to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.bench.systems.contract import System

Figures: TypeAlias = dict[str, float]
"""The measured values of one measurement, by the name of their metric."""

_QUICK_SHARE = 0.1


class WrongResultError(Exception):
    """A system returned something else than the right results: its speed means nothing."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure that a workload reports, its unit, and which way is better."""

    name: str
    unit: str
    higher_is_better: bool


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How large one measurement is.

    Attributes
    ----------
    engines
        How many engines the system starts.
    share
        How much of the workload's tasks this system gets; its rate is scaled accordingly.
    quick
        Whether a rough figure is enough: a tenth of the tasks and of the bytes.
    """

    engines: int
    share: float = 1.0
    quick: bool = False

    def tasks(self, count: int) -> int:
        """Scale a number of tasks to this setting."""
        return max(1, round(self.scaled(count) * self.share))

    def scaled(self, count: int) -> int:
        """Scale a size that is the same for every system."""
        return max(1, round(count * _QUICK_SHARE)) if self.quick else count


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The most engines a system is started with: as a rule, and when a full run is asked for."""

    usual: int
    full: int


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One workload.

    Attributes
    ----------
    measure
        Starts the system, measures, returns the figures; whoever calls it stops the system.
    engines
        A measurement is made at each of these sizes.
    limits
        Systems that are not started at the larger of these sizes.
    timeout
        Seconds after which one measurement is given up.
    """

    name: str
    title: str
    metrics: Sequence[Metric]
    engines: Sequence[int]
    systems: Sequence[str]
    measure: Callable[[System, Setting], Figures]
    limits: Mapping[str, Limit] = field(default_factory=dict)
    timeout: float = 120.0


def demand(right: bool, complaint: str) -> None:
    """Refuse figures that were got by wrong results.

    Raises
    ------
    WrongResultError
        The results were not right.
    """
    if not right:
        raise WrongResultError(complaint)
