"""The last lines of logs, as browsers are shown them."""

from pathlib import Path

from ipcluster_ext.transport import files

_TAIL = 32 * 1024


def cluster_log(folder: Path) -> str:
    """Return the last lines of a cluster's hub and agent."""
    parts = [(name, files.tail(folder / f"{name}.log", _TAIL)) for name in ("agent", "hub")]
    return "\n".join(f"{name}: {line}" for name, text in parts for line in text.splitlines())


def engine_log(folder: Path, engine: int) -> str | None:
    """Return the last lines that an engine's process has written, None if not on this host."""
    path = files.engine_log(folder, engine)
    return files.tail(path, _TAIL) if path.exists() else None
