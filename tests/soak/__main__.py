"""``python -m tests.soak [PART [ARGUMENTS ...]]``: long runs, for a night rather than for a commit.

A part is a module of this folder with ``main(arguments)``, which returns an exit code. Without a
part all of them run, one after the other, each with its defaults.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

Main = Callable[[Sequence[str]], int]


def parts() -> list[str]:
    """Return the names of the parts."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(file.stem for file in files if not file.stem.startswith("_"))


def main(arguments: Sequence[str]) -> int:
    """Run one part, or all.

    Returns
    -------
    The exit code: 0 if nothing went wrong, 2 if there is no such part.
    """
    known = parts()
    chosen, rest = (arguments[:1], arguments[1:]) if arguments else (known, [])
    if unknown := [part for part in chosen if part not in known]:
        sys.stderr.write(f"no such part: {unknown[0]}; parts: {', '.join(known)}\n")
        return 2
    failed = [part for part in chosen if _run(part, rest)]
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def _run(part: str, arguments: Sequence[str]) -> int:
    sys.stdout.write(f"== {part}\n")
    sys.stdout.flush()
    run: Main = importlib.import_module(f"tests.soak.{part}").main
    return run(list(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
