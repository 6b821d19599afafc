"""The JupyterLab panel: how soon it shows, what it costs, and what it weighs.

``python -m tests.bench.panel`` measures with Chromium and a JupyterLab of its own; the limits that
are printed beside the figures are what the panel is meant to keep, for a machine that does nothing
else. Five minutes of load are the longest part; ``--minutes`` makes them fewer.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from playwright.sync_api import Page, expect, sync_playwright

import ipcluster_ext as ipp
from tests.browser.lab import Lab, started
from tests.browser.pages import open_lab
from tests.browser.panels import START, Panel
from tests.support.kernels import own_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "ipcluster_ext/labextension/static"
ENGINES = 4
MANY = 200
A_MINUTE = 100_000
SELECTOR = "#ipcluster-ext-panel tbody tr:not([aria-hidden]) .jp-mod-{state}"
_SEEN = """async ([selector, count]) => {
  const all = () => document.querySelectorAll(selector).length === count;
  await new Promise(resolve => {
    const check = () => { if (all()) { observer.disconnect(); resolve(); } };
    const observer = new MutationObserver(check);
    observer.observe(document.querySelector("#ipcluster-ext-panel"),
      { subtree: true, childList: true, attributes: true });
    check();
  });
  return performance.timeOrigin + performance.now();
}"""
_TASKS = """() => {
  window.longTasks = [];
  new PerformanceObserver(list => {
    window.longTasks.push(...list.getEntries().map(each => each.duration));
  }).observe({ type: "longtask", buffered: false });
}"""


def main() -> None:
    """Measure everything, and print it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.panel", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long the load goes on")
    parser.add_argument("--repeat", type=int, default=5, help="measurements per figure")
    parser.add_argument(
        "--only", choices=["weight", "start", "state", "load", "opening"], action="append"
    )
    options = parser.parse_args()
    wanted = options.only or ["weight", "start", "state", "load", "opening"]
    say("load average", " ".join(f"{load:.1f}" for load in os.getloadavg()), "")
    if "weight" in wanted:
        weigh()
    if "start" in wanted:
        script = [by_script() for _ in range(options.repeat)]
    with browsing() as (page, lab):
        panel = Panel(page, Path(tempfile.gettempdir())).open()
        if "start" in wanted:
            clicks = [by_click(panel) for _ in range(options.repeat)]
            more = statistics.median(clicks) - statistics.median(script)
            say("click on Start until 4 engines are green", seconds(clicks), "")
            say("Cluster(n=4) in a script", seconds(script), "")
            say("the panel's share", f"{more:.3f} s", "0.3 s")
        if "state" in wanted:
            say("a call is sent until the panel says busy", *state_changes(panel, lab, 20))
        if "load" in wanted:
            under_load(panel, lab, options.minutes)
        if "opening" in wanted:
            opening(page, lab, options.repeat)
    say("load average", " ".join(f"{load:.1f}" for load in os.getloadavg()), "")


def say(what: str, figure: str, limit: str) -> None:
    """Print a line of the table."""
    sys.stdout.write(f"{what:48} {figure:28} {f'limit {limit}' if limit else ''}\n")
    sys.stdout.flush()


def seconds(figures: list[float]) -> str:
    """Write the median of some measurements, and their range."""
    middle = statistics.median(figures)
    return f"{middle:.3f} s ({min(figures):.3f} to {max(figures):.3f})"


@contextmanager
def browsing() -> Iterator[tuple[Page, Lab]]:
    """Open a JupyterLab in a browser."""
    with (
        started() as lab,
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=["--enable-precise-memory-info"],
        ) as browser,
        browser.new_context(viewport={"width": 1280, "height": 900}) as context,
    ):
        page = context.new_page()
        open_lab(page, lab)
        yield page, lab


# ---------------------------------------------------------------- what it weighs


def weigh() -> None:
    """Tell how large the extension is, as browsers fetch it."""
    sizes = [len(gzip.compress(path.read_bytes(), 9)) for path in BUILT.glob("*.js")]
    say("the extension, gzip", f"{sum(sizes) / 1000:.1f} kB", "150 kB")


