"""What living engines use, looked at every few seconds: of one that dies it is what was seen last.

One line of ``/proc`` per engine and look, about 20 µs. While somebody watches it is done more
often, and the hub is told what has changed.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ipcluster_ext.protocol.feed import Vital
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.text import nbytes_text
from ipcluster_ext.transport.processes import Usage, usage_of

LOOK_EVERY = 2.0
LEAST_EVERY = 0.5
"""Nobody has it looked at more often than once in so many seconds."""
_GRAIN = 1 << 20
"""A change of memory by less than so many bytes is none."""


class Sample(NamedTuple):
    """What was seen of an engine.

    Attributes
    ----------
    at
        When, by the monotonic clock.
    seconds
        How much CPU time it had used since its birth.
    load
        How much of one CPU it had used since the look before, as a fraction; None if there was
        none.
    nbytes
        How much memory it had.
    """

    at: float
    seconds: float
    load: float | None
    nbytes: int


class Vitals:
    """Samples of the engines of this host, by process."""

    def __init__(self) -> None:
        self._samples: dict[int, Sample] = {}
        self._told: dict[EngineId, Vital] = {}
        self._every = 0.0
        self._look_at = 0.0

    def measure(self, every: float) -> None:
        """Have it looked at every so many seconds for somebody who watches; 0 ends that."""
        self._every = max(every, LEAST_EVERY) if every > 0 else 0.0
        self._told.clear()
        self._look_at = 0.0

    @property
    def measures(self) -> bool:
        """Whether somebody watches."""
        return self._every > 0

    @property
    def deadline(self) -> float | None:
        """When the next look is due that somebody waits for; None if nobody does."""
        return self._look_at if self.measures else None

    def due(self, now: float) -> bool:
        """Tell whether it is time for another look; if so, the next is a while later."""
        if now < self._look_at:
            return False
        self._look_at = now + (self._every or LOOK_EVERY)
        return True

    def news(self, engines: Mapping[int, EngineId]) -> list[Vital]:
        """Return what has changed since the last time, for whoever watches.

        Parameters
        ----------
        engines
            Which engine each process is.
        """
        vitals = {
            engine: _rounded(engine, sample)
            for pid, engine in engines.items()
            if (sample := self._samples.get(pid)) is not None
        }
        told, self._told = self._told, vitals
        return [vital for engine, vital in vitals.items() if told.get(engine) != vital]

    def look(self, pids: Iterable[int], now: float) -> None:
        """Look at these processes; what was known of others is forgotten."""
        before, self._samples = self._samples, {}
        for pid in pids:
            usage = usage_of(pid)
            if usage is not None:
                self._samples[pid] = _sample(usage, before.get(pid), now)

    def of(self, pid: int) -> Sample | None:
        """Return what was seen of a process last."""
        return self._samples.get(pid)


def _rounded(engine: EngineId, sample: Sample) -> Vital:
    load = None if sample.load is None else round(sample.load, 2)
    return Vital(engine, load, sample.nbytes // _GRAIN * _GRAIN)


def _sample(usage: Usage, before: Sample | None, now: float) -> Sample:
    load: float | None = None
    if before is not None and now > before.at:
        load = max(0.0, usage.seconds - before.seconds) / (now - before.at)
    return Sample(now, usage.seconds, load, usage.nbytes)


def in_words(sample: Sample | None, used: Usage, *, lived: float, now: float) -> str:
    """Write what an engine that has died had used.

    Parameters
    ----------
    sample
        What was seen last, if anything.
    used
        What the system says that it used in all; zeros if it says nothing.
    lived
        How many seconds it lived.
    now
        When it died.
    """
    text = f"it had lived for {lived:.1f} s"
    if used.nbytes:
        text += f" and used {used.seconds:.1f} s of CPU time and at most "
        text += f"{nbytes_text(used.nbytes)} of memory"
    if sample is not None:
        text += f"; {max(0.0, now - sample.at):.1f} s before its end: "
        text += "" if sample.load is None else f"{sample.load:.0%} CPU, "
        text += f"{nbytes_text(sample.nbytes)} of memory"
    return text
