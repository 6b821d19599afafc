"""What may go wrong in a history: every seed draws a few kinds of trouble, and few draw many.

A history in which everything goes wrong at once hides what one fault alone would have shown, so
each kind is absent from most histories. Faults strike at a time, or, because most times are idle,
while a certain packet is under way.

What takes several kinds at once, to some tasks, is too rare to come by such chance: so some seeds
draw a theme, and of other kinds little; and some draw few kinds, and much of each. In some, blows
lie in wait for their moment. The other seeds draw what they always did, so that those which are
kept tell their histories still.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from ipcluster_ext.protocol.process import PATIENT, Patience
from tests.simulation.themes import (
    ELSEWHERE,
    LATENCIES,
    LONG_SPANS,
    RARE,
    SHORT_WAYS,
    SPANS,
    THEMES,
    Blow,
    Theme,
)

BLOWS = (
    "cut", "cut", "stop", "kill", "kill", "gone", "agent", "client", "hub", "hub", "hub",
    "mid-turn", "mid-turn",
)  # fmt: skip
"""What happens once: a connection breaks, an engine stands still for a while, dies and comes back,
dies for good; an agent, a client or the hub dies, the latter perhaps in the midst of a turn."""
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


OTHER_TRAITS = ("lazy", "mild", "popular", "resize", "stubborn")
"""And in some histories only: clients send functions when they are asked for them, need the same
values, change the number of engines; tasks do not end when they are interrupted, and their engines
are not ended for that."""
OTHER_BLOWS = ("agent away", "away", "away", "client away", "hang")
"""Likewise: somebody is cut off for a while, and does not know; a client stands still."""
FAR_BLOWS = ("host away", "host away", "host killed", "host stops", "job ends", "away", "kill")
"""Where engines are on other hosts: one of these is cut off or stands still for a while, dies; or
all ends that was started there, but for what nobody can reach."""
UNPUNCTUAL = frozenset(
    {"agent", "agent away", "away", "client away", "cut", "hang", "hub", "mid-turn", "stop"}
    | set(FAR_BLOWS)
)
"""What has things take longer than they would."""
_OF = 45
_PLAIN = frozenset({1, 2, 7, 10, 13, 14, 16, 18, 21, 22, 24, 25, 27, 30, 31, 32, 33, 37, 39, 43})
"""Seeds with these remainders draw what they always did; those that are kept are among them."""
_FAR = frozenset({3, 8, 19, 26, 34, 41})
"""Those with these have engines on other hosts; "alone" has a theme one of them, and no other."""
_SHORT = frozenset({5, 17, 29, 36})
"""Those with these have clients that hand tasks to engines themselves."""
_RARE = frozenset({18, 30, 39, 43, 55, 59, 69, 70, 78})
"""Those with these, of twice as many, have blows that lie in wait (`courses`)."""
_DIRECTED = 0.5
"""How many of the others draw a theme; the rest draws a few kinds of trouble, and much of each."""
MOST_BLOWS = 4
ZEALS = (1, 2, 4)


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
    course
        What strikes one after the other, see `courses`.
    traits
        What tasks and clients do, see `TRAITS`.
    chaos
        When the faults end.
    eager
        How often clients do what they do, at most; twice, and submit three times, if it is 0.
    zeal
        What is done by chance is done the more often the higher it is.
    spans
        How long engines and clients stand still.
    is_steadfast
        Whether somebody who was struck is rather struck again than others.
    patience
        How long the hub bears that somebody is not heard.
    """

    drop: float = 0.0
    double: float = 0.0
    delay: float = 0.0
    latency: float = 0.0002
    lag: float = 0.0
    disk: float = 0.005
    packets: dict[int, str] = field(default_factory=dict)
    times: list[tuple[float, str]] = field(default_factory=list)
    course: Sequence[Blow] = ()
    traits: frozenset[str] = frozenset()
    chaos: float = 1.0
    eager: int = 0
    zeal: int = 1
    spans: Sequence[float] = SPANS
    is_steadfast: bool = False
    patience: Patience = PATIENT

    @property
    def blows(self) -> set[str]:
        """What strikes."""
        course = (blow.partition(":")[0] for blow, _, _ in self.course)
        return {*self.packets.values(), *(blow for _, blow in self.times), *course}

    @property
    def kills_the_hub(self) -> bool:
        """Whether the hub dies."""
        return not self.blows.isdisjoint(HUB_DIES)


def is_plain(seed: int) -> bool:
    """Tell whether a seed draws any kinds of trouble, and little of each."""
    return seed % _OF in _PLAIN and not is_rare(seed)


def is_rare(seed: int) -> bool:
    """Tell whether a seed has blows that lie in wait."""
    return seed % (2 * _OF) in _RARE


def is_far(seed: int) -> bool:
    """Tell whether a seed has engines on other hosts."""
    return seed % _OF in _FAR


