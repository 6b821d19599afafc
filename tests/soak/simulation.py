"""A million histories: ``make soak ARGS="simulation --count 1000000"``, or ``--seconds``."""

from collections.abc import Sequence

from tests.simulation.__main__ import main as simulate

MILLION = ("--count", "1000000")


def main(arguments: Sequence[str]) -> int:
    """Run histories; return the exit code."""
    return simulate([*MILLION, *arguments])
