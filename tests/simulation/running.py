"""Histories by the thousand: which seeds fail, and how many there are a second."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.world import World

KNOWN = Path(__file__).with_name("seeds.txt")
"""Seeds that failed once; they are run for ever."""
SEED_BITS = 48


@dataclass(slots=True)
class Tally:
    """What came of some histories.

    Attributes
    ----------
    failed
        What went wrong, by the seed.
    steps, packets
        How many things happened in all of them, and how many packets arrived.
    """

    seeds: int = 0
    steps: int = 0
    packets: int = 0
    seconds: float = 0.0
    failed: dict[int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        rate, events = self.seeds / self.seconds, self.steps / self.seconds
        return (
            f"{self.seeds} seeds in {self.seconds:.1f} s ({rate:.0f} seeds/s, {events:.0f} events/s"
            f", {self.packets / self.seconds:.0f} packets/s), {len(self.failed)} failed"
        )


def try_seed(seed: int, *, check_every: int, traced: bool = False) -> tuple[World, str]:
    """Run one history; return it with what went wrong, empty if nothing did."""
    world = World(seed, check_every=check_every, traced=traced)
    try:
        world.run()
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, the seed is told
        return world, f"{type(error).__name__}: {error}"
    return world, ""


def run_seeds(
    seeds: Iterable[int], *, check_every: int = 8, most_failures: int = 10, seconds: float = 1e9
) -> Tally:
    """Run histories, until so many have failed or so many seconds are over."""
    tally = Tally()
    began = time.perf_counter()
    logging.disable(logging.WARNING)
    try:
        for seed in seeds:
            world, error = try_seed(seed, check_every=check_every)
            tally.seeds += 1
            tally.steps += world.agenda.steps
            tally.packets += world.packets
            if error:
                tally.failed[seed] = error
            tally.seconds = time.perf_counter() - began
            if len(tally.failed) >= most_failures or tally.seconds >= seconds:
                break
    finally:
        logging.disable(logging.NOTSET)
    return tally


def known_seeds() -> list[int]:
    """Return the seeds that failed once."""
    lines = KNOWN.read_text().splitlines()
    return [int(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]


def digest(seed: int) -> str:
    """Run one history and return a digest of all that happened in it."""
    world, error = try_seed(seed, check_every=1, traced=True)
    assert world.digest is not None
    return world.digest.hexdigest() + error
