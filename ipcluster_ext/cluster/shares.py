"""What engines are to have and may use, as users say it, made whole."""

import math
import operator
import re
from collections.abc import Iterable, Mapping

from ipcluster_ext.protocol.foreman import EngineSet
from ipcluster_ext.protocol.shares import WHOLE, Gpus, MemoryLimit, Pin, Shares

_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)(i?)(b?|bytes?)", re.IGNORECASE)
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*%")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_LEAST = 1 << 20


def shares_of(
    *,
    pin: Pin | None = None,
    gpus: Gpus | None = None,
    threads: int | None = None,
    memory_limit: MemoryLimit | None = None,
    usual: Shares = WHOLE,
) -> Shares:
    """Return what engines may use of their host.

    Parameters
    ----------
    pin, gpus, threads, memory_limit
        As for `Cluster`; None for as usual.
    usual
        What holds for what is not said.

    Raises
    ------
    ValueError, TypeError
        One cannot be what it is.
    """
    return Shares(
        pin=usual.pin if pin is None else _pin(pin),
        gpus=usual.gpus if gpus is None else _gpus(gpus),
        threads=usual.threads if threads is None else _threads(threads),
        memory_limit=usual.memory_limit if memory_limit is None else memory_of(memory_limit),
    )


def shares_of_set(engines: EngineSet, usual: Shares) -> Shares:
    """Return what the engines of a set may use: as it says, else as usual."""
    return shares_of(
        pin=engines.pin,
        gpus=engines.gpus,
        threads=engines.threads,
        memory_limit=engines.memory_limit,
        usual=usual,
    )


def memory_of(limit: MemoryLimit) -> float:
    """Return a limit of memory in bytes, or up to 1.0 as a part of the host's; 0.0 for none.

    Parameters
    ----------
    limit
        A number of either kind, or a text: ``"4 GB"`` (10**9 each), ``"4 GiB"`` (2**30), ``"25%"``.

    Raises
    ------
    ValueError
        It is something else, or too little for any engine.
    """
    amount = _read(limit) if isinstance(limit, str) else float(limit)
    if not 0 <= amount < math.inf or 1 < amount < _LEAST:
        msg = (
            f"an engine cannot have {limit!r} of memory; say '4 GB', a number of bytes, or a part "
            "of the host's memory, up to 1.0"
        )
        raise ValueError(msg)
    return amount


def _read(text: str) -> float:
    part = _PART.fullmatch(text.strip())
    if part is not None:
        return float(part.group(1)) / 100
    size = _SIZE.fullmatch(text.strip())
    if size is None:
        return math.nan
    number, unit, binary, _ = size.groups()
    nbytes = float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()]
    return nbytes if nbytes > 1 or not nbytes else math.nan


def _pin(pin: Pin) -> bool:
    if pin not in {True, False, "cores"}:
        msg = f"pin can be 'cores', True or False, not {pin!r}"
        raise ValueError(msg)
    return bool(pin)


def _gpus(gpus: object) -> Gpus:
    if gpus == "auto":
        return "auto"
    if isinstance(gpus, str) or not isinstance(gpus, Iterable):
        msg = f"gpus can be 'auto' or a list of numbers, not {gpus!r}"
        raise TypeError(msg)
    named = [gpu if isinstance(gpu, str) else operator.index(gpu) for gpu in gpus]
    if any(isinstance(gpu, int) and gpu < 0 for gpu in named):
        msg = f"GPUs are counted from 0, and there can be no {named}"
        raise ValueError(msg)
    return named


def _threads(threads: int) -> int:
    count = operator.index(threads)
    if count < 0:
        msg = f"numerical libraries cannot use {count} threads; 0 is for an engine's part"
        raise ValueError(msg)
    return count


def check_resources(resources: Mapping[str, float] | Iterable[str] | None) -> dict[str, float]:
    """Return what an engine has as amounts by name; of what it is only said to have, 1.

    Raises
    ------
    ValueError
        One is no number, or there can be no such amount.
    TypeError
        It is one text, and neither amounts nor a list of names.
    """
    if isinstance(resources, str):
        msg = f"resources have to be a dict of amounts or a list of names, not {resources!r}"
        raise TypeError(msg)
    given = resources or {}
    by_name = given if isinstance(given, Mapping) else dict.fromkeys(given, 1)
    amounts = {str(name): float(amount) for name, amount in by_name.items()}
    for name, amount in amounts.items():
        if not 0 <= amount < math.inf:
            msg = f"an engine cannot have {amount:g} of {name!r}"
            raise ValueError(msg)
    return amounts
