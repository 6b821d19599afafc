"""What comes together in the histories of a theme.

What takes several kinds of trouble at once, to the same tasks, is too rare to come by chance. So a
theme names what tasks and clients do, and what strikes; either in any order, or as a plot: one
blow after another, or a wish of a client's, each so long after the one before it, and rather at
the same process.

What has to happen at a certain moment as well is in `RARE`: blows that lie in wait for that
(`ambushes`), one after the other (`courses`).
"""

from collections.abc import Sequence
from typing import NamedTuple

SPANS = (0.05, 1.0, 5.0, 15.0, 30.0)
SHORT_SPANS = (0.05, 0.2, 0.5, 1.0)
LONG_SPANS = (11.0, 12.0, 13.0, 15.0, 30.0)
DISKS = (0.001, 0.005, 0.005, 0.05, 0.5)
QUICK = (0.001, 0.005)
SLOW = (0.05, 0.5)
CHAOS = (0.5, 1.0, 1.0, 2.0, 4.0)
LATENCIES = (0.0001, 0.0005, 0.005, 0.05)
LONG = (40.0,)
Blow = tuple[str, float, float]
"""What strikes, and how long after the blow before it: no sooner than this, no later than that."""


class Theme(NamedTuple):
    """What comes together in a history, and often.

    Attributes
    ----------
    traits
        What tasks and clients do.
    blows
        What strikes, some of it, whenever it does; all of it, where blows lie in wait.
    plot
        What strikes, all of it, one after the other.
    disks
        How long rows take to be on disk.
    chaos
        When the faults end.
    spans
        How long engines and clients stand still, or are cut off.
    latencies
        How long packets take, on average.
    eager
        How often clients do something; 0 for a few numbers.
    is_calm
        Whether no packets are lost or late.
    delay
        The share of packets that take long, at least.
    """

    traits: frozenset[str]
    blows: Sequence[str] = ()
    plot: Sequence[Blow] = ()
    disks: Sequence[float] = DISKS
    chaos: Sequence[float] = CHAOS
    spans: Sequence[float] = SPANS
    latencies: Sequence[float] = LATENCIES
    eager: int = 0
    is_calm: bool = False
    delay: float = 0.0


def _theme(
    traits: str,
    blows: str = "",
    *,
    plot: Sequence[Blow] = (),
    disks: Sequence[float] = DISKS,
    chaos: Sequence[float] = CHAOS,
    spans: Sequence[float] = SPANS,
    latencies: Sequence[float] = LATENCIES,
    eager: int = 0,
    is_calm: bool = False,
    delay: float = 0.0,
) -> Theme:
    return Theme(
        frozenset(trait.replace("_", " ") for trait in traits.split()),
        tuple(blow.replace("_", " ") for blow in blows.split()),
        plot,
        disks,
        chaos,
        spans,
        latencies,
        eager,
        is_calm,
        delay,
    )


