"""A map that loses an engine and the hub on its way, and nothing else.

Run it as ``python examples/scripts/nothing_is_lost.py``. It estimates π from many samples of random
points, and meanwhile kills, without warning, one of the engines and the process that everything
goes through. The sum is that of an undisturbed run, and every sample was drawn once, but for the
one in which the engine died.
"""

import argparse
import os
import random
import signal
import time

import ipcluster_ext as ipp


def hits(seed: int, points: int) -> tuple[int, int]:
    """Count random points within a quarter of a circle; return also which process did."""
    chance = random.Random(seed)
    inside = sum(chance.random() ** 2 + chance.random() ** 2 < 1.0 for _ in range(points))
    return inside, os.getpid()


def wait_for_items(answer: ipp.AsyncMapResult, count: int) -> None:
    """Wait until so many items of a map are there."""
    while answer.progress < count:
        answer.wait(0.05)


def main() -> None:
    """Estimate, disturb, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=4, help="how many engines")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--points", type=int, default=50_000, help="in each sample")
    arguments = parser.parse_args()
    seeds, points = range(arguments.samples), [arguments.points] * arguments.samples

    with ipp.Cluster(n=arguments.n) as rc:
        view = rc.load_balanced_view().options(retries=2)
        rc[:].apply_sync(os.getpid)
        answer = view.map_async(hits, seeds, points, chunksize=1)

        wait_for_items(answer, arguments.samples // 4)
        victim = rc[0].apply_sync(os.getpid)
        os.kill(victim, signal.SIGKILL)
        print(f"engine 0 was killed after {answer.progress} of {arguments.samples} samples")

        wait_for_items(answer, arguments.samples // 2)
        before, at = answer.progress, time.monotonic()
        os.kill(rc.hub_pid, signal.SIGKILL)
        wait_for_items(answer, before + 1)
        print(
            f"the hub was killed after {before}; the next came {time.monotonic() - at:.1f} s later"
        )

        counts = answer.get()

    inside = sum(count for count, _ in counts)
    print(f"{len(counts)} samples by {len({pid for _, pid in counts})} processes")
    print(f"pi is about {4 * inside / sum(points):.5f}")
    expected = hits(seeds[-1], arguments.points)[0]
    print("the last sample is", "as it should be" if counts[-1][0] == expected else "WRONG")


if __name__ == "__main__":
    main()
