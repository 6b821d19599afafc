"""The hub is killed the moment its clients have their results: all of it is in the history."""

import os
import signal
import time
from collections.abc import Mapping
from itertools import islice

import ipcluster_ext as ipp
from ipcluster_ext.client.records import TaskRecord
from tests.chaos.report import Report
from tests.chaos.stage import Stage, stage
from tests.support.waiting import wait_until

ENGINES = 2
PATIENCE = 20.0


def recorded(points: int, *, seed: int = 0) -> Report:
    """Kill the hub right after short tasks have been delivered, again and again.

    Parameters
    ----------
    points
        How often; the moments are spread over 60 ms.
    seed
        Decides the moments.
    """
    report = Report(
        f"the hub killed {points} times within 60 ms of a result",
        "the next hub's history has every task, where and when it ran, and its result",
        "TestAHubKilledRightAfterAResult",
    )
    tasks = 0
    done = 0
    while done < points:
        with stage(ENGINES, seed=seed + done) as made:  # a cluster ends whose hub dies too often
            known: dict[str, object] = {}
            for _ in range(min(8, points - done)):
                known |= _once(report, made)
                done += 1
            tasks += len(known)
            compare(report, made.client, known)
    report.figures |= {"kills": points, "tasks": tasks}
    return report


def _once(report: Report, made: Stage) -> dict[str, object]:
    """Have tasks done, kill the hub, and return what is known of them, by their ids."""
    view, everywhere = made.client.load_balanced_view(), made.client[:]
    until = time.monotonic() + made.chance.uniform(0.0, 0.06)
    answers = [everywhere.apply_async(pow, 3, 2), view.map_async(abs, range(-20, 0), chunksize=1)]
    while time.monotonic() < until or not all(answer.done() for answer in answers):
        answers.append(view.apply_async(pow, 2, len(answers)))
        answers[-1].wait(PATIENCE)
    before = made.client.hub_pid
    os.kill(before, signal.SIGKILL)  # to look for it first takes too long
    wait_until(lambda: made.client.hub_pid != before, PATIENCE)
    known: dict[str, object] = {}
    for answer in answers:
        report.never("failed", answer.exception(PATIENCE))
        engines = answer.engine_id if isinstance(answer.engine_id, list) else [answer.engine_id]
        known |= dict(zip(answer.msg_ids, engines, strict=True))
    return known


def compare(report: Report, client: ipp.Client, known: Mapping[str, object]) -> None:
    """Note what the history lacks, and what of it is not as it was.

    Parameters
    ----------
    report
        Where to note it.
    client
        Asks.
    known
        On which engine each task ran that is to be there, by its id.
    """
    records = {record.msg_id: record for record in client.history(limit=0)}
    report.never("not in the history", sorted(known.keys() - records.keys()))
    for task, engine in known.items():
        record = records.get(task)
        if record is None:
            continue
        report.never("with no end", record.status != "done" and task)
        report.never("somewhere else", record.engine_id != engine and task)
        report.never("at no time", not _is_timed(record) and task)
        report.never("without its result", not record.kept and task)
    with ipp.Client(client.connection_file) as other:
        some = list(islice(known.keys() & records.keys(), 0, None, 7))
        report.never("results that cannot be fetched", _unfetched(other, some))


def _is_timed(record: TaskRecord) -> bool:
    came, began, ended = record.submitted, record.started, record.completed
    if came is None or began is None or ended is None:
        return False
    return came <= began <= ended


def _unfetched(client: ipp.Client, tasks: list[str]) -> list[str]:
    answer = client.get_result(tasks, block=False)
    if not answer.wait(PATIENCE):
        return ["timeout"]
    error = answer.exception(0)
    return [] if error is None else [repr(error)]
