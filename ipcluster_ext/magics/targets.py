"""What ``--targets`` means: read, and never evaluated."""

import re
from collections.abc import Sequence

from ipcluster_ext.client.targets import Targets

_BRACKETS = {"[": "]", "(": ")"}
_NUMBER = re.compile(r"[+-]?\d+")
_FORMS = "write an engine's id (0, or -1 for the last), several (0,2), a slice (::2, 1:3) or all"


def parse_targets(text: str) -> Targets:
    """Read which engines are meant.

    Parameters
    ----------
    text
        ``all``; an id, negative ones counting from the end; several with commas between, perhaps
        in brackets; or a slice of the list of ids.

    Returns
    -------
    As views take it. Several ids are several, even if it is one: ``[0]`` is not ``0``.

    Raises
    ------
    ValueError
        It is none of these; the message names them.
    """
    plain = text.strip()
    if plain == "all":
        return "all"
    inner = plain
    listed = len(plain) > 1 and _BRACKETS.get(plain[0]) == plain[-1]
    if listed:
        inner = plain[1:-1].strip()
    if ":" in inner:
        return _slice(inner, text)
    if listed or "," in inner:
        return [_number(part, text) for part in inner.removesuffix(",").split(",")]
    return _number(inner, text)


def targets_text(targets: Targets) -> str:
    """Write targets so that `parse_targets` reads them."""
    if isinstance(targets, slice):
        ends = [targets.start, targets.stop, *([] if targets.step is None else [targets.step])]
        return ":".join("" if end is None else str(end) for end in ends)
    if isinstance(targets, str) or not isinstance(targets, Sequence):
        return str(targets)
    return f"[{','.join(map(str, targets))}]"


def _slice(inner: str, text: str) -> slice:
    ends = [_number(part, text) if part.strip() else None for part in inner.split(":")]
    if len(ends) > 3:
        raise _unreadable(text)
    if ends[2:] == [0]:
        msg = f"the step of {text!r} is 0, which leads nowhere"
        raise ValueError(msg)
    return slice(*ends)


def _number(part: str, text: str) -> int:
    plain = part.strip()
    if not _NUMBER.fullmatch(plain):
        raise _unreadable(text)
    return int(plain)


def _unreadable(text: str) -> ValueError:
    return ValueError(f"{text!r} names no engines; {_FORMS}")
