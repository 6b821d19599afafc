import time
from pathlib import Path
from typing import Any

import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through


def where(*_args: object) -> int:
    """Return the engine's id."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    assert shell is not None
    return int(shell.user_ns["engine_id"])


def succeed_at_the_third_try(tries: Path, error: type[Exception]) -> int:
    """Raise twice; then return how often it was tried."""
    with tries.open("a") as file:
        file.write("tried\n")
    count = len(tries.read_text().splitlines())
    if count < 3:
        msg = f"try {count}"
        raise error(msg)
    return count


def moment(_: object) -> float:
    """Return what time it is."""
    return time.monotonic()


class TestRetries:
    def test_have_a_failed_task_run_again(self, rc: ipp.Client, tmp_path: Path) -> None:
        view = rc.load_balanced_view(retries=2)

        tries = view.apply_async(succeed_at_the_third_try, tmp_path / "tries", OSError)

        assert tries.get(10) == 3

    def test_are_for_some_errors_only(self, rc: ipp.Client, tmp_path: Path) -> None:
        view = rc.load_balanced_view(retries=ipp.Retry(5, on=OSError, not_on=FileNotFoundError))

        wanted = view.apply_async(succeed_at_the_third_try, tmp_path / "a", PermissionError)

        assert wanted.get(10) == 3
        for name, error in (("b", FileNotFoundError), ("c", ValueError)):
            with pytest.raises(error, match="try 1"):
                view.apply_async(succeed_at_the_third_try, tmp_path / name, error).get(10)

    def test_of_a_direct_view_run_on_its_engine(self, rc: ipp.Client, tmp_path: Path) -> None:
        view = rc[1].options(retries=ipp.Retry(2, backoff=0.01))

        tries = view.apply_async(succeed_at_the_third_try, tmp_path / "tries", OSError)

        assert (tries.get(10), tries.engine_id) == (3, 1)


class TestLimits:
    @pytest.mark.parametrize("kind", ["direct", "balanced"])
    def test_of_time_end_a_task(self, rc: ipp.Client, kind: str) -> None:
        view: Any = rc[0] if kind == "direct" else rc.load_balanced_view()

        with pytest.raises(ipp.TaskTimeout):
            view.options(time_limit=0.1).apply_async(time.sleep, 60).get(20)
        with pytest.raises(ipp.SoftTimeLimit):
            view.options(soft_time_limit=0.1).apply_async(time.sleep, 60).get(20)

    def test_of_the_wait_in_the_queue_expire_a_task(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view(targets=[0])
        busy = view.submit(pass_through, gate.path)

        with pytest.raises(ipp.TaskExpired):
            view.options(expires=0.1).submit(abs, -1).get(20)

        gate.open()
        assert busy.get(10) is None

    def test_of_the_wait_for_others_give_a_task_up(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view()
        busy = view.submit(pass_through, gate.path)

        with pytest.raises(ipp.DependencyTimeout):
            view.options(after=busy, timeout=0.1).submit(abs, -1).get(20)

        gate.open()
        assert busy.get(10) is None


class TestTheChoiceOfAnEngine:
    def test_heeds_priority(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view(targets=[0])
        busy = view.submit(pass_through, gate.path)
        usual = view.map_async(moment, [1] * 3)
        urgent = view.map_async(moment, [1] * 3, priority=5)

        gate.open()

        assert busy.get(10) is None
        assert max(urgent.get(10)) < min(usual.get(10))

    def test_is_limited_by_targets_for_one_call(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()

        assert set(view.map_sync(where, range(20), targets=[2])) == {2}
        assert view.options(targets=-1).apply_sync(where) == 3
        assert view.targets is None

    def test_for_what_no_engine_has_is_refused(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.NoSuchEngine, match="gpu: 1"):
            rc.load_balanced_view(resources=["gpu"]).apply_async(abs, -1).get(10)


class TestAKey:
    def test_has_a_task_run_once(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view(key="the moment")

        moments = [view.apply_sync(time.monotonic) for _ in range(3)]

        assert moments == [moments[0]] * 3
        assert view.options(key="another").apply_sync(time.monotonic) > moments[0]


class TestDependencies:
    @pytest.mark.parametrize("form", ["answer", "id", "list", "dict", "dependency"])
    def test_of_any_form_are_waited_for(self, rc: ipp.Client, gate: Gate, form: str) -> None:
        view = rc.load_balanced_view()
        before = view.submit(pass_through, gate.path)
        forms = {
            "answer": before,
            "id": before.msg_ids[0],
            "list": [before],
            "dict": {"dependencies": before.msg_ids},
            "dependency": ipp.Dependency(before),
        }

        after = view.options(after=forms[form]).submit(abs, -1)

        assert not after.wait(0.05)
        gate.open()
        assert (after.get(10), after.after) == (1, before.msg_ids)

    @pytest.mark.parametrize("ended", [True, False])
    def test_that_failed_make_a_task_impossible_unless_that_is_wanted(
        self, rc: ipp.Client, gate: Gate, ended: bool
    ) -> None:
        view = rc.load_balanced_view()
        failing = view.submit(lambda path: pass_through(path) / 0, gate.path)  # type: ignore[operator]
        if ended:
            gate.open()
            failing.wait(10)

        never = view.options(after=failing).submit(abs, -1)
        surely = view.options(after=ipp.Dependency(failing, success=False, failure=True)).submit(
            abs, -1
        )
        gate.open()

        with pytest.raises(ipp.ImpossibleDependency):
            never.get(10)
        assert surely.get(10) == 1

    @pytest.mark.parametrize("ended", [True, False])
    def test_are_followed_to_where_they_run(self, rc: ipp.Client, ended: bool) -> None:
        view = rc.load_balanced_view()
        first = rc.load_balanced_view(targets=2).submit(where)
        if ended:
            first.wait(10)

        assert view.map_async(where, range(10), follow=first).get(10) == [2] * 10

    def test_of_a_direct_view_are_waited_for(self, rc: ipp.Client, gate: Gate) -> None:
        before = rc.load_balanced_view().submit(pass_through, gate.path)

        after = rc[:].options(after=before).apply_async(abs, -1)

        assert not after.wait(0.05)
        gate.open()
        assert after.get(10) == [1] * 4

    def test_on_any_of_several_need_one(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view()
        late, early = view.submit(pass_through, gate.path), view.submit(abs, -1)

        task = view.options(after=ipp.Dependency([late, early], all=False)).submit(abs, -2)

        assert task.get(10) == 2
        assert not late.done()

    def test_on_what_cannot_be_are_refused_at_once(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        client = view.submit(abs, -1).msg_ids[0].partition("-")[0]

        for nothing in ("nonsense", f"{client}-4000000000"):
            with pytest.raises(ipp.InvalidDependency):
                view.options(after=nothing).submit(abs, -1)
        assert view.wait(timeout=10)


class TestOptions:
    def test_are_named_if_they_do_not_exist(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()

        with pytest.raises(
            ipp.OptionError, match="LoadBalancedView has no option 'time_limt'; did"
        ):
            view.map_async(abs, [-1], time_limt=3)
        with pytest.raises(ipp.OptionError, match="DirectView has no option 'priority'"):
            rc[:].map_async(abs, [-1], priority=3)
        with pytest.raises(ipp.OptionError, match="did you mean 'retries'"):
            rc.load_balanced_view(retrys=3)

    def test_hold_for_a_call_a_block_or_another_view(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()

        assert view.map_async(abs, [-1], label="a").label == "a"
        with view.options(label="b"):
            assert view.submit(abs, -1).label == "b"
        assert view.options(label="c").submit(abs, -1).label == "c"
        assert view.submit(abs, -1).label == ""
        assert view.wait(timeout=10)

    def test_return_exceptions_from_calls_as_well(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view(return_exceptions=True)

        assert isinstance(view.apply_sync(divmod, 1, 0), ZeroDivisionError)
        assert [type(v).__name__ for v in rc[:].options(return_exceptions=True).map_sync(
            divmod, [1, 1], [1, 0]
        )] == ["tuple", "ZeroDivisionError"]  # fmt: skip
