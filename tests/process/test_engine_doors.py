"""Engines that Jupyter's front ends enter, with real kernels' clients."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started
from tests.support.consoles import PATIENCE, entered
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until


def threads_and_sockets() -> tuple[int, int]:
    import stat
    import threading
    from pathlib import Path

    files = list(Path("/proc/self/fd").iterdir())
    sockets = [file for file in files if file.exists() and stat.S_ISSOCK(file.stat().st_mode)]
    return threading.active_count(), len(sockets)


def modules_of_visitors() -> list[str]:
    import sys

    wanted = ("ipcluster_ext.engine.doors", "ipcluster_ext.transport.kerneldoors", "debugpy")
    return [name for name in wanted if name in sys.modules]


def waiting_at(gate: Gate) -> str:
    """Return a line of code that goes on when the gate is open."""
    path = f"__import__('pathlib').Path({str(gate.path)!r})"
    return f"from tests.support.gates import pass_through; _ = pass_through({path})"


class TestTheConnectionFile:
    def test_is_private_and_names_sockets_that_are_files(self, rc: ipp.Client) -> None:
        path = Path(rc[0].connection_file())
        content = json.loads(path.read_text())

        assert path.parent == rc.connection_file.parent
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert content["transport"] == "ipc"
        assert len(content["key"]) == 64
        sockets = sorted(path.parent.glob("k0-*"))
        assert len(sockets) == 5
        assert {stat.S_IMODE(socket.stat().st_mode) for socket in sockets} == {0o600}

    def test_is_the_same_whoever_asks_for_it(self, rc: ipp.Client) -> None:
        (first, second) = rc[:2].connection_file()
        assert first != second
        assert rc[0].apply_sync(ipp.bind_kernel) == first
        rc[0].execute("import ipcluster_ext as ipp; path = ipp.bind_kernel()", block=True)
        assert rc[0]["path"] == first

    def test_is_no_business_of_this_process(self) -> None:
        with pytest.raises(ipp.OutsideTask, match=r"bind_kernel\(\) opens an engine inside tasks"):
            ipp.bind_kernel()

    def test_is_shown_by_the_magic_that_shows_it_in_jupyters_kernels(self, rc: ipp.Client) -> None:
        answer = rc[1].execute("%connect_info", silent=False)
        answer.get(PATIENCE)
        assert f"jupyter console --existing {rc[1].connection_file()}" in answer.stdout


class TestAnEngineThatNobodyEnters:
    def test_has_nothing_for_it(self, rc: ipp.Client) -> None:
        assert rc[3].apply_sync(modules_of_visitors) == []
        before = rc[3].apply_sync(threads_and_sockets)

        rc[3].connection_file()

        threads, sockets = rc[3].apply_sync(threads_and_sockets)
        assert threads > before[0]
        assert sockets > before[1]


class TestWhoEnters:
    def test_shares_the_namespace(self, rc: ipp.Client) -> None:
        rc[0]["number"] = 41
        with entered(rc[0].connection_file()) as console:
            assert console.run("number += 1; number").value == "42"
        assert rc[0]["number"] == 42

    def test_sees_what_its_cells_show_and_no_task_does(self, rc: ipp.Client) -> None:
        with entered(rc[0].connection_file()) as console:
            ran = console.run(
                "import sys; print('out'); print('err', file=sys.stderr)\n"
                "from IPython.display import HTML, display\n"
                "shown = display(HTML('<b>'), display_id='it')\n"
                "shown.update(HTML('<i>')); 6 * 7"
            )
        assert (ran.text(), ran.text("stderr"), ran.value) == ("out\n", "err\n", "42")
        assert ran.kinds == [
            "execute_input",
            "stream",
            "stream",
            "display_data",
            "update_display_data",
            "execute_result",
        ]

    def test_sees_nothing_of_what_tasks_show(self, rc: ipp.Client) -> None:
        with entered(rc[0].connection_file()) as console:
            answer = rc[0].execute("print('a task')", silent=False)
            answer.get(PATIENCE)
            ran = console.run("print('a cell')")
        assert answer.stdout == "a task\n"
        assert ran.text() == "a cell\n"
        assert "a task" not in str(ran.said)

    def test_gets_errors_as_in_any_kernel(self, rc: ipp.Client) -> None:
        with entered(rc[0].connection_file()) as console:
            ran = console.run("1 / 0")
        assert (ran.reply["status"], ran.reply["ename"]) == ("error", "ZeroDivisionError")
        assert ran.kinds == ["execute_input", "error"]
        assert "1" in "\n".join(ran.reply["traceback"])

    def test_has_cells_that_wait_behind_a_failing_one_aborted(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        with entered(rc[0].connection_file()) as console:
            failing = console.send(f"{waiting_at(gate)}; 1 / 0")
            following = console.send("'never'")
            console.wait_for(following, "status")
            gate.open()
            assert console.reply(failing)["status"] == "error"
            assert console.reply(following)["status"] == "aborted"
            assert console.run("'now'").value == "'now'"

    def test_can_be_asked(self, rc: ipp.Client) -> None:
        with entered(rc[0].connection_file()) as console:
            assert console.run("input('who? ')", answer="me").value == "'me'"

    def test_counts_and_remembers_its_cells(self, rc: ipp.Client) -> None:
        with entered(rc[0].connection_file()) as console:
            first = console.run("'first of two'").reply["execution_count"]
            second = console.run("'second of two'").reply["execution_count"]
            assert second == first + 1
            request = console.client.history(hist_access_type="tail", n=2)
            assert console.reply(request)["history"] == [
                [0, first, "'first of two'"],
                [0, second, "'second of two'"],
            ]

    def test_may_await(self, rc: ipp.Client) -> None:
        with entered(rc[0].connection_file()) as console:
            code = "import asyncio; await asyncio.sleep(0, 'awaited')"
            assert console.run(code).value == "'awaited'"

    def test_is_not_alone(self, rc: ipp.Client) -> None:
        path = rc[0].connection_file()
        with entered(path) as one, entered(path) as other:
            one.run("shared = [1]")
            assert other.run("shared").value == "[1]"

    def test_needs_the_key(self, rc: ipp.Client, tmp_path: Path) -> None:
        content = json.loads(Path(rc[0].connection_file()).read_text())
        forged = tmp_path / "forged.json"
        forged.write_text(json.dumps({**content, "key": "0" * 64}))
        with (
            pytest.raises(RuntimeError, match="Kernel didn't respond"),
            entered(forged, patience=1),
        ):
            pass


class TestWhileATaskRuns:
    def test_what_only_looks_is_answered(self, rc: ipp.Client, gate: Gate) -> None:
        rc[0]["fishing"], pid = [1, 2], rc[0].apply_sync(os.getpid)
        answer = rc[0].apply_async(pass_through, gate.path)
        with entered(rc[0].connection_file()) as console:
            client = console.client
            assert "fishing" in console.reply(client.complete("fish"))["matches"]
            assert console.reply(client.inspect("fishing"))["found"]
            assert console.reply(client.is_complete("for _ in [1]:"))["status"] == "incomplete"
            assert console.ask("usage_request")["pid"] == pid
            assert not answer.done()
        gate.open()
        answer.get(PATIENCE)

    def test_a_cell_takes_its_turn(self, rc: ipp.Client, gate: Gate) -> None:
        rc[0]["order"] = []
        first = rc[0].apply_async(pass_through, gate.path)
        with entered(rc[0].connection_file()) as console:
            request = console.send("order.append('cell')")
            wait_until(lambda: rc.queue_status(targets=0)["queue"] == 2)
            last = rc[0].execute("order.append('task')")
            gate.open()
            assert console.reply(request)["status"] == "ok"
            last.get(PATIENCE)
        first.get(PATIENCE)
        assert rc[0]["order"] == ["cell", "task"]

    def test_other_engines_work_on(self, rc: ipp.Client, gate: Gate) -> None:
        with entered(rc[0].connection_file()) as console:
            request = console.send(waiting_at(gate))
            console.wait_for(request, "execute_input")
            assert rc.load_balanced_view().map_sync(abs, range(-100, 0)) == list(range(100, 0, -1))
            gate.open()
            assert console.reply(request)["status"] == "ok"


class TestAnInterrupt:
    def test_ends_the_cell(self, rc: ipp.Client) -> None:
        with entered(rc[0].connection_file()) as console:
            request = console.send("import time; time.sleep(1000)")
            console.wait_for(request, "execute_input")
            assert console.ask("interrupt_request")["status"] == "ok"
            assert console.reply(request)["ename"] == "KeyboardInterrupt"
            assert console.run("'usable'").value == "'usable'"

    def test_takes_back_a_cell_that_waits_and_leaves_the_task_alone(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        task = rc[0].apply_async(pass_through, gate.path)
        with entered(rc[0].connection_file()) as console:
            request = console.send("ran = True")
            console.wait_for(request, "status")
            console.ask("interrupt_request")
            assert console.reply(request)["status"] == "aborted"
        gate.open()
        task.get(PATIENCE)
        assert "ran" not in [variable.name for variable in rc[0].variables()]

    def test_ends_the_task_if_there_is_no_cell(self, rc: ipp.Client, gate: Gate) -> None:
        task = rc[0].apply_async(pass_through, gate.path)
        with entered(rc[0].connection_file()) as console:
            wait_until(lambda: task.running())
            console.ask("interrupt_request")
            with pytest.raises(ipp.RemoteError, match="KeyboardInterrupt"):
                task.get(PATIENCE)


class TestLeaving:
    def test_an_engine_outlives_whoever_quits_it(self, rc: ipp.Client) -> None:
        pid = rc[0].apply_sync(os.getpid)
        with entered(rc[0].connection_file()) as console:
            assert console.run("quit()").reply["payload"] == [
                {"source": "ask_exit", "keepkernel": True}
            ]
            refused = console.ask("shutdown_request", {"restart": False})
            assert refused["status"] == "error"
            assert "client.stop_engines()" in refused["evalue"]
        assert rc[0].apply_sync(os.getpid) == pid

    def test_jupyters_console_runs_cells_and_goes(self, rc: ipp.Client, runtime: Path) -> None:
        rc[0]["secret"], path = "from the notebook", rc[0].connection_file()
        console = subprocess.run(
            [sys.executable, "-m", "jupyter_console", "--simple-prompt", f"--existing={path}"],
            input="print(secret)\nback = 'from the console'\nquit\n",
            env={**os.environ, "HOME": str(runtime), "JUPYTER_RUNTIME_DIR": str(runtime)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert "from the notebook" in console.stdout
        assert rc[0]["back"] == "from the console"


class TestTheEnd:
    def test_deletes_the_files(self, started: Started) -> None:
        client = started.client
        (path, _) = client[:].connection_file()
        key = json.loads(Path(path).read_text())["key"]

        client[0].apply_async(os.abort)
        wait_until(lambda: not Path(path).exists())
        client.wait_for_engines(2, timeout=PATIENCE)
        assert not list(Path(path).parent.glob("k0-*"))

        again = client[0].connection_file()
        assert json.loads(Path(again).read_text())["key"] != key
        with entered(again) as console:
            assert console.run("engine_id").value == "0"

    def test_comes_when_a_front_end_asks_for_it_and_may(self, started: Started) -> None:
        client = started.client
        before = client[1].apply_sync(os.getpid)
        with entered(client[1].connection_file(may_end=True)) as console:
            assert console.ask("shutdown_request", {"restart": True})["status"] == "ok"
        wait_until(lambda: client.ids == [0, 1] and client[1].apply_sync(os.getpid) != before)
        with entered(client[1].connection_file(may_end=True)) as console:
            assert console.ask("shutdown_request", {"restart": False})["status"] == "ok"
        wait_until(lambda: client.ids == [0])


class TestADebugger:
    def test_is_loaded_when_one_asks_for_it_and_stops_in_a_cell(self, started: Started) -> None:
        client, code = started.client, "a = 5\nb = a + 1\nc = b * 2\n"
        with entered(client[0].connection_file()) as console:
            assert "debugger" in console.looked("kernel_info")["supported_features"]
            assert client[0].apply_sync(modules_of_visitors)[-1:] != ["debugpy"]
            console.debug("initialize", clientID="test", adapterID="", pathFormat="path")
            assert console.debug("attach")["success"]
            path = console.debug("dumpCell", code=code)["body"]["sourcePath"]
            breakpoints = {"breakpoints": [{"line": 2}], "source": {"path": path}}
            assert console.debug("setBreakpoints", **breakpoints)["success"]
            assert console.debug("configurationDone")["success"]

            request = console.send(code)
            thread = console.wait_for_stop()
            frames = console.debug("stackTrace", threadId=thread)["body"]["stackFrames"]
            assert (frames[0]["line"], frames[0]["source"]["path"]) == (2, path)
            names = [variable.name for variable in client[0].variables()]
            assert names == ["a"], "the engine is looked into while it stands still"

            assert console.debug("continue", threadId=thread)["success"]
            assert console.reply(request)["status"] == "ok"
            assert console.debug("disconnect", terminateDebuggee=False)["success"]
        assert client[0]["c"] == 12
        client.stop_engines(0)
        wait_until(lambda: not Path(path).exists())
