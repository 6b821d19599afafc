"""``python -m tests.simulation``: run histories, by their seeds or as many as there is time for."""

import argparse
import secrets
import sys

from tests.simulation.running import SEED_BITS, known_seeds, run_seeds


def main(arguments: list[str] | None = None) -> int:
    """Run histories and tell which failed.

    Returns
    -------
    The exit code: 1 if any failed.
    """
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, help="these seeds; none for fresh ones")
    parser.add_argument("--count", type=int, default=20_000, help="how many fresh ones")
    parser.add_argument("--base", type=int, help="the first of them")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--check-every", type=int, default=0, help="how often to check the tables")
    chosen = parser.parse_args(arguments)
    base = secrets.randbits(SEED_BITS) if chosen.base is None else chosen.base
    seeds = chosen.seeds or [*known_seeds(), *range(base, base + chosen.count)]
    often = chosen.check_every or (1 if chosen.seeds else 8)
    if not chosen.seeds:
        sys.stdout.write(f"base {base}\n")
    tally = run_seeds(seeds, check_every=often, seconds=chosen.seconds)
    for seed, error in tally.failed.items():
        sys.stdout.write(f"{seed}  # {error}\n")
    sys.stdout.write(f"{tally}\n")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
