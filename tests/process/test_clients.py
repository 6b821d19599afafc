"""Clients that many threads use, that are closed or forked, or lose their hub."""

import concurrent.futures
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import python
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until


class TestTheClient:
    @pytest.fixture
    def client(self, four: ipp.Client) -> Iterator[ipp.Client]:
        """Connect another client, which the test may break."""
        with ipp.Client(four.connection.name) as client:
            yield client

    def test_may_be_used_by_many_threads(self, client: ipp.Client) -> None:
        view = client.load_balanced_view()

        def work(thread: int) -> list[object]:
            said: list[object] = []
            for n in range(20):
                several = view.map_async(abs, [-n, -thread])
                said.append(client[thread % 4].apply_sync(pow, thread, 2))
                said.append(view.apply_async(pow, n, 2).get(10))
                said.append(several.get(10))
            return said

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            said = list(pool.map(work, range(8), timeout=60))

        assert said == [
            [value for n in range(20) for value in (t * t, n * n, [n, t])] for t in range(8)
        ]

    def test_may_have_one_result_waited_for_by_many_threads(
        self, client: ipp.Client, gate: Gate
    ) -> None:
        result = client[0].apply_async(pass_through, gate.path, "there")

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(result.get, 20) for _ in range(8)]
            gate.open()

            assert [future.result(20) for future in waiting] == ["there"] * 8

    def test_that_is_closed_fails_what_is_outstanding(self, client: ipp.Client, gate: Gate) -> None:
        called: list[object] = []
        done = client[1].apply_async(pow, 2, 3)
        done.get(10)
        one = client[0].apply_async(pass_through, gate.path)
        many = client.load_balanced_view().map_async(pass_through, [gate.path] * 9)
        one.add_done_callback(called.append)

        client.close()

        for result in (one, many):
            with pytest.raises(ipp.ClientClosed, match="the client is closed"):
                result.get(10)
        assert called == [one]
        assert concurrent.futures.wait([one, many], timeout=10).not_done == set()
        assert done.get() == 8
        assert repr(client) == f"<Client of cluster {client.cluster_id}: closed>"

    @pytest.mark.parametrize(
        "call",
        [
            lambda client: client[0].apply_async(pow, 2, 3),
            lambda client: client.load_balanced_view().apply_async(pow, 2, 3),
            lambda client: client.load_balanced_view().map_async(abs, [1]),
            lambda client: client.queue_status(),
            lambda client: client.wait_for_engines(9),
        ],
    )
    def test_that_is_closed_refuses_to_do_more(
        self, client: ipp.Client, call: Callable[[ipp.Client], object]
    ) -> None:
        client.close()
        client.close()

        with pytest.raises(ipp.ClientClosed):
            call(client)

    def test_that_is_closed_leaves_the_tasks_to_the_engines(
        self, client: ipp.Client, gate: Gate, tmp_path: Path
    ) -> None:
        client[0].apply_async(pass_through, gate.path)
        client[0].apply_async((tmp_path / "mark").touch)

        client.close()
        gate.open()

        wait_until((tmp_path / "mark").exists)

    def test_may_be_closed_while_others_wait(self, client: ipp.Client, gate: Gate) -> None:
        results = [view.apply_async(pass_through, gate.path) for view in client]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(result.get) for result in results]
            wait_until(lambda: all(result.running() for result in results))

            client.close()

            errors = [future.exception(10) for future in waiting]
        assert [type(error) for error in errors] == [ipp.ClientClosed] * 4

    @pytest.mark.parametrize("wait", [ipp.AsyncResult.get, lambda r: concurrent.futures.wait([r])])
    def test_may_be_closed_by_a_callback(
        self, client: ipp.Client, gate: Gate, wait: Callable[[ipp.AsyncResult], object]
    ) -> None:
        other = client[1].apply_async(pass_through, gate.path)
        called: list[object] = []

        def try_both(_: object) -> None:
            called.append(other.done())
            with pytest.raises(RuntimeError, match="must not wait"):
                later.get()

        later = client[1].apply_async(pow, 2, 3)
        other.add_done_callback(try_both)
        result = client[0].apply_async(time.sleep, 0.05)
        result.add_done_callback(lambda _: client.close())

        wait(result)

        assert isinstance(other.exception(10), ipp.ClientClosed)
        assert isinstance(later.exception(10), ipp.ClientClosed)
        client.connection.thread.join(10)
        assert called == [True]

    @pytest.mark.parametrize("count", ["3", 1.5, None])
    def test_refuses_engines_of_no_number(self, client: ipp.Client, count: object) -> None:
        with pytest.raises(TypeError):
            client.start_engines(count)  # type: ignore[arg-type]
        assert client[0].apply_async(pow, 2, 3).get(10) == 8

    @pytest.mark.parametrize("count", [0, -1, 10**6])
    def test_refuses_engines_beyond_number(self, client: ipp.Client, count: int) -> None:
        with pytest.raises(ipp.EngineError, match=f"cannot start {count} engines"):
            client.start_engines(count)
        assert client[0].apply_async(pow, 2, 3).get(10) == 8

    @pytest.mark.parametrize("ending", ["sys.exit()", "os._exit(0)"])
    def test_cannot_be_used_in_a_fork_and_goes_on_in_its_parent(
        self, rc: ipp.Client, gate: Gate, ending: str
    ) -> None:
        script = f"""
            import os, sys
            from pathlib import Path
            import ipcluster_ext as ipp
            from tests.support.gates import Gate, pass_through
            rc = ipp.Client({rc.connection.name!r})
            gate = Gate(Path({str(gate.path)!r}))
            view = rc.load_balanced_view()
            waiting = view.apply_async(pass_through, gate.path, "there")
            done = view.apply_async(pow, 2, 3)
            done.get()
            calls = [
                lambda: view.apply_async(pow, 2, 3), lambda: rc[0].apply_sync(pow, 2, 3),
                lambda: view.map_async(abs, [1]), waiting.get, waiting.wait, waiting.cancel,
                waiting.abort, lambda: list(waiting), rc.queue_status, rc.wait,
                lambda: rc.wait_for_engines(9),
            ]
            pid = os.fork()
            if not pid:
                for call in calls:
                    try:
                        print("no error", call())
                    except ipp.ForkedClientError as error:
                        told = str(error)
                print(told, done.get(), flush=True)
                rc.close()
                {ending}
            print(os.waitpid(pid, 0)[1], flush=True)
            gate.open()
            print(waiting.get(10), rc[:].apply_async(pow, 2, 3).get(10))
        """
        with python(script) as process:
            output, errors = process.communicate(timeout=20)

        assert errors == ""
        assert output.splitlines() == [
            "this client was opened before the fork; open a new one in this process 8",
            "0",
            "there [8, 8, 8, 8]",
        ]


