"""In the place of a host agent: says that it is there, and ends when it is told to.

Its configuration names a folder. It writes a file there when it comes and another one when it
leaves; a file of the name "end" there has it end, with the exit code that stands in it.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    """Return the exit code."""
    config = Path(sys.argv[sys.argv.index("--config") + 1])
    told = json.loads(config.read_text())
    folder = Path(told["there"])
    signal.signal(signal.SIGTERM, lambda *_: _leave(folder, "was told to end"))
    said = {
        "pid": os.getpid(),
        "count": told["count"],
        "first": told["first"],
        "mode": f"{config.stat().st_mode & 0o777:o}",
        "environ": dict(os.environ),
        "argv": sys.argv,
    }
    part = folder / f".came-{os.getpid()}"
    part.write_text(json.dumps(said))
    part.rename(folder / f"came-{os.getpid()}")
    sys.stdout.write("some last words\n")
    sys.stdout.flush()
    while True:
        try:
            return int((folder / "end").read_text())
        except FileNotFoundError:
            time.sleep(0.02)


def _leave(folder: Path, how: str) -> None:
    (folder / f"left-{os.getpid()}").write_text(how)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
