"""Answers are futures: the standard library waits for them, and so does asyncio.

Run it as ``python examples/scripts/futures_and_await.py``.
"""

import asyncio
import time
from concurrent.futures import as_completed

import ipcluster_ext as ipp


def nap(seconds: float) -> str:
    time.sleep(seconds)
    return f"slept {seconds} s"


def with_threads() -> None:
    """Wait as one waits for `concurrent.futures`."""
    with ipp.Cluster(n=3) as rc:
        view = rc.load_balanced_view()
        futures = [view.submit(nap, seconds) for seconds in (0.6, 0.1, 0.3)]
        for future in as_completed(futures):
            print(f"as_completed: {future.result()}")


async def with_asyncio() -> None:
    """Await; the event loop goes on meanwhile, and the cluster starts and stops beside it."""
    async with ipp.Cluster(n=3) as rc:
        view = rc.load_balanced_view()
        print(f"await: {await view.submit(nap, 0.1)}")
        naps = [view.submit(nap, seconds) for seconds in (0.3, 0.2)]
        print(f"gather: {await asyncio.gather(*naps)}")
        print(f"every engine: {await rc[:].apply_async(pow, 2, 10)}")


if __name__ == "__main__":
    with_threads()
    asyncio.run(with_asyncio())
