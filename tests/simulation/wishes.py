"""What scripted tasks ask for beyond being run."""

from typing import TYPE_CHECKING

from ipcluster_ext.protocol.parts import Dependency, Options, Retry
from ipcluster_ext.protocol.status import TaskStatus

if TYPE_CHECKING:
    from ipcluster_ext.protocol.ids import TaskId
    from tests.simulation.clients import Client
    from tests.simulation.world import World

OPTIONAL = frozenset(
    {"after", "awaits", "expires", "follow", "judge", "key", "limit", "patience", "pauses",
     "priority", "resources"}
)  # fmt: skip


def draw_options(world: "World", client: "Client") -> Options | None:
    """Draw what a submission asks for; None for nothing."""
    if not (world.traits & OPTIONAL) or world.random.random() < 0.2:
        return None
    choice = world.random.choice
    key = choice(("", "k", "l")) if "key" in world.traits else ""
    return Options(
        _retry(world),
        time_limit=choice((0.2, 1.0)) if world.may("limit", 0.5) else 0.0,
        expires=choice((0.01, 0.5)) if world.may("expires", 0.5) else 0.0,
        priority=choice((-1, 1)) if world.may("priority", 0.6) else 0,
        resources=(("gpu", 1.0),) if world.may("resources", 0.5) else (),
        key=key,
        after=_dependency(world, client) if world.may("after", 0.7) else None,
        follow=_dependency(world, client) if world.may("follow", 0.7) else None,
        patience=choice((0.01, 0.5)) if world.may("patience", 0.5) else 0.0,
        awaits=world.may("awaits", 0.6),
    )


def _retry(world: "World") -> Retry | None:
    judge = b"judge" if world.may("judge", 0.6) else b""
    backoff = world.random.choice((0.0, 0.01, 0.5)) if "pauses" in world.traits else 0.0
    if not judge and not backoff:
        return None
    return Retry(backoff=backoff, judge=judge, on_engine_lost=world.random.choice((0, 2, 2, 9)))


def _dependency(world: "World", client: "Client") -> Dependency | None:
    """Draw one or two tasks of the client's; of those that have ended it tells how, mostly."""
    random = world.random
    if not client.mine:
        return None
    chosen = random.sample(client.mine, min(len(client.mine), random.randint(1, 2)))
    success, failure = random.choice(((True, False), (True, False), (True, True), (False, True)))
    left: list[TaskId] = []
    met = unmet = 0
    engines: list[int] = []
    for task in chosen:
        answer = client.answers.get(task)
        if answer is None or random.random() < 0.3:
            left.append(task)
        elif success if answer[0].status is TaskStatus.DONE else failure:
            met += 1
            if (made := world.truth.made.get(answer[0].inline)) is not None:
                engines.append(made.engine)
        else:
            unmet += 1
    every = random.random() < 0.7
    where = tuple(dict.fromkeys(engines))
    return Dependency(tuple(left), met, unmet, where, every, success, failure)  # type: ignore[arg-type]
