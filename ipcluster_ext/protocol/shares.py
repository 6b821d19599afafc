"""What each engine of a host may use of it: words only; `agent.shares` says which part that is."""

from typing import Literal

import msgspec

Gpus = Literal["auto"] | list[int | str]
"""Which GPUs of a host its engines share: those that can be seen, or these."""
Pin = bool | Literal["cores"]
MemoryLimit = float | str
Resources = dict[str, float] | list[str]
"""As users write them: amounts by name, or names only."""


class Shares(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What engines may use of their host.

    Attributes
    ----------
    pin
        Whether each is kept to processors of its own.
    gpus
        Which GPUs they share, one each; None if that is not settled here.
    threads
        How many threads numerical libraries use in each; 0 for its part of the processors.
    memory_limit
        How much memory each may use: so many bytes, or up to 1.0 as a part of the host's; 0.0 for
        any.
    """

    pin: bool = False
    gpus: Gpus | None = None
    threads: int = 0
    memory_limit: float = 0.0


WHOLE = Shares()
"""What engines may use if nobody says anything."""


class Share(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one engine may use.

    Attributes
    ----------
    cores
        The processors that it is kept to; any if empty.
    environment
        Variables that it has beside its agent's.
    threads
        How many threads OpenBLAS uses, which is loaded by then; 0 for as many as it has.
    """

    cores: list[int] = []
    environment: dict[str, str] = {}
    threads: int = 0


NOTHING_SAID = Share()
"""What an engine may use that was told nothing."""
