"""How many planted bugs the simulation finds: ``make soak ARGS="mutants --most 20000"``."""

from collections.abc import Sequence

from tests.simulation.hunting import main as hunt


def main(arguments: Sequence[str]) -> int:
    """Hunt all; return the exit code."""
    return hunt(list(arguments))
