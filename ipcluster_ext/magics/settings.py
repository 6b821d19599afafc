"""How cells run where they do not say it themselves."""

from dataclasses import dataclass, fields, replace
from signal import SIGINT, Signals
from typing import Self

from ipcluster_ext.magics.options import Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``%pxconfig`` sets, beside the view's own flags.

    Attributes
    ----------
    stream
        Whether output is shown while the code runs.
    verbose
        Whether the engines are named.
    progress_after
        After how many seconds a progress bar appears; negative for never.
    signal_on_interrupt
        What the engines get when a cell is interrupted; 0 for nothing.
    debug
        Whether an error leads into the frame that failed.
    """

    stream: bool = True
    verbose: bool = False
    progress_after: float = 2.0
    signal_on_interrupt: int = int(SIGINT)
    debug: bool = False

    def but(self, said: Said) -> Self:
        """Return them with what a line of options says."""
        given = {field.name: getattr(said, field.name) for field in fields(self)}
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def __str__(self) -> str:
        """Write them as options."""
        switches = {"stream": self.stream, "verbose": self.verbose, "debug": self.debug}
        written = [f"--{name}" if on else f"--no-{name}" for name, on in switches.items()]
        number = self.signal_on_interrupt
        name = Signals(number).name if number in set(Signals) else str(number)
        return " ".join(
            [*written, f"--progress-after {self.progress_after:g} --signal-on-interrupt {name}"]
        )
