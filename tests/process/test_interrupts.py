import signal
import subprocess
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import python
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until


def script(rc: ipp.Client, gate: Gate, code: str) -> str:
    """Write a program that waits, and shows what it can do after it was interrupted."""
    before = f"""
        import concurrent.futures
        import threading
        from pathlib import Path
        import ipcluster_ext as ipp
        from tests.support.gates import Gate, pass_through
        rc = ipp.Client({rc.connection.name!r})
        gate = Gate(Path({str(gate.path)!r}))
        view = rc.load_balanced_view(targets=[0, 1, 2])
        result = None
        began, waits = gate.path.with_name("began"), gate.path.with_name("waits")
        attend = rc.connection.attend
        def attend_noticeably(done, deadline):
            if deadline is None: waits.touch()
            return attend(done, deadline)
        rc.connection.attend = attend_noticeably
        def task(n=0):
            began.touch()
            return pass_through(gate.path, n)
        print("ready", flush=True)
        try:
    """
    after = """
        except KeyboardInterrupt:
            print("interrupted")
        print(rc[3].apply_async(pow, 2, 3).get(10), flush=True)
        gate.open()
        print(result and result.get(10))
        print(rc.wait(timeout=10), len(rc.outstanding))
    """
    body = textwrap.indent(f'{textwrap.dedent(code).strip()}\nprint("returned")', " " * 4)
    return f"{textwrap.dedent(before).strip()}\n{body}\n{textwrap.dedent(after).lstrip()}"


