"""What a thousand clusters leave behind (``make soak ARGS=leaks``, a quarter of an hour)."""

from collections.abc import Sequence

from tests.chaos.__main__ import main as chaos


def main(arguments: Sequence[str]) -> int:
    """Start, use and stop clusters; return the exit code."""
    return chaos(["leaks", *arguments])
