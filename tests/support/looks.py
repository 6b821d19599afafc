"""Work and clusters that are as the test says, for what shows them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ipcluster_ext.display.cell import Cell, MimeBundle
from ipcluster_ext.display.looks import ClusterLook, EngineLook, Share, WorkLook
from ipcluster_ext.errors import ClientError


class ScriptedWork:
    """Work that is as far as the test says."""

    def __init__(self, **facts: object) -> None:
        self.now = WorkLook(kind="AsyncMapResult", total=100)
        self.rows: list[Share] = []
        self.asked: list[str] = []
        self.be(**facts)

    def be(self, **facts: object) -> None:
        """Be as far as that."""
        self.now = replace(self.now, **facts)  # type: ignore[arg-type] # a test names the facts

    def look(self) -> WorkLook:
        """Tell how far it is."""
        return self.now

    def shares(self) -> Sequence[Share]:
        """Tell what engines have."""
        self.asked.append("shares")
        return self.rows

    def cancel(self) -> str:
        """Note it."""
        self.asked.append("cancel")
        return "cancelled 7 items that had not begun; 2 tasks go on"

    def interrupt(self) -> str:
        """Note it."""
        self.asked.append("interrupt")
        return "interrupted 2 tasks"


class ScriptedCluster:
    """A cluster that is as the test says, and does whatever it is asked to."""

    def __init__(self, *states: str, **facts: object) -> None:
        engines = tuple(EngineLook(engine=n, state=state) for n, state in enumerate(states))
        self.now = ClusterLook(
            title="cluster fit", state="running", wanted=len(states), engines=engines
        )
        self.asked: list[str] = []
        self.refuses = False
        self.be(**facts)

    def be(self, **facts: object) -> None:
        """Be like that."""
        self.now = replace(self.now, **facts)  # type: ignore[arg-type] # a test names the facts

    def look(self) -> ClusterLook:
        """Tell how it is."""
        return self.now

    def open(self) -> None:
        """Note it."""
        self.asked.append("open")

    def close(self) -> None:
        """Note it."""
        self.asked.append("close")

    def start(self) -> str:
        """Note it."""
        return self._do("start")

    def scale(self, n: int) -> str:
        """Note it."""
        return self._do(f"scale {n}")

    def restart(self) -> str:
        """Note it."""
        return self._do("restart")

    def interrupt(self) -> str:
        """Note it."""
        return self._do("interrupt")

    def stop(self) -> str:
        """Note it."""
        return self._do("stop")

    def _do(self, what: str) -> str:
        if self.refuses:
            msg = f"the hub would not {what}"
            raise ClientError(msg)
        self.asked.append(what)
        return f"did {what}"


class Page(Cell):
    """A cell whose output can be looked at.

    Attributes
    ----------
    shown
        What is displayed, by display id.
    changes
        How often something was displayed or changed.
    """

    updates = True

    def __init__(self) -> None:
        self.shown: dict[str | None, MimeBundle] = {}
        self.changes = 0

    def display(
        self,
        data: MimeBundle,
        metadata: MimeBundle | None = None,
        *,
        display_id: str | None = None,
    ) -> None:
        """Keep it."""
        del metadata
        self.shown[display_id] = data
        self.changes += 1

    def update(
        self, data: MimeBundle, metadata: MimeBundle | None = None, *, display_id: str
    ) -> None:
        """Change it."""
        assert display_id in self.shown
        self.display(data, metadata, display_id=display_id)

    def write(self, stream: str, text: str) -> None:
        """Refuse: nothing is printed."""
        raise AssertionError(stream, text)

    def clear(self, *, wait: bool = False) -> None:
        """Refuse: nothing is cleared."""
        raise AssertionError(wait)

    @property
    def texts(self) -> list[str]:
        """What can be read there as text."""
        return [data["text/plain"] for data in self.shown.values()]


class Later:
    """Begins nothing before the test says so."""

    def __init__(self) -> None:
        self.begun: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], None]) -> None:
        """Keep work for later."""
        self.begun.append(work)

    def run(self) -> None:
        """Do what was kept."""
        while self.begun:
            self.begun.pop(0)()


def at_once(work: Callable[[], None]) -> None:
    """Do it here and now."""
    work()
