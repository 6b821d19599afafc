"""Waiting for engines that come from other hosts: for those that come, not for those that cannot.

What has failed stands in the foreman's file, which is looked at while engines are waited for.
"""

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ipcluster_ext.errors import StartupWarning
from ipcluster_ext.protocol.foreman import LAUNCHED, Launch, Launches
from ipcluster_ext.transport.files import read_private

if TYPE_CHECKING:
    from ipcluster_ext import Client

_LOOK_EVERY = 0.1


class AllFailed(Exception):
    """No engine comes any more; says why."""


class Outlook(NamedTuple):
    """How many engines there will be, and what went wrong with the others."""

    engines: int
    troubles: list[str]


def outlook(total: int, launches: Sequence[Launch]) -> Outlook:
    """Return what is to be expected of a cluster that starts.

    Parameters
    ----------
    total
        How many engines were asked for.
    launches
        How the foreman's launches fare.
    """
    failed = [launch for launch in launches if launch.stage in {"failed", "again", "ended"}]
    count = max(0, total - sum(launch.count for launch in failed))
    return Outlook(count, [f"{launch.name}: {launch.state}" for launch in failed])


def without_queued(expected: Outlook, launches: Sequence[Launch]) -> Outlook:
    """Return what is to be expected if those that wait in a queue are not waited for.

    Parameters
    ----------
    expected
        What is to be expected with them.
    launches
        How the foreman's launches fare.
    """
    queued = [launch for launch in launches if launch.queued]
    count = max(0, expected.engines - sum(launch.count for launch in queued))
    states = [f"{launch.name}: {launch.state}" for launch in queued]
    return Outlook(count, expected.troubles + states)


def launches_of(folder: Path) -> list[Launch]:
    """Return what the foreman of a cluster has started, in its folder; nothing if it has not."""
    try:
        return read_private(folder / LAUNCHED, Launches).launches
    except FileNotFoundError:
        return []


def wait_for_all(client: "Client", folder: Path, total: int, *, timeout: float) -> None:
    """Wait for all engines that come, and warn of those that do not.

    Parameters
    ----------
    client
        A client of the cluster.
    folder
        The cluster's folder.
    total
        How many engines were asked for.
    timeout
        In seconds.

    When the time is up, those that wait in a queue for their turn are waited for no longer, if
    there are others.

    Raises
    ------
    AllFailed
        None comes.
    TimeoutError
        None has come in time, or one has not that does not wait in a queue; says how those fare
        that have not failed.
    EngineError
        One of them failed to start.
    """
    deadline = time.monotonic() + timeout
    while True:
        launches = launches_of(folder)
        expected = outlook(total, launches)
        if not expected.engines:
            raise AllFailed("; ".join(expected.troubles))
        in_time = time.monotonic() < deadline
        if not in_time:
            expected = without_queued(expected, launches)
        try:
            client.wait_for_engines(max(1, expected.engines), timeout=_LOOK_EVERY)
        except TimeoutError as error:
            if in_time:
                continue
            states = [f"{each.name}: {each.state}" for each in launches]
            msg = f"not within {timeout:g} s: {'; '.join(states) or error}"
            raise TimeoutError(msg) from None
        break
    if expected.troubles:
        warnings.warn(
            f"only {expected.engines} of {total} engines have come; {'; '.join(expected.troubles)}",
            StartupWarning,
            stacklevel=4,
        )
