"""The repository that the tests are of."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Its folder."""


def files() -> list[Path]:
    """Return every file that belongs to it: tracked, or new and not ignored; below `ROOT`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    names = set(filter(None, listed.split("\0")))
    return [Path(name) for name in sorted(names) if (ROOT / name).is_file()]
