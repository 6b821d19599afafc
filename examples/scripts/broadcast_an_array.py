"""Give every engine the same 100 MB: on one host they share its memory, until they write to it.

Run it as ``python examples/scripts/broadcast_an_array.py``.
"""

import time

import numpy as np

import ipcluster_ext as ipp


def main() -> None:
    array = np.random.default_rng(0).random(12_500_000)
    with ipp.Cluster(n=4) as rc:
        view = rc[:]
        view.block = True

        began = time.perf_counter()
        view["array"] = array
        seconds = time.perf_counter() - began
        megabytes = array.nbytes / 1e6
        print(f"{megabytes:.0f} MB pushed to {len(rc)} engines in {seconds:.2f} s")

        sums = view.pull("float(array.sum())")
        assert sums == [float(array.sum())] * len(rc)
        print(f"each has the sum {sums[0]:.1f}")

        rc[0].execute("array[0] = -1.0", block=True)  # what one changes is its own
        print(f"the first number on each: {[round(x, 3) for x in view.pull('float(array[0])')]}")

        view.execute("part = array[array > 0.999]")
        began = time.perf_counter()
        parts = view.pull("part")
        print(f"{sum(map(len, parts)):,} numbers back in {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
