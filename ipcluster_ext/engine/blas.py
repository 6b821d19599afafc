"""OpenBLAS, if it is loaded: how many threads it uses from now on.

It reads its variables when it is loaded, and engines are forked from a process that has loaded it
with one thread: more would make that unsafe. In the engine it starts the others at once (0.2 ms).
"""

import ctypes
import logging
from pathlib import Path

_MAPS = Path("/proc/self/maps")
_NAMES = tuple(
    f"{prefix}openblas_set_num_threads{suffix}"
    for prefix in ("", "scipy_")
    for suffix in ("", "64_")
)

log = logging.getLogger(__name__)


def use_threads(count: int) -> None:
    """Have each OpenBLAS in this process use so many threads; do nothing if there is none."""
    for path in _loaded():
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            log.debug("%s cannot be used: %s", path, error)
            continue
        for name in _NAMES:
            if (setter := getattr(library, name, None)) is not None:
                setter(count)


def _loaded() -> set[str]:
    """Return the files of all that are loaded, as the system maps them."""
    lines = (line.split(maxsplit=5) for line in _MAPS.read_text().splitlines())
    paths = {words[5] for words in lines if len(words) > 5}
    return {path for path in paths if "openblas" in Path(path).name}
