"""Modules that run in a fork of this process, which has imported most of what they need.

That is what `processes.start` does, but for the time that Python and its imports take. Only a
process with one thread may be forked.
"""

import contextlib
import gc
import logging
import os
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import NoReturn

_ARGUMENTS, _THEIR_END = 45, 46
"""Where ``/proc/self/stat`` says, behind the command's name, from where to where the arguments
stand in memory (``proc(5)``)."""
_STANDARD_STREAMS = 3
_never_closed: list[logging.Handler] = []


def fork(module: str, *, stdin: int, stdout: int, stderr: int) -> int:
    """Run a module's ``main`` in a fork of this process; no signal reaches it before it is one.

    Parameters
    ----------
    module
        Its name, as ``"ipcluster_ext.hub.app"``. It is imported there, unless it is already here.
    stdin, stdout, stderr
        File descriptors for its standard streams. It has no others of this process's.

    Returns
    -------
    Its process id.

    Raises
    ------
    OSError
        There are too many processes, or there is too little memory.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if not pid:
            _become(module, (stdin, stdout, stderr))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _become(module: str, streams: tuple[int, int, int]) -> NoReturn:
    """Run something where something else was; nothing of that is ever returned to."""
    code = 1
    try:
        _take_place(module, streams)
        there = import_module(module)
        sys.argv = [str(there.__file__)]
        code = there.main()
    except BaseException:  # noqa: BLE001 - as the interpreter does with what a program raises
        traceback.print_exc()
    finally:
        os._exit(code)


def _take_place(module: str, streams: tuple[int, int, int]) -> None:
    """Give this process what is its own: streams, signals and a name, and nothing from before.

    None of the objects from before may be collected: what it would close has a new owner by then.
    """
    gc.freeze()
    gc.enable()
    signal.set_wakeup_fd(-1)
    for signum in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _never_closed.extend(logging.root.handlers)
    logging.root.handlers.clear()
    logging.root.setLevel(logging.WARNING)
    for place, fd in enumerate(streams):
        os.dup2(fd, place)
    os.closerange(_STANDARD_STREAMS, os.sysconf("SC_OPEN_MAX"))
    _take_name(module)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _take_name(module: str) -> None:
    """Be a module to whoever lists processes, where the system lets a process say so.

    There is as much room as the arguments took with which this process was started.
    """
    with contextlib.suppress(OSError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[_ARGUMENTS]), int(fields[_THEIR_END])
        room = end - start
        name = module.removesuffix(".app")
        python = sys.executable
        ways = ([python, "-P", "-m", name], [Path(python).name, "-P", "-m", name], [name])
        texts = ["\0".join(words).encode() for words in ways]
        text = next((text for text in texts if len(text) < room), texts[-1][: room - 1])
        memory = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.pwrite(memory, text.ljust(room, b"\0"), start)
        finally:
            os.close(memory)