@contextmanager
def waiting(rc: ipp.Client, gate: Gate, code: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program until its task has begun on an engine, and it waits for that."""
    marks = [gate.path.with_name(name) for name in ("began", "waits")]
    with python(script(rc, gate, code)) as process:
        try:
            wait_until(lambda: all(mark.exists() for mark in marks) or process.poll() is not None)
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("result = view.apply_async(task)\nresult.get()", ["interrupted", "8", "0"]),
        ("result = view.apply_async(task)\nresult.wait()", ["interrupted", "8", "0"]),
        ("result = view.apply_async(task)\nresult.exception()", ["interrupted", "8", "0"]),
        ("result = view.apply_async(task)\nlist(result)", ["interrupted", "8", "0"]),
        (
            "result = view.map_async(task, [1, 2])\nnext(iter(result))",
            ["interrupted", "8", "[1, 2]"],
        ),
        ("result = view.apply_async(task)\nrc.wait()", ["interrupted", "8", "0"]),
        (
            "result = view.apply_async(task)\nwaits.touch()\nconcurrent.futures.wait([result])",
            ["interrupted", "8", "0"],
        ),
        ("result = view.apply_sync(task)", ["returned", "8", "0"]),
        ("result = rc[:3].apply_sync(task)", ["returned", "8", "[0, 0, 0]"]),
        ("result = view.map_sync(task, [1, 2, 3])", ["returned", "8", "[1, 2, 3]"]),
        ("result = rc[:3].map_sync(task, [1, 2, 3])", ["returned", "8", "[1, 2, 3]"]),
        (
            "view.apply_async(task)\nwaits.touch()\nrc.wait_for_engines(9)",
            ["interrupted", "8", "None"],
        ),
    ],
    ids=lambda value: value.splitlines()[-1] if isinstance(value, str) else "",
)
def test_ctrl_c_ends_the_wait_and_nothing_else(
    rc: ipp.Client, gate: Gate, code: str, said: list[str]
) -> None:
    with waiting(rc, gate, code) as process:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=10)

    assert errors == ""
    assert output.split("\n") == ["ready", *said, "True 0", ""]


def test_ctrl_c_ends_the_wait_at_once(rc: ipp.Client, gate: Gate) -> None:
    with waiting(rc, gate, "result = view.apply_async(task)\nresult.get()") as process:
        assert process.stdout is not None
        process.stdout.readline()

        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        interrupted = process.stdout.readline()
        heard = time.monotonic()

        assert interrupted == "interrupted\n"
        assert heard - sent < 1.0


def test_ctrl_c_while_another_thread_waits_ends_only_the_main_threads_wait(
    rc: ipp.Client, gate: Gate
) -> None:
    code = """
        result = view.apply_async(task)
        seen = []
        thread = threading.Thread(target=lambda: seen.append(result.get()))
        thread.start()
        rc.wait()
    """
    with waiting(rc, gate, code) as process:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=10)

    assert errors == ""
    assert output.splitlines() == ["ready", "interrupted", "8", "0", "True 0"]


def test_ctrl_c_goes_to_a_handler_of_the_users_own(rc: ipp.Client, gate: Gate) -> None:
    code = """
        import signal
        signal.signal(signal.SIGINT, lambda *_: (print("handled", flush=True), gate.open()))
        result = view.apply_async(task)
        result.get()
    """
    with waiting(rc, gate, code) as process:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=10)

    assert errors == ""
    assert output.splitlines() == ["ready", "handled", "returned", "8", "0", "True 0"]


HOOK = """
import os, signal, sys

def stop_me():
    get_ipython().events.unregister("pre_execute", stop_me)
    os.kill(os.getpid(), signal.SIGINT)

get_ipython().events.register("pre_execute", stop_me)
"""


class TestASignalToAnEngine:
    @pytest.mark.parametrize("sig", [signal.SIGINT, 2, "SIGINT"])
    def test_interrupts_the_task_that_runs(self, rc: ipp.Client, sig: int | str) -> None:
        result = rc[0].apply_async(time.sleep, 1000)
        wait_until(result.running)

        rc.send_signal(sig, 0)

        error = result.exception(10)
        assert isinstance(error, ipp.RemoteError)
        assert (error.ename, error.engine) == ("KeyboardInterrupt", 0)
        assert rc[0].apply_async(pow, 2, 3).get(10) == 8

    def test_interrupts_a_cell_whose_code_has_not_begun(self, rc: ipp.Client) -> None:
        engine = rc[0]
        engine.execute(HOOK, block=True)
        with pytest.raises(ipp.RemoteError, match="KeyboardInterrupt"):
            engine.execute("import time; time.sleep(1000)", block=True)

    def test_interrupts_a_cell(self, rc: ipp.Client) -> None:
        result = rc[0].execute("import time\nwhile True: time.sleep(0.01)")
        wait_until(result.running)

        rc.send_signal(signal.SIGINT, 0)

        error = result.exception(10)
        assert isinstance(error, ipp.RemoteError)
        assert error.ename == "KeyboardInterrupt"

    def test_leaves_the_tasks_behind_it_alone(self, rc: ipp.Client) -> None:
        running = rc[0].apply_async(time.sleep, 1000)
        behind = [rc[0].apply_async(pow, 2, n) for n in range(5)]
        wait_until(running.running)

        rc.send_signal(signal.SIGINT, 0)

        assert [result.get(10) for result in behind] == [1, 2, 4, 8, 16]

    def test_that_has_nothing_to_do_is_nothing(self, rc: ipp.Client) -> None:
        before = rc[0].apply_sync(own_pid)

        for _ in range(20):
            rc.send_signal(signal.SIGINT, block=True)

        assert rc[0].apply_async(own_pid).get(10) == before

    def test_again_and_again_hits_tasks_only(self, rc: ipp.Client) -> None:
        """Whatever a signal interrupts, the engine lives on and every task has an end."""
        before = rc[0].apply_sync(own_pid)
        results = [rc[0].apply_async(pow, 2, 3) for _ in range(300)]
        for _ in range(100):
            sent = rc.send_signal(signal.SIGINT, 0)
        sent.result(10)

        ends = {getattr(result.exception(10), "ename", "") for result in results}

        assert ends <= {"", "KeyboardInterrupt"}
        assert rc[0].apply_async(own_pid).get(10) == before

    def test_goes_to_the_targets_only(self, rc: ipp.Client, gate: Gate) -> None:
        interrupted = rc[0].apply_async(pass_through, gate.path)
        others = rc[1:].apply_async(pass_through, gate.path, "there")
        wait_until(lambda: interrupted.running() and others.running())

        rc.send_signal(signal.SIGINT, 0)
        assert interrupted.wait(10)
        gate.open()

        assert others.get(10) == ["there"] * 3

    @pytest.mark.parametrize("sig", ["SIGNONSENSE", "", "2"])
    def test_that_does_not_exist_is_refused(self, rc: ipp.Client, sig: str) -> None:
        with pytest.raises(ValueError, match="no signal"):
            rc.send_signal(sig)

    @pytest.mark.parametrize("sig", [-1, 65, 2**70])
    def test_of_a_number_that_does_not_exist_is_refused(self, rc: ipp.Client, sig: int) -> None:
        with pytest.raises(ValueError, match=f"no signal {sig}"):
            rc.send_signal(sig)


def own_pid() -> int:
    """Return the engine's process."""
    import os

    return os.getpid()
