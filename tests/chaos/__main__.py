"""``python -m tests.chaos``: faults at full size, and what was measured under them."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import get_args

from tests.chaos.churn import churn
from tests.chaos.crowded import crowded
from tests.chaos.cycles import cycles
from tests.chaos.hubkill import hubkill
from tests.chaos.mixed import mixed
from tests.chaos.moments import while_starting, while_stopping
from tests.chaos.orphans import Burden, agent_killed, owner_killed
from tests.chaos.outlived import outlived
from tests.chaos.partition import cut, hub_killed, slow
from tests.chaos.recorded import recorded
from tests.chaos.report import Report
from tests.chaos.stopped import Who, stopped
from tests.chaos.storm import storm
from tests.chaos.stuck import How, stuck


def _stopped(who: Who, seed: int) -> Report:
    return stopped(who, 1_000, 0.01, pause=5.0, seed=seed)


def _owner_killed(burden: Burden, _seed: int) -> Report:
    return owner_killed(burden)


def _stuck(how: How, seed: int) -> Report:
    return stuck(how, 2_000, 0.005, points=5, seed=seed)


SCENARIOS: dict[str, list[Callable[[int], Report]]] = {
    "churn": [
        lambda seed: churn(10_000, 0.005, hub_every=5.0, least=0.6, seed=seed),
        lambda seed: churn(10_000, 0.005, hub_every=5.0, fragile=0.2, least=0.6, seed=seed),
        lambda seed: churn(2_000, 0.02, seed=seed),
        lambda seed: churn(10_000, 0.02, seed=seed),
    ],
    "hubkill": [
        lambda seed: hubkill(10_000, 0.001, points=50, seed=seed),
        lambda seed: hubkill(10_000, 0.001, points=16, middle=0.03, seed=seed),
        lambda seed: hubkill(10_000, 0.001, points=16, middle=0.97, history=1_000, seed=seed),
    ],
    "crowded": [
        lambda seed: crowded(16, busy=0, seed=seed),
        lambda seed: crowded(16, busy=8, seed=seed),
    ],
    "recorded": [lambda seed: recorded(50, seed=seed)],
    "mixed": [
        lambda seed: mixed(150, hub_every=7.0, seed=seed),
        lambda seed: mixed(150, hub_every=7.0, engine_every=1.0, seed=seed),
        lambda seed: mixed(150, hub_every=7.0, careless=True, seed=seed),
    ],
    "stopped": [partial(_stopped, who) for who in get_args(Who)],
    "stuck": [partial(_stuck, how) for how in get_args(How)],
    "orphans": [
        lambda _: agent_killed(),
        *(partial(_owner_killed, burden) for burden in get_args(Burden)),
    ],
    "outlived": [lambda _: outlived(2_000, 0.005)],
    "moments": [
        lambda seed: while_starting(50, seed=seed),
        lambda seed: while_stopping(50, seed=seed),
    ],
    "cycles": [lambda _: cycles(20)],
    "storm": [lambda _: storm(1_000), lambda _: storm(9_000)],
    "partition": [lambda _: cut(60.0), lambda _: hub_killed(), lambda seed: slow(2_000, seed=seed)],
    "leaks": [lambda _: cycles(1_000)],
}
ONLY_IF_NAMED = {"leaks"}
"""These take a quarter of an hour."""


def main(arguments: list[str] | None = None) -> int:
    """Run scenarios, and print a row of a table for each.

    Returns
    -------
    The exit code: 1 if anything was not as it should be.
    """
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("only", nargs="*", help=f"of {', '.join(SCENARIOS)}; all if none is named")
    parser.add_argument("--seed", type=int, default=0, help="decides whom faults hit, and when")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.only) - set(SCENARIOS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    reports: list[Report] = []
    for name in chosen.only or (name for name in SCENARIOS if name not in ONLY_IF_NAMED):
        for scenario in SCENARIOS[name]:
            began = time.monotonic()
            report = scenario(chosen.seed)
            reports.append(report)
            report.figures["took"] = f"{time.monotonic() - began:.0f} s"
            if not chosen.json:
                sys.stdout.write(report.row() + "\n")
                sys.stdout.flush()
    if chosen.json:
        sys.stdout.write(json.dumps([asdict(report) for report in reports], indent=1) + "\n")
    return 1 if any(report.broken() for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
