import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started
from tests.support.gates import Gate
from tests.support.waiting import wait_until


def fork_and_end(ending: str) -> tuple[int, int]:
    """Fork; the child ends in one of the ways in which children do."""
    pid = os.fork()
    if not pid:
        sys.stdout.write("the child prints")
        if ending == "_exit":
            os._exit(7)
        if ending == "exit":
            sys.exit(7)
        if ending == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError(ending)
    return pid, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class TestAForkInATask:
    @pytest.mark.parametrize(
        ("ending", "code"), [("_exit", 7), ("exit", 0), ("kill", -9), ("raise", 0)]
    )
    def test_does_not_speak_for_the_engine(self, rc: ipp.Client, ending: str, code: int) -> None:
        before = rc[0].apply_sync(os.getpid)

        result = rc[0].apply_async(fork_and_end, ending)

        child, ended = result.get(10)
        assert child != before
        assert ended == code
        assert result.stdout == ""
        assert rc[0].apply_async(os.getpid).get(10) == before

    def test_is_told_that_it_has_no_client(self, rc: ipp.Client) -> None:
        assert rc[0].apply_async(ask_in_a_fork).get(10) == ["ForkedClientError"]

    def test_may_use_processes_of_multiprocessing(self, rc: ipp.Client) -> None:
        before = rc[:].apply_sync(os.getpid)

        for _ in range(3):
            assert rc[:].apply_async(use_a_process).get(20) == [[1, 4, 9]] * 4

        assert rc[:].apply_sync(os.getpid) == before

    def test_whose_pool_dies_is_an_error_of_the_task(self, rc: ipp.Client) -> None:
        error = rc[1].apply_async(lose_a_pool).exception(20)

        assert isinstance(error, ipp.RemoteError)
        assert error.ename == "BrokenProcessPool"
        assert rc[1].apply_async(pow, 2, 3).get(10) == 8

    def test_in_a_fork_is_a_process_like_any_other(self, rc: ipp.Client) -> None:
        assert rc[2].apply_async(fork_twice).get(10) == b"grandchild"
        assert rc[2].apply_async(pow, 2, 3).get(10) == 8


def ask_in_a_fork() -> list[str]:
    """Use the client of a task in a process that the task forks."""
    client = ipp.get_client()
    client.ids  # noqa: B018 - opened in the parent
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            client[0].apply_async(pow, 2, 3)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
            os.write(writer, type(error).__name__.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader) as file:
        return file.read().split()


def square(number: int) -> int:
    """Multiply a number by itself."""
    return number * number


def use_a_process() -> list[int]:
    """Have processes of one's own compute."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(square, [1, 2, 3])


def lose_a_pool() -> None:
    """Have a process of a pool die."""
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        pool.submit(os._exit, 1).result()


def fork_twice() -> bytes:
    """Hear from a child's child."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        if not os.fork():
            os.write(writer, b"grandchild")
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    return os.read(reader, 100)


def leave_descendants(folder: Path) -> None:
    """Start processes of several kinds, note them, and go on until the engine dies."""
    sleep = subprocess.Popen(["sleep", "1000"])
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,))
    process.start()
    own_session = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    (folder / "some").write_text(f"{sleep.pid} {process.pid} {own_session.pid}")
    (folder / "some").rename(folder / "pids")
    time.sleep(1000)


def test_what_a_task_has_started_ends_with_its_engine(started: Started, tmp_path: Path) -> None:
    client = started.client
    result = client[0].apply_async(leave_descendants, tmp_path)
    wait_until((tmp_path / "pids").exists)
    sleep, process, own_session = map(int, (tmp_path / "pids").read_text().split())

    client.send_signal(signal.SIGKILL, 0)

    assert isinstance(result.exception(10), ipp.EngineLost)
    wait_until(lambda: not (psutil.pid_exists(sleep) or psutil.pid_exists(process)))
    assert psutil.Process(own_session).parent() is not None  # who leaves ends with the cluster
    started.cluster.stop_cluster_sync()
    wait_until(lambda: not psutil.pid_exists(own_session))


def test_a_child_that_a_task_left_does_not_keep_its_engine_from_ending(
    started: Started, gate: Gate
) -> None:
    client = started.client
    child = client[1].apply_async(fork_and_wait, gate.path).get(10)

    client.restart_engines([1])
    client.wait_for_engines(2, timeout=10)

    assert client[1].apply_async(pow, 2, 3).get(10) == 8
    wait_until(lambda: not psutil.pid_exists(child))


def fork_and_wait(gate: Path) -> int:
    """Leave a child that waits."""
    child = os.fork()
    if not child:
        while not gate.exists():
            time.sleep(0.01)
        os._exit(0)
    return child
