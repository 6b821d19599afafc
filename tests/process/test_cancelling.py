"""Tasks that are taken back before they have begun."""

import concurrent.futures
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through
from tests.support.tasks import pass_pair
from tests.support.waiting import wait_until


class TestCancelling:
    def test_what_has_not_begun_keeps_it_from_running(
        self, rc: ipp.Client, gate: Gate, tmp_path: Path
    ) -> None:
        mark = tmp_path / "ran"
        running = rc[0].apply_async(pass_through, gate.path)
        result = rc[0].apply_async(mark.touch)
        called: list[object] = []
        result.add_done_callback(called.append)

        assert result.cancel()

        assert (result.cancelled(), result.done(), result.running()) == (True, True, False)
        assert called == [result]
        for kind in (concurrent.futures.CancelledError, ipp.TaskAborted):
            with pytest.raises(kind, match="cancelled before it began"):
                result.get()
        gate.open()
        assert running.get(10) is None
        assert rc[0].apply_async(pow, 2, 3).get(10) == 8
        assert not mark.exists()

    def test_again_changes_nothing(self, rc: ipp.Client, gate: Gate) -> None:
        rc[0].apply_async(pass_through, gate.path)
        result = rc[0].apply_async(pow, 2, 3)

        assert (result.cancel(), result.cancel()) == (True, True)

    def test_what_no_engine_has_yet_works(self, rc: ipp.Client, gate: Gate) -> None:
        rc[:].apply_async(pass_through, gate.path)
        results = [rc.load_balanced_view().apply_async(pow, 2, n) for n in range(20)]

        assert [result.cancel() for result in results] == [True] * 20
        assert [result.cancelled() for result in results] == [True] * 20

    def test_what_runs_is_refused_and_it_goes_on(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[0].apply_async(pass_through, gate.path, "done")
        wait_until(result.running)

        assert not result.cancel()
        gate.open()
        assert result.get(10) == "done"

    def test_what_has_ended_is_refused(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(pow, 2, 3)
        result.get(10)

        assert not result.cancel()
        assert not result.cancelled()

    def test_a_map_of_which_a_part_runs_is_refused_and_changes_nothing(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        view = rc.load_balanced_view()
        result = view.map_async(pass_through, [gate.path] * 20, range(20))
        wait_until(result.running)

        assert not result.cancel()
        gate.open()
        assert result.get(10) == list(range(20))

    def test_what_was_cancelled_gives_a_future_that_others_understand(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        rc[0].apply_async(pass_through, gate.path)
        result = rc[0].apply_async(pow, 2, 3)
        result.cancel()

        assert concurrent.futures.wait([result], timeout=10) == ({result}, set())
        with pytest.raises(ipp.TaskAborted):
            result.exception()
        assert not result.successful()
        assert (result.status, result.state) == ("aborted", "cancelled")


class TestAborting:
    def test_a_half_done_map_leaves_what_is_done(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view(targets=[0])
        items = [(gate.path if n == 3 else Path("/"), n) for n in range(10)]
        result = view.map_async(pass_pair, items)
        wait_until(lambda: result.progress == 3)

        result.abort()

        assert not result.done()
        gate.open()
        with pytest.raises(ipp.CompositeError) as caught:
            result.get(10)
        assert [type(error) for error in caught.value.errors] == [ipp.TaskAborted] * 6
        values = result.get(return_exceptions=True)
        assert values[:4] == [0, 1, 2, 3]
        assert [type(value) for value in values[4:]] == [ipp.TaskAborted] * 6

    def test_what_has_ended_is_refused(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(pow, 2, 3)
        result.get(10)

        with pytest.raises(RuntimeError, match="have ended"):
            result.abort()

    def test_ends_the_iteration_over_what_comes(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view(targets=[0])
        items = [(gate.path if n == 1 else Path("/"), n) for n in range(10)]
        result = view.map_async(pass_pair, items, ordered=False)
        values = iter(result)
        assert next(values) == 0

        result.abort()
        gate.open()

        with pytest.raises(ipp.TaskAborted):
            list(values)
