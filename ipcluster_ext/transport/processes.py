"""What the system knows of processes, and how families of them begin and end (Linux).

Who starts a process ends it, and whatever that process has started in turn: engines lead a
process group each, which ends with them; what leaves its group falls to the host agent, as the
next *subreaper* above it; and every process of a cluster carries the cluster's folder in its
environment, so that it can be found even when its agent is gone.
"""

import fcntl
import os
import signal
import sys
import termios
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

CLUSTER_VARIABLE = "IPCLUSTER_EXT_CLUSTER"
"""The environment variable that names the folder of the cluster a process belongs to."""
COLD = "IPCLUSTER_EXT_COLD"
"""The one that tells a home agent to have no engines of its own, at first: it is set, or not."""

_PROC = Path("/proc")
_DEVICES = Path("/dev")
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_STATE, _PARENT, _USER_TIME, _SYSTEM_TIME, _STARTED, _RESIDENT = 0, 1, 11, 12, 19, 21
_TICK = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_KIB = 1024
_TURN = 0.005
_DEAD = frozenset("ZXx")

FileAction = tuple[int, ...]


class Usage(NamedTuple):
    """What a process has used: seconds of CPU time, and bytes of memory."""

    seconds: float = 0.0
    nbytes: int = 0


_NOTHING = Usage()


class Exit(NamedTuple):
    """The end of a process.

    Attributes
    ----------
    code
        As in `subprocess`: negative numbers are signals.
    used
        What it used in all; the most memory it ever had.
    """

    pid: int
    code: int
    used: Usage = _NOTHING


def _stat(pid: int) -> list[str] | None:
    """Return what ``/proc/PID/stat`` says after the command's name, None without such a process."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def name_of_this() -> str:
    """Name this process for people: by its notebook, or else by its script or package."""
    notebook = os.environ.get("JPY_SESSION_NAME", "")
    script = Path(sys.argv[0] if sys.argv else "")
    if script.name == "__main__.py":
        script = script.parent  # a package was run, as by python -m
    return Path(notebook).name or script.name or "python"


def start_of(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it does not run.

    Together with its number this names a process for good. One that is dead and has not been
    waited for does not run.
    """
    fields = _stat(pid)
    return None if fields is None or fields[_STATE] in _DEAD else int(fields[_STARTED])


def age_of(started: int) -> float:
    """Return how long ago a process started, in seconds, as `start_of` tells when."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started * _TICK


def usage_of(pid: int) -> Usage | None:
    """Return what a process has used until now, None if there is no such process."""
    fields = _stat(pid)
    if fields is None:
        return None
    ticks = int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])
    return Usage(ticks * _TICK, int(fields[_RESIDENT]) * _PAGE)


def own_memory_of(pid: int) -> int:
    """Return how much memory a process has in bytes, 0 if there is none.

    What it shares with others does not count: files that it has mapped, shared memory.
    """
    try:
        text = (_PROC / str(pid) / "statm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    _, resident, shared, *_ = map(int, text.split())
    return (resident - shared) * _PAGE


def gpus_here() -> int:
    """Return how many GPUs of NVIDIA this host has, as far as its driver tells."""
    files = [path for path in _DEVICES.glob("nvidia*") if path.name[6:].isdecimal()]
    if files:  # a container is given some of them
        return len(files)
    folder = _PROC / "driver/nvidia/gpus"
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def _prctl(option: int, value: int) -> None:
    import ctypes  # takes a while to import, and clients never need it

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def die_with(parent: int) -> None:
    """Have the system kill this process when the thread that started it ends.

    Parameters
    ----------
    parent
        The process that started this one. If it is gone already, this process ends at once.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def wake_at_end_of_parent() -> None:
    """Have the system continue this process when the thread that started it ends.

    So it notices that end even if it is stopped by then.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def start(
    module: str,
    *,
    stdin: int,
    stdout: int,
    stderr: int,
    own_group: bool = False,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Start a module of this package as a process, as quickly as can be.

    Parameters
    ----------
    module
        Its name, as ``"ipcluster_ext.hub"``.
    stdin, stdout, stderr
        File descriptors for its standard streams.
    own_group
        Whether it leads a process group of its own. Not a session: Linux gives each session its
        share of the processors (``sched(7)``, autogroup), and where others compute, a message
        would wait for a turn at every step from one session to the next.
    environment
        Its environment; this process's if not given.

    Returns
    -------
    Its process id.
    """
    import sys  # only those that start something

    redirections: list[FileAction] = [
        (os.POSIX_SPAWN_DUP2, fd, place) for place, fd in enumerate((stdin, stdout, stderr))
    ]
    spawn = partial(os.posix_spawn, setpgroup=0) if own_group else os.posix_spawn
    return spawn(
        sys.executable,
        [sys.executable, "-P", "-m", module],
        os.environ if environment is None else environment,
        file_actions=redirections,
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD),
    )


