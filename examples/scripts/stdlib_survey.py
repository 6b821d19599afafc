"""Measure every module of Python's standard library, in parallel.

A tour of `ipcluster_ext` on input that every machine has: a map with live progress, a cell that
runs on all engines, an array that is cut into parts and put together again, an error that comes
back from an engine, and an end that leaves nothing behind.

Run it as ``python examples/scripts/stdlib_survey.py [-n ENGINES] [--plot FILE] [--quick]``.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from survey_modules import Figures, library_files, measure, measure_source
from survey_report import (
    Timing,
    functions_table,
    modules_table,
    packages_table,
    save_plot,
    timings_table,
)
from tqdm import tqdm

import ipcluster_ext as ipp

CELL = """
import numpy as np

def correlation(seed):
    some = np.random.default_rng(seed).integers(len(table), size=len(table))
    return np.corrcoef(table[some].T)[0, 1]

correlations = np.array([correlation(seed) for seed in seeds])
print(f"{len(seeds)} samples of {len(table)} modules")
"""


def main() -> int:
    options = arguments()
    files = library_files()[:: 40 if options.quick else 1]
    headline(f"Starting a cluster, n={options.n}")
    began = time.perf_counter()
    with ipp.Cluster(n=options.n) as rc:
        start = time.perf_counter() - began
        traces = Traces.of(rc)
        print(f"ready after {start:.2f} s: engines {rc.ids}, processes {traces.pids}")
        figures, work = survey(rc, files)
        on_every_engine(rc, figures)
        show_failure(rc)
    cluster = Timing("cluster", start, work)
    timings = [one_core(files), process_pool(files, options.n), cluster]
    report(figures, timings, options.plot)
    return traces.check()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure Python's standard library in parallel.")
    parser.add_argument("-n", type=int, default=4, help="how many engines (%(default)s)")
    parser.add_argument(
        "--plot", type=Path, default=Path(".out/stdlib_survey.png"), help="picture (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="measure every 40th module only")
    return parser.parse_args()


# ------------------------------------------------------------ what the engines do


def survey(rc: ipp.Client, files: list[Path]) -> tuple[list[Figures], float]:
    """Measure all files, each on whichever engine is free.

    Returns
    -------
    What was measured, and how many seconds that took.
    """
    headline(f"Measuring {len(files):,} modules, load-balanced")
    view = rc.load_balanced_view()
    began = time.perf_counter()
    result = view.map_async(measure, files, ordered=False, return_exceptions=True)
    answers = list(with_progress(result, "cluster", total=len(files)))
    seconds = time.perf_counter() - began
    figures = [answer for answer in answers if isinstance(answer, Figures)]
    refused = [answer for answer in answers if isinstance(answer, SyntaxError)]
    print(f"{len(figures):,} modules in {seconds:.2f} s; {len(refused)} files are not Python:")
    for error in refused:  # the library's test suite contains some on purpose
        print(f"  {error}")
    return figures, seconds


def on_every_engine(rc: ipp.Client, figures: list[Figures]) -> None:
    """Ask how sure a correlation is: each engine resamples the table, with seeds of its own."""
    headline("Longer modules are more complex. How sure is that? A cell on all engines tells")
    table = np.log1p([[f.lines, f.complexity] for f in figures])
    view = rc[:]
    view.block = True
    view["table"] = table  # the same for all
    view.scatter("seeds", np.arange(1000))  # a part for each
    cell = view.execute(CELL, block=False)
    cell.get()
    for engine, text in zip(rc.ids, cell.stdout, strict=True):
        print(f"[engine {engine}] {text.strip()}")
    correlations = view.gather("correlations")  # put together again
    low, high = np.percentile(correlations, [2.5, 97.5])
    print(f"correlation of their logarithms: between {low:.3f} and {high:.3f} (95 %)")


def show_failure(rc: ipp.Client) -> None:
    """Have a task fail: its error is one of the task's own type, and knows where it was raised."""
    headline("An error comes back as what it is")
    task = rc.load_balanced_view().submit(measure_source, b"print 'Python 2'\n", "old.py")
    try:
        task.get()
    except SyntaxError as error:
        assert isinstance(error, ipp.RemoteError)  # noqa: PT017 - it is both, and no test
        print(f"caught as SyntaxError: {error}")
        print("its traceback on the engine:")
        for line in error.traceback.splitlines():
            print(f"  {line}")


