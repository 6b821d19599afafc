"""A map whose values arrive as they come, with an item that fails.

Run it as ``python examples/scripts/map_with_a_failing_item.py``.
"""

import time

import ipcluster_ext as ipp


def inverse(number: int) -> float:
    time.sleep(0.02 * number)  # the later ones take longer
    return 1 / (number - 3)


def main() -> None:
    with ipp.Cluster(n=2) as rc:
        view = rc.load_balanced_view()

        print("as they come, errors among the values:")
        result = view.map_async(inverse, [9, 6, 3, 0], ordered=False, return_exceptions=True)
        for value in result:
            print(f"  {value!r}")

        print("in order; the first error is raised when its turn comes:")
        try:
            for value in view.map_async(inverse, range(10)):
                print(f"  {value:.2f}")
        except ZeroDivisionError as error:  # the type that the item raised
            print(f"  {error}")

        print("once more, with a progress bar where there is a terminal:")
        result = view.map_async(inverse, range(10), return_exceptions=True, label="inverse")
        result.wait_interactive()
        print(f"  {result.progress} of {len(result)} done in {result.wall_time:.1f} s")


if __name__ == "__main__":
    main()
