"""A client is killed while its tasks run in a cluster that nobody owns; another takes over."""

import tempfile
import time
from pathlib import Path

import ipcluster_ext as ipp
from tests.chaos import work
from tests.chaos.report import Report
from tests.chaos.stage import runtime_folder
from tests.support.clusters import python
from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until

PATIENCE = 120.0

_CLIENT = """
import ipcluster_ext as ipp
from tests.chaos import work
client = ipp.Client({file!r})
view = client.load_balanced_view(label="outlived")
answers = [view.submit(work.task, {log!r}, number, {seconds!r}) for number in range({count})]
answers[{half}].get()
print("half", flush=True)
input()
"""


def outlived(count: int, seconds: float) -> Report:
    """Kill a client in the middle of its tasks; have another get all of their results.

    Parameters
    ----------
    count, seconds
        How many tasks, and how long each sleeps.
    """
    report = Report(
        f"a client killed after half of its {count} tasks, in a cluster that nobody owns",
        "another client gets all results, in order, by the history",
    )
    with runtime_folder() as runtime, tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        cluster = ipp.Cluster(n=4, shutdown_atexit=False)
        cluster.start_cluster_sync()
        try:
            file = str(cluster.connection_file)
            script = _CLIENT.format(
                file=file, log=str(log), seconds=seconds, count=count, half=count // 2
            )
            with python(script) as client:
                assert client.stdout is not None
                assert client.stdout.readline() == "half\n", client.communicate()[1]
                client.kill()
            _take_over(report, file, log, count)
        finally:
            cluster.stop_cluster_sync()
        wait_until(lambda: not leftovers_of(runtime))
    return report


def _take_over(report: Report, file: str, log: Path, count: int) -> None:
    """Get the results of another client's tasks."""
    began = time.monotonic()
    with ipp.Client(file) as client:
        records = client.history(label="outlived", limit=count)
        report.figures |= {"tasks": count, "known to the history": len(records)}
        ids = [record.msg_id for record in records]
        values = client.get_result(ids).get(PATIENCE)
    report.never("wrong results", values != [work.value_of(number) for number in range(count)])
    begun = work.read(log).begun
    report.never("ran not exactly once", [n for n in range(count) if begun[n] != 1])
    report.figures["seconds until all results"] = round(time.monotonic() - began, 2)
