"""How many engines are to come of each set with agents on other hosts: decisions only.

The agent of the hub's host keeps count, for the next hub, whom it tells with its greeting. What the
hub before has not heard of is said again after that, and counts then: not twice. It also says how
many it has ever been asked for, so that the next hub knows which of the orders it never heard.
"""

from collections.abc import Iterable, Mapping

from msgspec import structs

from ipcluster_ext.protocol.labour import AgentHello, Launched, LaunchMore
from ipcluster_ext.protocol.messages import Message


def with_more(planned: Mapping[str, int], named: str, more: int) -> dict[str, int]:
    """Return how many are to come once so many more are, or fewer."""
    return {**planned, named: max(0, planned.get(named, 0) + more)}


def ordered(hello: AgentHello, order: LaunchMore) -> AgentHello:
    """Return how the agent greets the next hub once it has heard an order for more."""
    sets = with_more(hello.sets, order.set, order.count)
    return structs.replace(hello, sets=sets, asked=with_more(hello.asked, order.set, order.count))


def after(planned: Mapping[str, int], report: Launched) -> dict[str, int]:
    """Return how many are to come once something is known to have failed for good, or ended."""
    lost = report.count if _is_over(report) else 0
    return with_more(planned, report.set, -lost) if lost else dict(planned)


def before(planned: Mapping[str, int], unheard: Iterable[Message]) -> dict[str, int]:
    """Return how many were to come for a hub that has not heard of these reports."""
    known = dict(planned)
    for message in unheard:
        if isinstance(message, Launched) and _is_over(message):
            known = with_more(known, message.set, message.count)
    return known


def _is_over(report: Launched) -> bool:
    """Tell whether what a report is about brings no engines any more."""
    return report.stage == "ended" or (report.stage == "failed" and report.again_in is None)
