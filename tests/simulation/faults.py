"""What may go wrong in a history: every seed draws a few kinds of trouble, and few draw many.

A history in which everything goes wrong at once hides what one fault alone would have shown, so
each kind is absent from most histories. Faults strike at a time, or, because most times are idle,
while a certain packet is under way.

What takes several kinds at once, to some tasks, is too rare to come by such chance: so some seeds
draw a theme, and of other kinds little. The other seeds draw what they always did, so that those
which are kept tell their histories still.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

BLOWS = (
    "cut", "cut", "stop", "kill", "kill", "gone", "agent", "client", "hub", "hub", "hub",
    "mid-turn", "mid-turn",
)  # fmt: skip
"""What happens once: a connection breaks, an engine stands still for a while, dies and comes back,
dies for good; an agent, a client or the hub dies, the latter perhaps in the midst of a turn. In
themes a client may stand still, too ("hang")."""
HUB_DIES = frozenset({"hub", "mid-turn"})
MOST_DEATHS = 2
_LAST_WITNESSES = frozenset({"agent", "gone", "kill"})
"""If an agent dies while there is no hub, nobody knows what its engines had begun; if an engine
dies between two deaths of the hub, perhaps only the hub in between was told of it."""
TRAITS = (
    "after", "awaits", "blobs", "cancel", "each", "endless", "expires", "failures", "fetch",
    "follow", "frames", "functions", "graces", "interrupt", "judge", "key", "limit", "needs",
    "nested", "patience", "pauses", "prepare", "priority", "refuse", "release", "resources",
    "restrict", "retries", "retries", "short", "steer", "unsaid",
)  # fmt: skip
"""What tasks and clients may do beyond the plain."""


class Theme(NamedTuple):
    """What comes together in a history, and often."""

    traits: frozenset[str]
    blows: Sequence[str]
    is_long: bool = False


_STOPPED = frozenset({"endless", "graces", "interrupt"})
THEMES = (
    Theme(_STOPPED | {"retries"}, ("kill", "kill", "stop")),
    Theme(_STOPPED | {"retries"}, ("kill",)),
    Theme(_STOPPED | {"retries"}, ("hub", "mid-turn", "kill", "kill")),
    Theme(frozenset({"endless", "interrupt"}), ("hub", "mid-turn", "cut")),
    Theme(frozenset({"interrupt", "restrict", "retries"}), ("hub", "mid-turn", "cut")),
    Theme(frozenset({"blobs", "needs", "release", "retries"}), ("kill", "gone", "client")),
    Theme(frozenset({"cancel", "interrupt", "nested", "retries"}), ("stop", "hub", "kill")),
    Theme(frozenset({"interrupt", "short", "unsaid"}), ("stop", "cut", "cut")),
    Theme(frozenset({"functions"}), ("hang", "hang", "client")),
    Theme(frozenset({"functions", "needs"}), ("client", "client", "cut")),
    Theme(frozenset({"failures", "refuse", "retries"}), ("hub", "mid-turn", "hub", "cut")),
    Theme(frozenset({"awaits", "failures", "limit", "pauses", "retries"}), ("kill",)),
    Theme(frozenset({"endless"}), ("stop", "stop", "hub", "kill"), is_long=True),
    Theme(frozenset({"short"}), ("stop", "stop", "cut"), is_long=True),
    Theme(frozenset({"needs", "retries", "restrict"}), ("hub", "mid-turn", "kill")),
)
_THEMED = frozenset({4, 5, 8, 11})
_THEMED_OF = 15
"""Seeds with these remainders draw a theme."""
MOST_BLOWS = 4
LONG = 40.0
SPANS = (0.05, 1.0, 5.0, 15.0, 30.0)
LONG_SPANS = (11.0, 12.0, 13.0, 15.0, 30.0)


@dataclass(slots=True)
class Faults:
    """What one history draws.

    Attributes
    ----------
    drop, double, delay
        The share of packets that are lost, arrive twice, or take long.
    latency
        How long a packet takes, on average.
    lag
        How long the hub takes to look at what has come.
    disk
        How long rows take to be on disk.
    packets
        What strikes while the n-th packet is under way.
    times
        What strikes at a time.
    traits
        What tasks and clients do, see `TRAITS`.
    chaos
        When the faults end.
    eager
        How often clients do what they do, at most; twice, and submit three times, if it is 0.
    spans
        How long engines and clients stand still.
    """

    drop: float = 0.0
    double: float = 0.0
    delay: float = 0.0
    latency: float = 0.0002
    lag: float = 0.0
    disk: float = 0.005
    packets: dict[int, str] = field(default_factory=dict)
    times: list[tuple[float, str]] = field(default_factory=list)
    traits: frozenset[str] = frozenset()
    chaos: float = 1.0
    eager: int = 0
    spans: Sequence[float] = SPANS

    @property
    def blows(self) -> set[str]:
        """What strikes."""
        return {*self.packets.values(), *(blow for _, blow in self.times)}

    @property
    def kills_the_hub(self) -> bool:
        """Whether the hub dies."""
        return not self.blows.isdisjoint(HUB_DIES)


def draw(random: Random, *, seed: int) -> Faults:
    """Draw what goes wrong in a history, from its seed or what that has decided so far."""
    chance, choice = random.random, random.choice
    faults = Faults()
    for name in ("drop", "double", "delay"):
        if chance() < 0.2:
            setattr(faults, name, choice((0.02, 0.1, 0.3)))
    faults.latency = choice((0.0001, 0.0005, 0.005, 0.05))
    faults.lag = choice((0.0, 0.0, 0.0, 0.001, 0.05))
    faults.disk = choice((0.001, 0.005, 0.005, 0.05, 0.5))
    faults.chaos = choice((0.5, 1.0, 1.0, 2.0, 4.0, 20.0))
    if seed % _THEMED_OF in _THEMED:
        theme = choice(THEMES)
        faults.eager = choice((0, 4, 8))
        faults.drop = max(faults.drop, choice((0.0, 0.0, 0.3)))
        if theme.is_long:
            faults.chaos, faults.spans = LONG, LONG_SPANS
        _draw_blows(faults, random, theme.blows, random.randint(1, MOST_BLOWS))
        faults.traits = theme.traits | {choice(TRAITS) for _ in range(choice((0, 0, 1)))}
    else:
        _draw_blows(faults, random, BLOWS, choice((0, 1, 1, 1, 2, 2, 3, 5)))
        count = choice((0, 1, 2, 3, 4, 6, 9))
        faults.traits = frozenset(choice(TRAITS) for _ in range(count))
    return faults


def _draw_blows(faults: Faults, random: Random, blows: Sequence[str], count: int) -> None:
    """Draw what strikes, and when."""
    deaths = 0
    for _ in range(count):
        blow = random.choice(blows)
        deaths += blow in HUB_DIES
        if blow in HUB_DIES and deaths > MOST_DEATHS:
            blow = "cut"
        if blow == "mid-turn" or random.random() < 0.7:
            faults.packets[random.randrange(8, 60)] = blow
        else:
            faults.times.append((random.random() * faults.chaos, blow))
    _spare(faults, {0: frozenset(), 1: frozenset({"agent"})}.get(deaths, _LAST_WITNESSES))


def _spare(faults: Faults, spared: frozenset[str]) -> None:
    """Let those live who alone would have known something, as others die."""

    def instead(blow: str) -> str:
        return "cut" if blow in spared else blow

    faults.packets = {number: instead(blow) for number, blow in faults.packets.items()}
    faults.times = [(at, instead(blow)) for at, blow in faults.times]
