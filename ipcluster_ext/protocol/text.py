"""Text fit for the wire."""


def legible(text: str) -> str:
    """Write out what UTF-8 has no form for: halves of surrogate pairs, as in odd file names."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text