_HUB: Blow = ("hub", 0.05, 0.5)
_SOON: Blow = ("hub", 0.02, 0.3)
_TRIED_IN_VAIN: tuple[Blow, ...] = (
    ("submit", 0.3, 0.5), ("submit", 0.0, 0.05), ("hub", 0.1, 0.4),
)  # fmt: skip
_UNNAMED: tuple[Blow, ...] = (*_TRIED_IN_VAIN[:2], ("hang", 0.05, 0.1), ("hub", 0.0, 0.3))
_AT_ONCE: tuple[Blow, ...] = (("submit", 0.0, 0.1),) * 3
_STEER: tuple[Blow, ...] = (("steer", 0.2, 0.4), ("steer", 0.0, 0.2), ("hub", 0.02, 0.4))
_SUBMIT: tuple[Blow, ...] = (("submit", 0.05, 0.3),) * 3
THEMES = (
    # ---- what was interrupted, and the engine dies, or the hub
    _theme("endless graces interrupt retries", "kill kill stop"),
    _theme("endless interrupt mild retries stubborn", "kill kill away"),
    _theme("endless graces interrupt retries", "hub mid-turn kill kill"),
    _theme("endless interrupt", "hub mid-turn cut"),
    _theme("interrupt restrict retries", "hub mid-turn cut"),
    _theme("cancel interrupt nested retries", "stop hub kill"),
    _theme("interrupt short unsaid", "stop cut cut"),
    _theme(
        "endless interrupt mild",
        plot=(("away", 0.3, 0.6), *[("interrupt", 0.01, 0.1)] * 3, ("hub", 0.05, 0.3)),
        spans=(1.0, 2.0), chaos=(2.0,), disks=QUICK,
    ),
    _theme(
        "interrupt mild short",
        plot=(*_SUBMIT, *_AT_ONCE, ("stop", 0.0, 0.1), *[("interrupt", 0.0, 0.2)] * 5),
        chaos=(3.0,), spans=SHORT_SPANS,
    ),
    # ---- values
    _theme("blobs needs release retries", "kill gone client"),
    _theme("needs restrict retries", "hub mid-turn kill"),
    _theme("needs popular", plot=(*_SUBMIT, _HUB, *_SUBMIT), disks=SLOW, chaos=(4.0,)),
    _theme("needs popular short", plot=(*_SUBMIT, _HUB, *_SUBMIT), disks=SLOW, chaos=(4.0,)),
    _theme("failures needs popular", plot=(*_SUBMIT, _HUB, *_SUBMIT), disks=SLOW, chaos=(4.0,)),
    _theme("failures needs retries", "hub cut kill client"),
    # ---- functions
    _theme("functions lazy", "hang hang client"),
    _theme("functions needs", "client client cut"),
    _theme(
        "functions lazy",
        plot=(
            ("submit", 0.1, 0.4), ("hang", 0.0, 0.08), ("submit", 0.0, 0.1), ("client", 0.1, 0.6),
        ),
        latencies=(0.05,), spans=LONG_SPANS, chaos=(1.0, 2.0),
    ),
    # ---- tasks that two engines claim
    _theme("failures refuse retries", "hub mid-turn hub cut"),
    _theme(
        "failures refuse retries", plot=(*_SUBMIT, *_AT_ONCE, _SOON), disks=(0.5,), chaos=(2.0,)
    ),
    *[
        _theme(
            traits, plot=plot, disks=(0.5,), chaos=(1.0, 2.0), spans=SHORT_SPANS,
            latencies=(0.05,), eager=1,
        )
        for traits in ("failures retries short", "failures refuse retries short")
        for plot in (_TRIED_IN_VAIN, _UNNAMED)
    ],
    # ---- engines that are silent
    _theme("endless", "stop stop hub kill", chaos=LONG, spans=LONG_SPANS),
    _theme("short", "stop stop cut", chaos=LONG, spans=LONG_SPANS),
    _theme(
        "endless retries", plot=(("stop", 0.05, 1.0), _HUB, ("kill", 13.0, 20.0)), chaos=LONG,
        spans=(30.0,),
    ),
    _theme(
        "failures retries", plot=(("stop", 0.05, 1.0), _HUB, ("kill", 13.0, 20.0)), chaos=LONG,
        spans=(30.0,), disks=(0.5,),
    ),
    # ---- engines that are started and stopped
    _theme("steer", plot=_STEER, disks=SLOW, chaos=(2.0,)),
    _theme(
        "resize", plot=(("resize", 0.2, 0.4), *_STEER[1:], ("hub", 0.05, 0.5)), disks=SLOW,
        chaos=(2.0,),
    ),
    # ---- others
    _theme("awaits failures limit pauses retries", "kill"),
    _theme("cancel fetch", "cut kill stop"),
    _theme("failures key", "kill cut client"),
    _theme("resize retries", "kill kill hub away"),
    _theme("each resize steer", "hub mid-turn away kill"),
)  # fmt: skip
_BUSY: tuple[Blow, ...] = (("submit", 0.3, 0.5), *_AT_ONCE)
_AWAY: tuple[Blow, ...] = (*_BUSY, ("host away", 0.0, 0.2))
ELSEWHERE = (
    # ---- a host is not heard for so long that it is given up, or nearly, and is back
    _theme("retries", "host_away", chaos=LONG, spans=LONG_SPANS),
    _theme("endless", "host_away", chaos=LONG, spans=LONG_SPANS),
    _theme("each retries steer", "host_away kill away", chaos=LONG, spans=LONG_SPANS),
    _theme("needs restrict retries", "host_away host_stops", chaos=LONG, spans=LONG_SPANS),
    _theme("cancel endless interrupt retries", "host_away", chaos=LONG, spans=LONG_SPANS),
    _theme("alone retries short", plot=_AWAY, chaos=LONG, spans=(30.0,)),
    _theme("endless retries", plot=_AWAY, chaos=LONG, spans=(30.0,)),
    # ---- and the hub dies meanwhile, or before
    _theme("retries", plot=(*_AWAY, ("hub", 0.1, 2.0)), chaos=LONG, spans=LONG_SPANS),
    _theme("endless", plot=(*_AWAY, ("hub", 0.1, 2.0)), chaos=LONG, spans=LONG_SPANS),
    _theme(
        "each failures retries", plot=(*_AWAY, ("hub", 0.1, 16.0)), chaos=LONG, spans=LONG_SPANS
    ),
    _theme("short", plot=(*_AWAY, ("hub", 0.0, 0.2)), chaos=LONG, spans=LONG_SPANS),
    _theme(
        "endless interrupt", plot=(*_AWAY, ("hub", 0.1, 1.0), ("interrupt", 0.1, 20.0)), chaos=LONG,
        spans=LONG_SPANS,
    ),
    _theme(
        "retries", plot=(*_AWAY, ("hub", 0.1, 2.0), ("kill", 0.1, 16.0)), chaos=LONG,
        spans=LONG_SPANS,
    ),
    _theme(
        "retries", plot=(*_AWAY, ("hub", 0.1, 2.0), ("hub", 0.1, 30.0)), chaos=LONG,
        spans=LONG_SPANS,
    ),
    _theme(
        "failures retries", plot=(*_AWAY, ("hub", 0.1, 0.6)), chaos=LONG, spans=LONG_SPANS,
        disks=(0.5,),
    ),
    _theme(
        "retries", plot=(*_AWAY, ("hub", 0.1, 0.6), ("host leaves", 2.5, 6.0)), chaos=LONG,
        spans=(15.0, 30.0),
    ),
    # ---- what is there dies, and something follows it
    _theme("each retries", "host_killed host_away", chaos=LONG, spans=LONG_SPANS),
    _theme("restrict retries", "job_ends host_away", chaos=LONG, spans=LONG_SPANS),
    _theme("retries", plot=(*_BUSY, ("host killed", 0.0, 0.2), ("hub", 0.0, 2.0)), chaos=LONG),
    _theme(
        "each retries", plot=(*_AWAY, ("job ends", 0.1, 20.0)), chaos=LONG, spans=LONG_SPANS,
    ),
    _theme("retries", plot=(*_AWAY, ("job ends", 5.0, 10.0)), chaos=LONG, spans=(15.0, 30.0)),
    _theme(
        "each retries", plot=(*_AWAY, ("host killed", 0.1, 20.0)), chaos=LONG, spans=LONG_SPANS,
    ),
    *[
        _theme(
            "short", plot=(("host killed", 0.02, 0.1), ("submit", 0.0, 0.1), ("hub", 0.0, 0.1)),
            disks=(0.5,), chaos=(4.0,), latencies=latencies,
        )
        for latencies in ((0.005,), (0.05,))
    ],
    # ---- more of them are asked for, and fewer
    _theme("resize retries steer", "host_away host_killed", chaos=(2.0, 20.0), spans=LONG_SPANS),
    _theme("resize steer", "hub mid-turn host_killed", chaos=(2.0, 20.0)),
)  # fmt: skip
_FOLLOWED: tuple[Blow, ...] = (("hub", 0.1, 0.4), *[("submit", 0.0, 0.3)] * 4)
SHORT_WAYS = (
    # ---- clients hand tasks to engines themselves, and those die, or the hub, or both
    _theme("", "kill kill kill", chaos=(1.0, 2.0)),
    _theme("short retries", "kill kill stop"),
    _theme("retries", "hub mid-turn kill kill"),
    _theme("", "hub mid-turn cut stop", chaos=(1.0, 2.0, 20.0)),
    _theme("each restrict", "kill hub mid-turn"),
    _theme("", "agent kill", chaos=(1.0, 2.0)),
    _theme("cancel endless interrupt", "kill stop hub"),
    _theme("functions lazy", "hub mid-turn client kill"),
    _theme("failures retries", plot=_TRIED_IN_VAIN, disks=(0.001, 0.5), chaos=(2.0,)),
    _theme("failures short retries", plot=_UNNAMED, disks=(0.001, 0.5), latencies=(0.05,)),
    *[
        _theme(traits, plot=_FOLLOWED, latencies=latencies, chaos=(2.0,), disks=QUICK)
        for traits in ("", "short", "endless interrupt")
        for latencies in ((0.05,), (0.0005,))
    ],
    _theme("", plot=(*_AT_ONCE, *_SUBMIT, ("stop", 0.0, 0.2), _HUB), spans=LONG_SPANS, chaos=LONG),
    _theme("", plot=(*_SUBMIT, ("kill", 0.0, 0.2), *_AT_ONCE, ("kill", 0.0, 0.1))),
)  # fmt: skip
_GROW: tuple[Blow, ...] = (
    *[("resize", 0.1, 0.3)] * 2, ("hub: before an order is heard", 0.0, 0.0), ("resize", 0.0, 0.5),
)  # fmt: skip
_HERE_TOO: tuple[Blow, ...] = (("host away: as another runs it", 0.0, 0.0), ("hub", 0.0, 0.0))
_TAKEN_OVER: Blow = ("nothing: it has taken over", 0.0, 0.1)
_IS_BACK: Blow = ("nothing: it is back", 0.0, 0.1)
_RUNS_AFAR: tuple[Blow, ...] = (*_BUSY[:3], ("host away: as it runs", 0.0, 0.3))
RARE = (
    # ---- an agent leaves a hub that takes over, which has not heard its engine
    _theme(
        "far", plot=(
            *_BUSY[:3], ("away: as it runs", 0.0, 0.3), ("hub", 0.0, 0.3),
            ("host leaves: unheard", 0.0, 0.5), _TAKEN_OVER,
        ), chaos=LONG, spans=LONG_SPANS,
    ),
    # ---- what was tried on a host that is not heard runs elsewhere, and the hub dies
    *[
        _theme(
            "endless far retries", plot=(
                ("submit", 0.3, 0.5), ("kill: as it runs", 0.0, 0.3), *_HERE_TOO, _TAKEN_OVER,
                *[("kill: as it runs again", 0.0, 1.0)] * 2,
            ), disks=(0.5,), chaos=LONG, spans=(30.0,), eager=1,
        ),
    ] * 2,
    _theme(
        "failures far retries", plot=(*_BUSY, *_HERE_TOO, _TAKEN_OVER), disks=(0.5,), chaos=LONG,
        spans=(30.0,),
    ),
    _theme(
        "far", plot=(*_BUSY[:3], ("hang: unrecorded afar", 0.0, 0.0), ("hub", 0.0, 0.1),
        ("submit", 0.5, 3.0), ("hub", 0.1, 1.0), _TAKEN_OVER), disks=(0.5,), chaos=LONG,
        spans=LONG_SPANS,
    ),
    _theme(
        "batch endless far", plot=(
            *_RUNS_AFAR, ("job ends", 0.0, 1.0), ("hub: as its id is taken", 0.0, 0.0), _TAKEN_OVER,
        ), disks=(0.5,), chaos=LONG, spans=(30.0,), latencies=(0.005, 0.05),
    ),
    *[
        _theme(
            "endless refuse short", "submit " * 8, plot=(
                ("stop: as it has refused", 0.1, 0.2), ("hub", 0.0, 0.0), _TAKEN_OVER,
                ("gone: as another is back", 0.0, 0.0),
            ), disks=(0.5,), chaos=LONG, spans=(30.0,), eager=1, delay=0.3,
            latencies=(0.0001, 0.0005),
        ),
    ] * 2,
    _theme(
        "failures retries", "submit " * 6, plot=(
            ("hang: unrecorded", 0.05, 0.1), ("hub", 0.0, 0.0), _TAKEN_OVER, ("hub", 0.6, 1.5),
            _TAKEN_OVER,
        ), disks=(0.05, 0.5), chaos=LONG, spans=(30.0,), eager=1,
    ),
    # ---- and it is back
    _theme(
        "alone endless far retries short stubborn", plot=(
            ("submit", 0.1, 0.2), ("host away: as it cannot stop", 0.0, 0.3), _IS_BACK,
        ), chaos=LONG, spans=(30.0,), eager=1,
    ),
    _theme(
        "batch endless far", plot=(
            *_RUNS_AFAR, ("job ends: but for it", 0.0, 1.0),
            ("job ends: as its id is taken", 0.0, 1.0), _IS_BACK,
        ), chaos=LONG, spans=(15.0, 30.0),
    ),
    _theme(
        "endless far", plot=(*_RUNS_AFAR, ("host killed: as it is back", 10.0, 12.0)), chaos=LONG,
        spans=(30.0,),
    ),
    # ---- more of them are asked for, and the hub dies
    _theme(
        "far resize", plot=_GROW, disks=(0.005, 0.05), chaos=(4.0,), latencies=(0.0005, 0.05),
        eager=1,
    ),
    # ---- what was handed over by the short way, and time that is over
    _theme(
        "short short_way slow_ways", "submit " * 12, plot=(
            ("submit: before it reads", 0.1, 0.2), ("submit", 0.0, 0.0),
            ("kill: before it reads", 0.0, 0.0),
        ), chaos=(4.0,), eager=1, latencies=(0.0001, 0.0005),
    ),
    _theme(
        "short short_way", "submit " * 20, plot=(("kill", 0.3, 0.5), ("hub", 0.1, 0.5)), eager=1,
        chaos=(2.0,), latencies=(0.0001, 0.0005),
    ),
    _theme(
        "awaits failures limit pauses retries", chaos=(4.0,), latencies=(0.0001, 0.005), eager=8,
        is_calm=True,
    ),
)  # fmt: skip
