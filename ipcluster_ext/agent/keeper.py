"""What an agent asks of its hub, whichever host that is on."""

from typing import Protocol


class Keeper(Protocol):
    """What an agent does about its hub: `HubProcess` for its own, `FarHub` for another host's.

    Attributes
    ----------
    deadline
        When there is something to do at the latest; None for never.
    """

    deadline: float | None

    @property
    def fd(self) -> int:
        """A file descriptor to watch for `listen`, -1 for none."""

    def is_(self, pid: int) -> bool:
        """Tell whether a process is the hub."""

    def answered(self) -> None:
        """Note that the hub has given a sign of life."""

    def asked(self, *, every: float) -> None:
        """Note that it is asked for one, and how often."""

    def listen(self) -> bool:
        """Hear what `fd` says, which is readable; tell whether that is to end."""

    def tick(self) -> str:
        """Do what has become due; return why to end, empty if all is well."""

    def died(self, code: int) -> str:
        """Have another hub follow one that died; return why there is none, if so."""

    def buried(self) -> None:
        """Note that the hub's process is gone, and no other is to follow."""

    def close(self, within: float) -> None:
        """Have the hub end, if that is for the agent to say."""
