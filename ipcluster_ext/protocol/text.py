"""Text fit for the wire, and for people."""

import re

_K = 1024
_MARK, _HEX = 12, frozenset("0123456789abcdef")

LINE_LENGTH = 120
"""A line is cut to so many characters where many stand in a table."""
_ENDS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_STEERING = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?|[\x00-\x08\x0e-\x1f\x7f-\x9f]"
)


def legible(text: str) -> str:
    """Write out what UTF-8 has no form for: halves of surrogate pairs, as in odd file names."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text


def nbytes_text(nbytes: float) -> str:
    """Write a size as people read it: ``1.5 GiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if nbytes < _K:
            return f"{nbytes:.0f} bytes" if unit == "bytes" else f"{nbytes:.1f} {unit}"
        nbytes /= _K
    return f"{nbytes:.1f} TiB"


def host_name(identity: str) -> str:
    """Return what people call a host whose identity is given: that ends with a mark of its own."""
    name, _, mark = identity.rpartition("-")
    return name if name and len(mark) == _MARK and set(mark) <= _HEX else identity


def last_line(text: str) -> str:
    """Return the last line of a text that has anything in it, as it stands on a screen.

    Colours are left out; of a line that was written over again and again, as bars are, it is what
    was written last. It has `LINE_LENGTH` characters at most.
    """
    for line in reversed(_ENDS.split(text)):
        plain = _STEERING.sub("", line).replace("\t", " ").strip()
        if plain:
            return plain if len(plain) <= LINE_LENGTH else f"{plain[: LINE_LENGTH - 1]}…"
    return ""