# ---------------------------------------------------------------- starting


def by_script() -> float:
    """Start a cluster as a script does; return how long its engines took."""
    with own_folder() as (_, environment):
        code = (
            "import time, ipcluster_ext as ipp\n"
            f"begun = time.monotonic(); cluster = ipp.Cluster(n={ENGINES})\n"
            "rc = cluster.start_and_connect_sync(); print(time.monotonic() - begun)\n"
            "rc.close(); cluster.stop_cluster_sync()"
        )
        said = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    return float(said.stdout)


def by_click(panel: Panel) -> float:
    """Start a cluster by the form; return how long it took until its engines were green."""
    panel.press("New")
    form = panel.root.get_by_role("form", name="New cluster")
    form.get_by_label("Engines").fill(str(ENGINES))
    panel.page.evaluate(
        """() => document.querySelector('.jp-Ipcluster-new button[type=submit]')
          .addEventListener('click', () => { window.clicked = performance.timeOrigin
            + performance.now(); })"""
    )
    panel.press("Start", within=form)
    green = seen(panel, "idle", ENGINES)
    took = (green - float(panel.page.evaluate("() => window.clicked"))) / 1000
    panel.stop()
    return took


def seen(panel: Panel, state: str, count: int) -> float:
    """Wait until the panel shows so many engines in a state; return when, in ms since 1970."""
    return float(panel.page.evaluate(_SEEN, [SELECTOR.format(state=state), count]))


# ---------------------------------------------------------------- a change of state


def state_changes(panel: Panel, lab: Lab, times: int) -> tuple[str, str]:
    """Have an engine begin a cell, and see when that is shown; return figure and limit."""
    cluster = panel.start(1)
    took: list[float] = []
    with ipp.connect(next(lab.runtime.glob(f"{cluster}/client.json"))) as rc:
        for _ in range(times):
            seen(panel, "idle", 1)
            time.sleep(0.05 + 0.01 * len(took))  # at any point between two updates
            sent = time.time()
            answer = rc[0].apply_async(time.sleep, 0.7)
            took.append(seen(panel, "busy", 1) / 1000 - sent)
            answer.get(timeout=30)
    panel.stop()
    return seconds(took), "0.150 s"


# ---------------------------------------------------------------- under load


def under_load(panel: Panel, lab: Lab, minutes: float) -> None:
    """Show two hundred engines that do a hundred thousand tasks a minute."""
    cluster = panel.start(1)
    folder = lab.runtime / cluster
    fakes = subprocess.Popen([sys.executable, "-m", "tests.bench.fakes", folder, str(MANY)])
    page, received = panel.page, [0]
    server = server_of()
    page.reload()
    count_bytes(page, received)
    open_again(page)
    try:
        with ipp.connect(folder / "client.json") as rc:
            expect(panel.root.locator(".jp-Ipcluster-square")).to_have_count(
                MANY + 1, timeout=START
            )
            page.evaluate(_TASKS)
            samples = loaded(page, rc, server, received, minutes)
            tell(samples, page.evaluate("() => window.longTasks"), minutes)
            worst = longest_by_processor(page, rc)
            say("the longest by the processor's time", f"{worst:.0f} ms", "50 ms")
    finally:
        fakes.kill()
        fakes.wait()
    panel.stop()


def open_again(page: Page) -> None:
    """Wait until JupyterLab can be used after a reload."""
    page.wait_for_function("() => window.jupyterapp !== undefined")
    page.evaluate(
        "async () => { await window.jupyterapp.started; await window.jupyterapp.restored; }"
    )


def count_bytes(page: Page, received: list[int]) -> None:
    """Count what the WebSocket of the panel brings from now on."""

    def on_frame(payload: str | bytes) -> None:
        received[0] += len(payload)

    def on_socket(socket: Any) -> None:
        if re.search("ipcluster-ext/feed", socket.url):
            socket.on("framereceived", on_frame)

    page.on("websocket", on_socket)


