import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ipcluster_ext.transport import processes
from tests.support.waiting import wait_until


def test_a_process_is_known_by_its_start() -> None:
    own = processes.start_of(os.getpid())

    with subprocess.Popen(["sleep", "100"]) as child:
        later = processes.start_of(child.pid)
        child.kill()

    assert own is not None
    assert later is not None
    assert own <= later


def test_a_dead_process_has_no_start_even_before_it_is_waited_for() -> None:
    with subprocess.Popen(["true"]) as child:
        wait_until(lambda: processes.start_of(child.pid) is None)
        assert (Path("/proc") / str(child.pid)).exists()

    assert processes.start_of(child.pid) is None


def test_reaping_tells_how_each_child_ended() -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", code])
        for code in ("raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)")
    ]
    seen: dict[int, int] = {}

    def reaped() -> bool:
        seen.update(exited[:2] for exited in processes.reap(()))  # others' children may be there
        return all(child.pid in seen for child in children)

    wait_until(reaped)

    assert [seen[child.pid] for child in children] == [3, -9]
    for child in children:
        child.returncode = seen[child.pid]


def test_reaping_tells_what_each_child_used() -> None:
    code = "b = bytearray(50_000_000); n = sum(range(2_000_000))"
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        found: list[processes.Exit] = []

        def reaped() -> bool:
            found.extend(exited for exited in processes.reap(()) if exited.pid == child.pid)
            return bool(found)

        wait_until(reaped)
        child.returncode = 0

    [exited] = found
    assert exited.used.seconds > 0
    ours = processes.usage_of(os.getpid())  # a child begins with its parent's memory
    assert ours is not None
    assert 50_000_000 < exited.used.nbytes < 1_000_000_000 + 2 * ours.nbytes


def test_what_a_process_uses_can_be_seen_while_it_lives() -> None:
    used = processes.usage_of(os.getpid())

    assert used is not None
    assert used.seconds > 0
    assert used.nbytes > 1_000_000
    assert processes.usage_of(2**22 + 1) is None


def test_reaping_a_leader_kills_its_group() -> None:
    leader = subprocess.Popen(["sh", "-c", "sleep 987 & echo $!"], stdout=-1, process_group=0)
    assert leader.stdout is not None
    with leader.stdout:
        member = int(leader.stdout.readline())
    assert processes.start_of(member) is not None
    seen: dict[int, int] = {}
    wait_until(lambda: seen.update(e[:2] for e in processes.reap([leader.pid])) or seen)

    wait_until(lambda: processes.start_of(member) is None)
    leader.returncode = seen[leader.pid]


def test_a_signal_to_who_is_gone_is_nothing() -> None:
    with subprocess.Popen(["true"]) as child:
        pass

    processes.signal_group(child.pid, signal.SIGKILL)


@pytest.mark.parametrize("said", ["/nowhere/a", "a"])
def test_members_are_found_by_their_environment(said: str) -> None:
    environment = {processes.CLUSTER_VARIABLE: said}
    with subprocess.Popen(["/bin/sleep", "100"], env=environment) as child:
        wait_until(lambda: processes.members("/nowhere/a"))
        found = (processes.members("/nowhere/a"), processes.members("/nowhere"))
        child.kill()

    assert found == ([child.pid], [])


ASKS_FOR_A_TERMINAL = """
import fcntl, os, subprocess, sys, termios
from ipcluster_ext.transport import processes

def has_a_terminal():
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True

if sys.argv[1:] == ["child"]:
    before = has_a_terminal()
    processes.leave_terminal()
    asked = f"import runpy, sys; sys.argv = ['', 'seen']; runpy.run_path({sys.argv[0]!r})"
    below = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True).stdout
    print(before, has_a_terminal(), below.strip())
elif sys.argv[1:] == ["seen"]:
    print(has_a_terminal())
else:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    processes.leave_terminal()
    subprocess.run([sys.executable, sys.argv[0], "child"], check=True)
    print(has_a_terminal())
"""


def test_who_leaves_the_terminal_has_none_nor_have_its_children(tmp_path: Path) -> None:
    program = tmp_path / "asks.py"
    program.write_text(ASKS_FOR_A_TERMINAL)
    ours, theirs = os.openpty()

    ran = subprocess.run(
        [sys.executable, program],
        stdin=theirs,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        check=True,
    )
    os.close(ours)
    os.close(theirs)

    # The last word is the leader's: it keeps the terminal, and so do the others of its session.
    assert ran.stdout.split() == ["True", "False", "False", "True"]