class TestALostHub:
    def test_that_nobody_starts_again_is_told_to_everybody_who_waits(self) -> None:
        cluster = ipp.Cluster(n=1)
        client = cluster.start_and_connect_sync()
        running = client[0].apply_async(time.sleep, 1000)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(running.get), pool.submit(client.wait_for_engines, 2)]
            wait_until(running.running)
            agent = json.loads(client.connection_file.read_text())["agent_pid"]

            os.kill(agent, signal.SIGKILL)
            os.kill(client.hub_pid, signal.SIGKILL)

            errors = [future.exception(12) for future in waiting]
        assert [type(error) for error in errors] == [ipp.HubGone, ipp.HubGone]
        with pytest.raises(ipp.HubGone, match="start a cluster"):
            client[0].apply_async(pow, 2, 3)
        client.close()
        cluster.stop()

    def test_that_is_silent_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ipcluster_ext.client.connection.PING_EVERY", 0.1)
        monkeypatch.setattr("ipcluster_ext.client.reunion.HUB_BACK_WITHIN", 1.0)
        with ipp.Cluster(n=1) as client:
            result = client[0].apply_async(time.sleep, 1000)
            os.kill(client.hub_pid, signal.SIGSTOP)
            try:
                with pytest.raises(ipp.HubGone, match="no answer for 1"):
                    result.get(10)
            finally:
                os.kill(client.hub_pid, signal.SIGCONT)