class Sample:
    """What was the case at one moment."""

    def __init__(self, page: Page, server: psutil.Process, received: int) -> None:
        session = page.context.new_cdp_session(page)
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"]
        session.detach()
        times = server.cpu_times()
        self.at = time.monotonic()
        self.heap = float(heap)
        self.cpu = times.user + times.system
        self.received = received


def loaded(
    page: Page, rc: ipp.Client, server: psutil.Process, received: list[int], minutes: float
) -> list[Sample]:
    """Keep the engines at work, and look four times a minute."""
    view = rc.load_balanced_view()
    samples: list[Sample] = []
    begun = time.monotonic()
    done = 0
    while (passed := time.monotonic() - begun) < 60 * minutes:
        due = int(passed * A_MINUTE / 60) - done
        if due > 0:
            view.map_async(abs, range(due), chunksize=1)
            done += due
        if passed >= 15 * (len(samples) + 1):
            samples.append(Sample(page, server, received[0]))
        page.wait_for_timeout(500)  # which receives what the page tells
    return samples


def longest_by_processor(page: Page, rc: ipp.Client) -> float:
    """Return how much of the processor the longest task of the main thread had, in ms.

    On a machine that is at work otherwise a task lasts longer than that, as it has to wait.
    """
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=["toplevel"])
    for _ in range(20):
        rc.load_balanced_view().map_async(abs, range(A_MINUTE // 120), chunksize=1)
        page.wait_for_timeout(500)
    events: list[dict[str, Any]] = json.loads(browser.stop_tracing())["traceEvents"]
    main = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    took = (each.get("tdur", 0) for each in events if (each["pid"], each["tid"]) in main)
    return float(max(took)) / 1000


def tell(samples: list[Sample], long_tasks: list[float], minutes: float) -> None:
    """Print what the load has cost."""
    first, last = samples[0], samples[-1]
    lasted = last.at - first.at
    growth = last.heap / first.heap - 1
    say(f"memory of the page after {minutes:g} min", f"{100 * growth:+.1f} %", "10 %")
    say("its heap", f"{first.heap / 1e6:.1f} to {last.heap / 1e6:.1f} MB", "")
    worst = max(long_tasks, default=0.0)
    say("tasks over 50 ms on the main thread", f"{len(long_tasks)}, longest {worst:.0f} ms", "0")
    busy = (last.cpu - first.cpu) / lasted
    say("the server's share of a core", f"{100 * busy:.1f} %", "5 %")
    rate = (last.received - first.received) / lasted
    say("bytes of the WebSocket", f"{rate / 1000:.1f} kB/s", "50 kB/s")


def server_of() -> psutil.Process:
    """Return the JupyterLab that this process has started."""
    children = psutil.Process().children()
    return next(child for child in children if "jupyterlab" in " ".join(child.cmdline()))


# ---------------------------------------------------------------- opening JupyterLab


def opening(page: Page, lab: Lab, times: int) -> None:
    """Tell how much longer JupyterLab takes to open with the extension, in turns."""
    settings = lab.work.parent / "config/labconfig/page_config.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    took: dict[bool, list[float]] = {False: [], True: []}
    used: dict[bool, list[float]] = {False: [], True: []}
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    for _ in range(max(times, 7)):
        for without in took:
            text = '{"disabledExtensions": {"ipcluster-ext": true}}' if without else "{}"
            settings.write_text(text)
            open_lab(page, lab)
            took[without].append(float(page.evaluate("() => performance.now()")) / 1000)
            metrics = session.send("Performance.getMetrics")["metrics"]
            used[without].append(
                next(each["value"] for each in metrics if each["name"] == "TaskDuration")
            )
    for what, figures in (("opens", took), ("uses of the processor to open", used)):
        say(f"JupyterLab {what}, with the extension", seconds(figures[False]), "")
        say("and without", seconds(figures[True]), "")
        more = statistics.median(figures[False]) - statistics.median(figures[True])
        say("what it adds", f"{more:+.3f} s", "0.050 s")


if __name__ == "__main__":
    main()
