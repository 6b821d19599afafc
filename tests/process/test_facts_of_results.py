"""What a result knows of its tasks: how far they are, when and where they ran, what they said."""

import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.client.metadata import Metadata
from tests.support.gates import Gate, pass_through
from tests.support.tasks import fail, pass_pair
from tests.support.waiting import wait_until


class TestProgress:
    def test_counts_items_and_not_chunks(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view(targets=[0])
        items = [(gate.path if n == 7 else Path("/"), n) for n in range(10)]

        result = view.map_async(pass_pair, items, chunksize=3)

        wait_until(lambda: result.progress == 6)
        assert (len(result), result.done()) == (10, False)
        gate.open()
        assert result.get(10) == list(range(10))
        assert result.progress == 10

    def test_counts_items_of_uneven_parts(self, rc: ipp.Client, gate: Gate) -> None:
        items = [(gate.path if n == 0 else Path("/"), n) for n in range(6)]

        result = rc[:].map_async(pass_pair, items)

        wait_until(lambda: result.progress == 4)
        gate.open()
        assert result.get(10) == [0, 1, 2, 3, 4, 5]

    def test_counts_engines_where_each_does_the_same(self, rc: ipp.Client, gate: Gate) -> None:
        blocked = rc[1].apply_async(pass_through, gate.path)
        result = rc[:3].apply_async(pow, 2, 3)

        wait_until(lambda: result.progress == 2)
        gate.open()
        assert result.get(10) == [8, 8, 8]
        assert blocked.get(10) is None


class TestMetadata:
    def test_tells_where_and_when(self, rc: ipp.Client) -> None:
        slack = timedelta(seconds=0.1)
        before = datetime.now(UTC)
        result = rc[2].set_flags(label="fit").apply_async(pow, 2, 3)
        result.get(10)
        after = datetime.now(UTC)

        facts = result.metadata
        assert isinstance(facts, Metadata)
        assert before - slack <= facts.submitted <= facts.received <= after + slack
        assert before - slack <= facts["started"] <= facts["completed"] <= after + slack
        known = ("engine_id", "engine_uuid", "status", "state", "label", "stdout", "error")
        assert {name: facts[name] for name in known} == {
            "engine_id": 2, "engine_uuid": "engine-2", "status": "ok", "state": "done",
            "label": "fit", "stdout": "", "error": None,
        }  # fmt: skip
        assert result.msg_ids == [facts["msg_id"]] == [result.msg_id]

    def test_has_all_of_ipyparallels_fields_as_items_and_attributes(self, rc: ipp.Client) -> None:
        result = rc[2].apply_async(pow, 2, 3)
        result.get(10)

        names = [
            "msg_id", "submitted", "started", "completed", "received", "engine_uuid", "engine_id",
            "follow", "after", "status", "execute_input", "execute_result", "error", "stdout",
            "stderr", "outputs", "data", "label",
        ]  # fmt: skip
        assert [name for name in names if name not in result.metadata] == []
        assert [name for name in names if name not in dir(result)] == []
        assert [name for name in names if getattr(result, name) != result[name]] == []
        assert [name for name in names if name not in dir(result.metadata)] == []

    def test_of_several_tasks_is_a_list(self, rc: ipp.Client) -> None:
        result = rc[[3, 1]].apply_async(pow, 2, 3)
        result.get(10)

        assert result.engine_id == [3, 1]
        assert result["status"] == ["ok", "ok"]
        assert [entry["engine_id"] for entry in result.metadata] == [3, 1]
        assert result.timedelta(result.submitted, result.received) > 0

    def test_is_mostly_empty_before_the_end(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[0].apply_async(pass_through, gate.path)

        facts = (result["status"], result.started, result.received, result.stdout, result.error)
        assert facts == (None, None, None, "", None)
        assert result.state in {"queued", "running"}
        wait_until(lambda: result.state == "running")

    def test_tells_that_a_task_failed(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(fail, KeyError)
        result.wait(10)

        assert (result["status"], result.state, result.engine_id) == ("error", "failed", 0)
        assert result.error is result.exception()

    def test_tells_how_long_it_took(self, rc: ipp.Client) -> None:
        result = rc[:2].apply_async(time.sleep, 0.05)
        result.get(10)

        assert 0.1 <= result.serial_time <= 2 * result.wall_time
        assert result.elapsed == result.elapsed == result.wall_time

    def test_of_an_unknown_name_is_a_key_error(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(pow, 2, 3)

        with pytest.raises(KeyError):
            result["nonsense"]


class TestOutput:
    def test_is_kept_with_the_task(self, rc: ipp.Client) -> None:
        result = rc[:2].apply_async(speak, "é\n")
        result.get(10)

        assert result.stdout == ["out é\n", "out é\n"]
        assert result.stderr == ["err é\n", "err é\n"]

    def test_is_there_when_the_value_is(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        results = [view.apply_async(speak, str(n)) for n in range(100)]

        seen = [(result.get(10), result.stdout)[1] for result in results]

        assert seen == [f"out {n}" for n in range(100)]

    def test_can_be_read_while_the_task_runs(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[0].apply_async(speak_and_wait, gate.path)

        wait_until(lambda: result.stdout == "waiting\n")

        assert not result.done()

    def test_of_threads_belongs_to_the_task_that_runs(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(speak_in_a_thread)
        result.get(10)

        assert result.stdout == "from a thread\n"

    def test_before_an_error_is_kept(self, rc: ipp.Client) -> None:
        result = rc[0].execute("print('before')\n1 / 0")

        assert isinstance(result.exception(10), ZeroDivisionError)
        assert result.stdout == "before\n"

    def test_of_a_map_is_kept_by_chunk(self, rc: ipp.Client) -> None:
        result = rc.load_balanced_view().map_async(speak, "abc", chunksize=2)
        result.get(10)

        assert result.stdout == ["out aout b", "out c"]

    def test_may_hold_what_is_no_text(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(speak, "\udc80")
        result.get(10)

        assert result.stdout == "out \\udc80"


def speak(text: str) -> None:
    """Write to both streams."""
    sys.stdout.write(f"out {text}")
    sys.stderr.write(f"err {text}")


def speak_and_wait(gate: Path) -> None:
    """Write, then wait."""
    sys.stdout.write("waiting\n")
    pass_through(gate)


def speak_in_a_thread() -> None:
    """Write from another thread."""
    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()
