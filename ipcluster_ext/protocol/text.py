"""Text fit for the wire, and for people."""

_K = 1024


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
