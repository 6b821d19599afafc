"""Where an engine's kernel has its files, once it is open to Jupyter's front ends."""

from pathlib import Path

from ipcluster_ext.protocol.ids import EngineId


def kernel_file(folder: Path, engine: EngineId) -> Path:
    """Return the file by which front ends find the kernel of an engine."""
    return folder / f"kernel-{engine}.json"


def socket_files(folder: Path, engine: EngineId) -> Path:
    """Return what the names of an engine's socket files begin with; they are short for a reason."""
    return folder / f"k{engine}"


def sweep(folder: Path, engine: EngineId) -> None:
    """Delete what an engine that has ended left of its kernel's files, if there are any."""
    file = kernel_file(folder, engine)
    if not file.exists():
        return
    for path in [*folder.glob(f"{socket_files(folder, engine).name}-*"), file]:
        path.unlink(missing_ok=True)
