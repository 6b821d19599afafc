"""What a task displays, in the words of IPython's publishers, and what is left of it.

An event is a dict: ``data`` and ``metadata`` of something displayed, with its ``display_id`` if it
has one; the same with ``update`` for what changes it; or ``clear``, which drops what was shown
before, at once (False) or when the next thing is shown (True, IPython's ``wait``).
"""

from typing import Any

Event = dict[str, Any]
MimeBundle = dict[str, Any]


def displayed(
    data: MimeBundle,
    metadata: MimeBundle | None = None,
    *,
    display_id: str | None = None,
    update: bool = False,
) -> Event:
    """Write down that something was displayed, or changed."""
    event: Event = {"data": data, "metadata": metadata or {}}
    if display_id:
        event["display_id"] = display_id
    if update:
        event["update"] = True
    return event


def cleared(*, wait: bool) -> Event:
    """Write down that what was shown is to be dropped."""
    return {"clear": wait}


class Displays:
    """What is left of all that was displayed.

    Attributes
    ----------
    outputs
        In order, each with its ``data`` and ``metadata``.
    """

    def __init__(self) -> None:
        self.outputs: list[Event] = []
        self._clearing = False

    def take(self, event: Event) -> None:
        """Take what happens; an update of what was never displayed changes nothing."""
        if "clear" in event:
            self._clearing = bool(event["clear"])
            if not self._clearing:
                self.outputs.clear()
        elif event.get("update"):
            self._update(event)
        else:
            if self._clearing:
                self._clearing = False
                self.outputs.clear()
            self.outputs.append(event)

    def _update(self, event: Event) -> None:
        for output in self.outputs:
            if output.get("display_id") == event.get("display_id"):
                output.update(data=event["data"], metadata=event["metadata"])