# ------------------------------------------------------------ the same without a cluster


def one_core(files: list[Path]) -> Timing:
    """Do the same work in this process."""
    headline("The same without a cluster, for comparison")
    began = time.perf_counter()
    list(with_progress(map(measure_or_error, files), "one core", total=len(files)))
    work = time.perf_counter() - began
    print(f"one core: {work:.2f} s")
    return Timing("one core", 0.0, work)


def process_pool(files: list[Path], n: int) -> Timing:
    """Do the same work in the standard library's pool of processes."""
    began = time.perf_counter()
    with ProcessPoolExecutor(n, mp_context=get_context("forkserver")) as pool:
        list(pool.map(time.sleep, [0.1] * n))  # long enough that each process takes one
        start = time.perf_counter() - began - 0.1
        began = time.perf_counter()
        answers = pool.map(measure_or_error, files, chunksize=4)
        list(with_progress(answers, "process pool", total=len(files)))
        work = time.perf_counter() - began
    print(f"process pool: {work:.2f} s")
    return Timing("process pool", start, work)


def measure_or_error(path: Path) -> Figures | SyntaxError:
    """Measure, returning an error; in a pool's map, an error that is raised ends the map."""
    try:
        return measure(path)
    except SyntaxError as error:
        return error


# ------------------------------------------------------------ what is shown


def headline(text: str) -> None:
    print(f"\n{text}\n{'─' * len(text)}", flush=True)


def with_progress(answers: Iterable[Any], label: str, *, total: int) -> Iterable[Any]:
    """Show how far it is, where there is a terminal."""
    return tqdm(answers, desc=label, total=total, disable=None, leave=False)


def report(figures: list[Figures], timings: list[Timing], plot: Path) -> None:
    headline("The largest modules")
    print(modules_table(figures, by="lines"))
    headline("The most complex modules")
    print(modules_table(figures, by="complexity"))
    headline("The most complex functions, one of each module")
    print(functions_table(figures))
    headline("The largest packages")
    print(packages_table(figures))
    headline(f"How long it took on {os.cpu_count()} cores, one run of each")
    print(timings_table(timings))
    print(f"\nA picture: {save_plot(figures, plot).resolve()}")


# ------------------------------------------------------------ the end


class Traces(NamedTuple):
    """The processes and folders of a cluster."""

    processes: list[psutil.Process]
    folders: list[Path]

    @classmethod
    def of(cls, rc: ipp.Client) -> "Traces":
        """Note them, while the cluster runs."""
        agent = rc.cluster.agent_pid
        pids = {agent, rc.hub_pid, *rc[:].apply_sync(os.getpid)}
        pids.update(child.pid for child in psutil.Process(agent).children(recursive=True))
        blobs = Path("/dev/shm").glob(f"ipcluster-ext-*-{rc.cluster_id}*")  # noqa: S108 - the kernel's
        return cls([psutil.Process(pid) for pid in sorted(pids)], [rc.cluster.folder, *blobs])

    @property
    def pids(self) -> list[int]:
        """The processes' numbers."""
        return [process.pid for process in self.processes]

    def check(self) -> int:
        """Say whether anything is left; return the exit status that this means."""
        left = [f"process {process.pid}" for process in self.processes if process.is_running()]
        left += [f"folder {folder}" for folder in self.folders if folder.exists()]
        if left:
            print(f"\nLeft behind: {', '.join(left)}", file=sys.stderr)
            return 1
        print(
            f"\nNothing is left: {len(self.processes)} processes have ended, "
            f"{len(self.folders)} folders are gone."
        )
        return 0


if __name__ == "__main__":
    sys.exit(main())
