"""Telling in words how far work is, and how a cluster is: one line, for terminals and files."""

from typing import NamedTuple

from ipcluster_ext.display import figures
from ipcluster_ext.display.looks import ClusterLook, WorkLook

_LONG = 60


class Fact(NamedTuple):
    """A few words, and whether they are bad news."""

    text: str
    bad: bool = False


def facts_of(look: WorkLook, *, rate: float | None, left: float | None) -> list[Fact]:
    """Tell how far work is.

    Parameters
    ----------
    look
        How far.
    rate, left
        How much of it is done in a second, and for how many seconds it goes on; None if nobody
        knows.
    """
    of = "" if look.total is None else f" of {figures.count(look.total)}"
    facts = [Fact(f"{figures.count(look.done)}{of} {look.verb}")]
    if look.failed:
        facts.append(Fact(f"{figures.count(look.failed)} failed", bad=True))
    if look.cancelled:
        facts.append(Fact(f"{figures.count(look.cancelled)} cancelled"))
    if look.trouble:
        facts.append(Fact(look.trouble, bad=True))
    if look.over:
        return [*facts, Fact(f"in {figures.took(look.elapsed)}")]
    if look.running:
        facts.append(Fact(f"{figures.count(look.running)} running"))
    if rate is not None:
        facts.append(Fact(figures.rate(rate)))
    facts.append(Fact(f"after {figures.span(look.elapsed)}"))
    if left is not None:
        facts.append(Fact(f"{figures.span(left)} left"))
    return facts


def doing(look: WorkLook) -> str:
    """Tell what runs."""
    return "" if look.over else look.doing


def work(look: WorkLook, *, rate: float | None, left: float | None) -> str:
    """Tell how far work is, as ``<AsyncMapResult fit: 37 of 100 done, 12.3/s, 5 s left>``."""
    name = f"{look.kind} {_shortened(look.label)}" if look.label else look.kind
    facts = [fact.text for fact in facts_of(look, rate=rate, left=left)]
    if not look.over:  # for how long it has gone on is out of date as soon as it is written
        facts = [fact for fact in facts if not fact.startswith("after ")]
    return f"<{name}: {', '.join(facts)}>"


def cluster(look: ClusterLook) -> str:
    """Tell how a cluster is, as ``cluster fit: running, 4 of 4 engines ready, 2 busy``."""
    if not look.known:
        trouble = f": {look.trouble}" if look.trouble else ""
        return f"{look.title}: {look.state}{trouble}"
    wanted = "" if look.wanted is None else f" of {look.wanted}"
    parts = [look.state, f"{look.ready}{wanted} engines ready"]
    parts += [f"{look.busy} busy"] if look.busy else []
    parts += [f"{figures.count(look.queued)} queued"] if look.queued else []
    parts += [f"{figures.count(look.failed)} failed"] if look.failed else []
    return f"{look.title}: {', '.join(parts)}"


def _shortened(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= _LONG else line[: _LONG - 1] + "…"
