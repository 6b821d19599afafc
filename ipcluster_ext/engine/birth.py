"""From a process that has the modules to one that has an engine's place: files, path, chance."""

import contextlib
import faulthandler
import os
import random
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path

from ipcluster_ext.engine import blas
from ipcluster_ext.protocol.process import EngineConfig
from ipcluster_ext.protocol.shares import Share

_THREAD_LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@contextlib.contextmanager
def no_threads(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Have numerical libraries that are imported meanwhile start no thread.

    A process with threads cannot be forked. What the user chose is there again afterwards: each
    engine is told how many threads to use, those of libraries that are loaded by then included.

    Parameters
    ----------
    environment
        The process's; it is changed, and changed back.
    """
    before = {name: environment.get(name) for name in _THREAD_LIMITS}
    environment.update(dict.fromkeys(_THREAD_LIMITS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value


def take_share(share: Share) -> None:
    """Keep this process to what it may use of its host."""
    os.environ.update(share.environment)
    if share.cores:
        try:
            os.sched_setaffinity(0, share.cores)
        except OSError as error:  # somebody has taken them from its agent meanwhile
            sys.stderr.write(f"it is not kept to the processors {share.cores}: {error}\n")
    if share.threads > 1:
        blas.use_threads(share.threads)


def take_place(config: EngineConfig) -> None:
    """Give this process what is the engine's own: group, output, folder, path, randomness."""
    with contextlib.suppress(PermissionError):  # it leads a session
        os.setpgid(0, 0)
    _redirect(config.log)
    take_share(config.share)
    if config.cwd:
        try:
            os.chdir(Path(config.cwd).expanduser())
        except (OSError, RuntimeError) as error:
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
