"""``python -m tests.simulation.hunting``: how many planted bugs the simulation finds.

Each mutant is hunted in a process of its own, seed by seed from a fixed one, until a history
fails or so many seeds have been tried.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.simulation.mutants import EQUIVALENT, MUTANTS
from tests.simulation.patching import Mutant, plant

ROOT = Path(__file__).resolve().parents[2]
FIRST = 1
MOST = 20_000
CHECK_EVERY = 4
"""After so many turns the tables are checked: more often costs as many seeds as it finds."""
A_FEW = 1_000
"""So many seeds at most are spent on what no history can show."""
WANTED = 0.9


class Hunt(NamedTuple):
    """What came of hunting one mutant; `seed` is None if it got away."""

    mutant: Mutant
    seed: int | None
    error: str
    seconds: float


def hunt(mutant: Mutant, *, first: int = FIRST, most: int = MOST) -> Hunt:
    """Hunt one mutant, in a process of its own."""
    began = time.perf_counter()
    most = min(most, A_FEW) if mutant.name in EQUIVALENT else most
    command = [
        sys.executable, "-m", "tests.simulation.hunting", "--child", mutant.name,
        "--first", str(first), "--most", str(most),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    seed, _, error = done.stdout.strip().partition(" ")
    took = time.perf_counter() - began
    return Hunt(mutant, None if seed == "none" else int(seed), error, took)


def _child(mutant: Mutant, first: int, most: int) -> None:
    plant(mutant)
    from tests.simulation.faults import is_plain
    from tests.simulation.running import run_seeds

    seeds = sorted(range(first, first + most), key=is_plain)  # the others find more
    tally = run_seeds(seeds, check_every=CHECK_EVERY, most_failures=1)
    seed, error = next(iter(tally.failed.items()), ("none", ""))
    sys.stdout.write(f"{seed} {error[:200]}\n")


def main(arguments: list[str] | None = None) -> int:
    """Hunt all mutants and tell the score.

    Returns
    -------
    The exit code: 1 if too many got away.
    """
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--first", type=int, default=FIRST, help="the first seed to try")
    parser.add_argument("--most", type=int, default=MOST, help="how many seeds to try for each")
    parser.add_argument("--only", default="", help="only those with this in their name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.child:
        _child(by_name(chosen.child), chosen.first, chosen.most)
        return 0
    wanted = [mutant for mutant in MUTANTS if chosen.only in mutant.name]
    with ThreadPoolExecutor(chosen.jobs) as pool:
        hunts = []
        for one in pool.map(partial(hunt, first=chosen.first, most=chosen.most), wanted):
            _tell(one)
            hunts.append(one)
    return _judge(hunts)


def by_name(name: str) -> Mutant:
    """Return a mutant by its name."""
    return next(mutant for mutant in MUTANTS if mutant.name == name)


def _tell(hunt: Hunt) -> None:
    mutant, seed, error, seconds = hunt
    found = f"{seed:>6}" if seed is not None else "  none"
    note = EQUIVALENT.get(mutant.name, error)
    sys.stdout.write(f"{found} {seconds:6.1f} s  {mutant.name}  ({note})\n")
    sys.stdout.flush()


def _judge(hunts: list[Hunt]) -> int:
    judged = [hunt for hunt in hunts if hunt.mutant.name not in EQUIVALENT]
    found = sum(hunt.seed is not None for hunt in judged)
    share = found / max(1, len(judged))
    sys.stdout.write(f"{found} of {len(judged)} found ({share:.0%})\n")
    return 0 if share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
