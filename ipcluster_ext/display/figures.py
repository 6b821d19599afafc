"""Figures as people read them: counts, rates, spans of time, sizes."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_THOUSAND = 1024
_UNITS = ("KiB", "MiB", "GiB", "TiB")
_SLOW = 0.1
"""Below so many in a second one says how long each takes."""
_TEN, _HUNDRED = 10, 100


def count(number: float) -> str:
    """Write a number, as ``12,345``."""
    return f"{number:,.0f}" if number == int(number) else f"{number:,.1f}"


def rate(per_second: float) -> str:
    """Write how many there are in a second, as ``12.3/s``; or ``25 s each``, where they are few."""
    if per_second >= _HUNDRED:
        return f"{per_second:,.0f}/s"
    if per_second >= _TEN:
        return f"{per_second:.1f}/s"
    if per_second >= _SLOW:
        return f"{per_second:.2g}/s"
    return f"{span(1 / per_second)} each"


def span(seconds: float) -> str:
    """Write a span of time, as ``5 s``, ``1 min 20 s``, ``2 h 05 min`` or ``3 d 4 h``."""
    if seconds < 1:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def took(seconds: float) -> str:
    """Write how long something took: as `span` does, but more exactly if it was short."""
    return f"{seconds:.1f} s" if seconds < _TEN else span(seconds)


def size(nbytes: float) -> str:
    """Write how much memory that is, as ``1.5 GiB``."""
    if nbytes < _THOUSAND:
        return f"{nbytes:.0f} B"
    for unit in _UNITS:
        nbytes /= _THOUSAND
        if nbytes < _THOUSAND or unit == _UNITS[-1]:
            break
    return f"{nbytes:.0f} {unit}" if nbytes >= _HUNDRED else f"{nbytes:.1f} {unit}"


def noun(number: float, one: str, many: str = "") -> str:
    """Write a number and what it counts, as ``1 engine`` or ``2 engines``."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"
