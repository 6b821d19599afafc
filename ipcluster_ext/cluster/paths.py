"""Where engines look for modules: wherever the client does."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

_INSTALLED = frozenset({"site-packages", "dist-packages"})


def engine_path(path: Iterable[str], *, cwd: str, stdlib: str | None = None) -> list[str]:
    """Choose the entries of a module path that engines do not have by themselves.

    Parameters
    ----------
    path
        The client's `sys.path`.
    cwd
        What the entries ``''`` and ``'.'`` mean.
    stdlib
        The folder of the standard library; this interpreter's if not given.

    Returns
    -------
    Folders, as absolute paths, in order: no archives, nothing of the standard library or of what
    is installed.
    """
    standard = PurePath(stdlib) if stdlib else PurePath(os.__file__).parent
    chosen = [
        entry
        for entry in (str(Path(cwd, entry)) for entry in path)
        if not _own(PurePath(entry), standard) and Path(entry).is_dir()
    ]
    return unique(chosen)


def _own(entry: PurePath, standard: PurePath) -> bool:
    """Whether every Python of this installation has the entry."""
    return entry.is_relative_to(standard) or not _INSTALLED.isdisjoint(entry.parts)


def unique(entries: Sequence[str]) -> list[str]:
    """Leave out what came before."""
    return list(dict.fromkeys(entries))
