"""From a process that has the modules to one that has an engine's place: files, path, chance."""

import contextlib
import faulthandler
import os
import random
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from ipcluster_ext.protocol.process import EngineConfig

_THREAD_LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def one_thread_each(environment: MutableMapping[str, str]) -> bool:
    """Have numerical libraries use one thread in each engine, unless the user chose otherwise.

    To be called before any of them is imported.

    Parameters
    ----------
    environment
        The process's; it is changed.

    Returns
    -------
    Whether importing them now starts no thread.
    """
    chosen = [environment[name] for name in _THREAD_LIMITS if name in environment]
    if not chosen:
        environment.update(dict.fromkeys(_THREAD_LIMITS, "1"))
    return all(count == "1" for count in chosen)


def take_place(config: EngineConfig) -> None:
    """Give this process what is the engine's own: session, output, folder, path, randomness."""
    with contextlib.suppress(PermissionError):  # it leads a session already
        os.setsid()
    _redirect(config.log)
    if config.cwd:
        try:
            os.chdir(config.cwd)
        except OSError as error:
            sys.stderr.write(f"the working folder stays {Path.cwd()}: {error}\n")
    sys.path[:] = arranged(sys.path, config.sys_path, str(Path(os.__file__).parent))
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _redirect(log: str) -> None:
    """Read nothing, and write what goes to file descriptors 1 and 2 to the engine's log.

    So does what Python has to say of its own death, where it has: the stacks of all threads.
    """
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    for fd, place in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(fd, place)
    os.close(nothing)
    os.close(output)
    faulthandler.enable(2, all_threads=True)


def arranged(path: Sequence[str], more: Sequence[str], stdlib: str) -> list[str]:
    """Put folders on a module path after the standard library and before what is installed.

    So a file called ``random.py`` in the user's folder hides no module of the standard library.

    Parameters
    ----------
    path
        The path as the interpreter made it.
    more
        The folders to add, in order; those that are there already stay where they are.
    stdlib
        The folder of the standard library.

    Returns
    -------
    The new path.
    """
    standard = {stdlib, f"{stdlib}/lib-dynload"}
    places = [place for place, entry in enumerate(path) if entry in standard]
    after = places[-1] + 1 if places else len(path)
    new = [entry for entry in more if entry not in path]
    return [*path[:after], *new, *path[after:]]