def draw(random: Random, *, seed: int) -> Faults:
    """Draw what goes wrong in a history, from its seed or what that has decided so far."""
    chance, choice = random.random, random.choice
    faults = Faults()
    for name in ("drop", "double", "delay"):
        if chance() < 0.2:
            setattr(faults, name, choice((0.02, 0.1, 0.3)))
    faults.latency = choice(LATENCIES)
    faults.lag = choice((0.0, 0.0, 0.0, 0.001, 0.05))
    faults.disk = choice((0.001, 0.005, 0.005, 0.05, 0.5))
    faults.chaos = choice((0.5, 1.0, 1.0, 2.0, 4.0, 20.0))
    if is_rare(seed):
        _draw_rare(faults, random)
    elif is_plain(seed):
        _draw_blows(faults, random, BLOWS, choice((0, 1, 1, 1, 2, 2, 3, 5)))
        count = choice((0, 1, 2, 3, 4, 6, 9))
        faults.traits = frozenset(choice(TRAITS) for _ in range(count))
    elif is_far(seed):
        _draw_far(faults, random)
    elif seed % _OF in _SHORT:
        _draw_short(faults, random)
    elif chance() < _DIRECTED:
        _draw_theme(faults, random, choice(THEMES))
    else:
        _draw_much(faults, random)
    return faults


def _draw_theme(faults: Faults, random: Random, theme: Theme) -> None:
    """Draw what comes together, and little else."""
    chance, choice = random.random, random.choice
    faults.eager, faults.zeal = choice((0, 4, 8)), choice(ZEALS)
    faults.drop = max(faults.drop, choice((0.0, 0.0, 0.3)))
    faults.disk, faults.chaos = choice(theme.disks), choice(theme.chaos)
    faults.latency = choice(theme.latencies)
    faults.spans, faults.is_steadfast = theme.spans, chance() < 0.5
    if theme.plot:
        faults.eager, faults.zeal = theme.eager or choice((4, 8)), choice((2, 4))
        faults.is_steadfast, at = True, 0.0
        for blow, soonest, latest in theme.plot:
            at += random.uniform(soonest, latest)
            faults.times.append((at, blow))
    else:
        _draw_blows(faults, random, theme.blows, random.randint(1, MOST_BLOWS))
    faults.traits = theme.traits | {choice(TRAITS) for _ in range(choice((0, 0, 1)))}


def _draw_much(faults: Faults, random: Random) -> None:
    """Draw few kinds of trouble, and much of each."""
    chance, choice = random.random, random.choice
    faults.eager, faults.zeal = choice((0, 4, 8)), choice(ZEALS)
    faults.is_steadfast = chance() < 0.5
    kinds = [choice((*BLOWS, *OTHER_BLOWS)) for _ in range(random.randint(1, 3))]
    _draw_blows(faults, random, kinds, random.randint(1, 6))
    count = random.randint(1, 5)
    faults.traits = frozenset(choice((*TRAITS, *OTHER_TRAITS)) for _ in range(count))


def _draw_far(faults: Faults, random: Random) -> None:
    """Draw what happens to other hosts, and a little else; no blobs, which do not get there."""
    chance, choice = random.random, random.choice
    faults.eager, faults.zeal = choice((0, 4, 8)), choice(ZEALS)
    faults.is_steadfast = chance() < 0.5
    faults.patience = Patience(host_silence=choice((13.0, 20.0, 20.0, 40.0)))
    if chance() < _DIRECTED:
        _draw_theme(faults, random, choice(ELSEWHERE))
    else:
        faults.spans, faults.chaos = choice((SPANS, LONG_SPANS)), choice((4.0, 20.0, 60.0))
        blows = [choice((*FAR_BLOWS, *FAR_BLOWS, "hub", "mid-turn", "stop", "cut"))
                 for _ in range(random.randint(1, 3))]  # fmt: skip
        _draw_blows(faults, random, blows, random.randint(1, MOST_BLOWS))
        some = (choice((*TRAITS, *OTHER_TRAITS)) for _ in range(choice((0, 1, 2, 4))))
        faults.traits = frozenset(some)
    faults.traits = (faults.traits | {"far", choice(("batch", "far"))}) - {"blobs"}


def _draw_short(faults: Faults, random: Random) -> None:
    """Draw what happens to tasks that clients hand to engines themselves."""
    if random.random() < _DIRECTED:
        _draw_theme(faults, random, random.choice(SHORT_WAYS))
    else:
        _draw_much(faults, random)
    faults.traits |= {"short way"}


def _draw_rare(faults: Faults, random: Random) -> None:
    """Draw what strikes when its moment has come, and hardly anything else."""
    chance, choice = random.random, random.choice
    theme = choice(RARE)
    faults.eager, faults.zeal = theme.eager or choice((2, 4)), choice((2, 4))
    faults.disk, faults.chaos = choice(theme.disks), choice(theme.chaos)
    faults.latency, faults.spans = choice(theme.latencies), theme.spans
    faults.is_steadfast, faults.course = True, theme.plot
    faults.times += [(random.uniform(0.05, 1.0), blow) for blow in theme.blows]
    faults.traits = theme.traits | {choice(TRAITS) for _ in range(choice((0, 0, 0, 1)))}
    if "far" in theme.traits:
        faults.patience = Patience(host_silence=choice((13.0, 20.0, 20.0, 40.0)))
        faults.traits = (faults.traits | {choice(("batch", "far"))}) - {"blobs"}
    if theme.is_calm or chance() < 0.5:
        faults.drop = faults.double = faults.delay = faults.lag = 0.0
    faults.delay = max(faults.delay, theme.delay)


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
