"""The last lines of logs, as browsers are shown them."""

from pathlib import Path

from ipcluster_ext.errors import ClusterError

_TAIL = 32 * 1024


def cluster_log(folder: Path) -> str:
    """Return the last lines of a cluster's hub and agent."""
    parts = [(name, tail(folder / f"{name}.log")) for name in ("agent", "hub")]
    return "\n".join(f"{name}: {line}" for name, text in parts for line in text.splitlines())


def engine_log(folder: Path, engine: int) -> str:
    """Return the last lines that an engine's process has written.

    Raises
    ------
    ClusterError
        There is no such log.
    """
    path = folder / f"engine-{engine}.log"
    if not path.exists():
        msg = f"engine {engine} has no log here"
        raise ClusterError(msg)
    return tail(path)


def tail(path: Path) -> str:
    """Return the end of a file, empty if it is not there."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
