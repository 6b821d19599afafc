"""Where batch jobs have their scripts, keys and logs: in folders that the nodes see, too."""

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ipcluster_ext.cluster.launchers.contract import WrongOption
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.files import tail, write_private
from ipcluster_ext.transport.sockets import check_folder
from ipcluster_ext.transport.thishost import host_identity

_IN_MEMORY = ("tmpfs", "ramfs")
_HOME = ".home"
_TAIL = 16384


class JobPaths:
    """What the files of a submission are called.

    Parameters
    ----------
    folder
        Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def config(self) -> Path:
        """The file that the agents read; it holds keys."""
        return self.folder / "agent.json"

    @property
    def script(self) -> Path:
        """What the batch system runs."""
        return self.folder / "job.sh"

    def code(self, index: int) -> Path:
        """Return the file that takes the exit code of a job of an array."""
        return self.folder / f"code-{index}"

    def log(self, index: int) -> Path:
        """Return the file that takes what a job writes."""
        return self.folder / f"log-{index}"


class JobFiles(JobPaths):
    """The folder of one submission; it is deleted when its jobs have ended and nobody asks again.

    Parameters
    ----------
    folder
        Where; it is there.

    Raises
    ------
    ClusterError
        Others could exchange what is in it.
    OSError
        It is not there.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._finished = [False]  # what ends this object must not hold it
        check_folder(folder)
        weakref.finalize(self, _leave, folder, self._finished)

    @classmethod
    def below(cls, parent: Path) -> "JobFiles":
        """Make a folder for another submission.

        Raises
        ------
        ClusterError
            It cannot be made, or others could exchange what is in it.
        """
        _make(parent)
        return cls(Path(tempfile.mkdtemp(prefix="job-", dir=parent)))

    def write(self, script: str, config: bytes) -> None:
        """Write the script, and what no script may contain."""
        write_private(self.config, config)
        write_private(self.script, script.encode())
        self.script.chmod(0o700)

    def last_word(self, index: int) -> tuple[int, str] | None:
        """Return what a job's script wrote in the end, None if it has not.

        Returns
        -------
        Its exit code, and the signal by which it was told to end; empty if it was not.
        """
        try:
            code, _, told = self.code(index).read_text().strip().partition(" ")
            return int(code), told
        except (OSError, ValueError):
            return None

    def tail(self, index: int) -> str:
        """Return the last lines of a job's log, empty if there is none."""
        return tail(self.log(index), _TAIL)

    def finish(self) -> None:
        """Delete the keys, as no job needs them any more; the rest follows with this object."""
        self._finished[0] = True
        self.config.unlink(missing_ok=True)


def _leave(folder: Path, finished: list[bool]) -> None:
    """Delete a folder whose jobs have ended, and its parent if that was the last one there."""
    if not finished[0]:
        return
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        if [path.name for path in folder.parent.iterdir()] in ([], [_HOME]):
            (folder.parent / _HOME).unlink(missing_ok=True)
            folder.parent.rmdir()


def whereabouts(chosen: str, order_folder: Path, cluster: str) -> Path:
    """Return where a cluster's jobs have their files; nothing is made there.

    Parameters
    ----------
    chosen
        What the profile says; empty if it says nothing.
    order_folder
        The cluster's folder for launchers, on this host. It is used unless it is in memory, which
        no other host sees; then it is one in the user's home.
    cluster
        The cluster's id.

    Raises
    ------
    WrongOption
        That is no absolute path.
    """
    if not chosen and not in_memory(order_folder):
        return order_folder / "jobs"
    parent = Path(chosen).expanduser() if chosen else default_folder()
    if not parent.is_absolute():
        msg = f"folder = {chosen!r} has to be an absolute path, or to begin with '~'"
        raise WrongOption(msg, "folder")
    return parent / cluster


def place(chosen: str, order_folder: Path, cluster: str) -> Path:
    """Return the same, and delete what clusters that have ended left beside it.

    Raises
    ------
    ClusterError
        It cannot be made, or others could exchange what is in it.
    """
    folder = whereabouts(chosen, order_folder, cluster)
    if folder.parent != order_folder:
        _sweep(folder.parent)
        _make(folder)
        write_private(folder / _HOME, f"{host_identity()}\n{order_folder}".encode())
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder} cannot be made: {error.strerror}; name another one as 'folder'"
        raise ClusterError(msg) from None
    check_folder(folder)


def default_folder() -> Path:
    """Return where jobs have their files if the cluster's own folder will not do."""
    return Path.home() / ".local" / "state" / "ipcluster-ext-jobs"


def _sweep(parent: Path) -> None:
    """Delete the folders of clusters of this host that have ended."""
    for mark in parent.glob(f"*/{_HOME}"):
        with suppress(OSError, ValueError):
            host, home = mark.read_text().split("\n", 1)
            if host == host_identity() and not Path(home).exists():
                shutil.rmtree(mark.parent, ignore_errors=True)


def in_memory(path: Path) -> bool:
    """Return whether a folder is in this host's memory, as far as the system tells."""
    best = max(_mounts(), key=lambda mount: _depth(path, mount[0]), default=None)
    return best is not None and best[1] in _IN_MEMORY


def _depth(path: Path, mount: str) -> int:
    inside = path.resolve().is_relative_to(mount)
    return len(Path(mount).parts) if inside else 0


def _mounts() -> Iterator[tuple[str, str]]:
    """Yield each mounted file system: where, and of which kind."""
    try:
        text = Path("/proc/mounts").read_text()
    except OSError:
        return
    for entry in text.splitlines():
        fields = entry.split()
        if len(fields) > 2:
            yield fields[1].replace("\\040", " "), fields[2]
