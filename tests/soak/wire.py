"""A million pieces of nonsense for the readers of the wire: ``make soak ARGS="wire 5000000 7"``."""

import sys
import time
from collections.abc import Sequence

from tests.fuzz.decoder import run_random

PIECES = 1_000_000


def main(arguments: Sequence[str]) -> int:
    """Feed so many pieces, from a seed; return the exit code: what is not refused raises."""
    count, seed = (*map(int, arguments), *(PIECES, 0)[len(arguments) :])
    began = time.monotonic()
    run_random(count, seed)
    took = time.monotonic() - began
    sys.stdout.write(f"{count:,} pieces from seed {seed} in {took:.0f} s: each taken or refused\n")
    return 0