def leave_terminal() -> None:
    """Have no terminal from now on, nor will what this process starts.

    Whoever reads from one in the background is stopped; without one, who wants to ask for a
    password gets an error. One that leads a session keeps it: the others there would be hung up on.
    """
    if os.getsid(0) == os.getpid():
        return
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return  # there is none
    try:
        fcntl.ioctl(terminal, termios.TIOCNOTTY)
    finally:
        os.close(terminal)


def signal_group(leader: int, signum: int) -> None:
    """Send a signal to a process and what it has started; if it is gone, do nothing."""
    try:
        os.killpg(leader, signum)
    except ProcessLookupError:
        signal_one(leader, signum)  # it may not lead its group yet


def signal_one(pid: int, signum: int) -> None:
    """Send a signal to a process; if it is gone, do nothing."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return


def reap(leaders: Iterable[int]) -> Iterator[Exit]:
    """Take leave of the children that have ended, without waiting for others.

    Parameters
    ----------
    leaders
        Children that lead a process group. What is left of it is killed while the number is
        still theirs, so that nobody else can be hit.
    """
    groups = frozenset(leaders)
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            if ended.si_pid in groups:
                signal_group(ended.si_pid, signal.SIGKILL)
            pid, status, used = os.wait4(ended.si_pid, 0)
        except ChildProcessError:
            return
        usage = Usage(used.ru_utime + used.ru_stime, used.ru_maxrss * _KIB)
        yield Exit(pid, os.waitstatus_to_exitcode(status), usage)


def has_children() -> bool:
    """Whether this process has children, ended or not."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def children() -> list[int]:
    """Return the children of this process, those that have ended included."""
    own = str(os.getpid())
    stats = ((pid, _stat(pid)) for pid in _all())
    return [pid for pid, stat in stats if stat is not None and stat[_PARENT] == own]


def members(folder: str) -> list[int]:
    """Return the processes of a cluster, as their environments tell; never this one.

    Parameters
    ----------
    folder
        The cluster's folder, or that of an agent whose hub is elsewhere: of such a one, who
        started it may have told no more than the name.
    """
    marks = {os.fsencode(f"{CLUSTER_VARIABLE}={name}") for name in (folder, Path(folder).name)}
    found: list[int] = []
    for pid in _all():
        try:
            environment = (_PROC / str(pid) / "environ").read_bytes()
        except OSError:
            continue  # it is gone, or somebody else's
        if not marks.isdisjoint(environment.split(b"\0")) and pid != os.getpid():
            found.append(pid)
    return found


def end_members(folder: str, *, within: float) -> None:
    """Kill the processes of a cluster whose agent is gone.

    Parameters
    ----------
    folder
        The cluster's folder.
    within
        How long to wait until all have ended, in seconds.
    """
    deadline = time.monotonic() + within
    while there := members(folder):
        for pid in there:
            signal_one(pid, signal.SIGKILL)
        if time.monotonic() >= deadline:
            return
        time.sleep(_TURN)


def _all() -> list[int]:
    return [int(path.name) for path in _PROC.iterdir() if path.name.isdecimal()]
