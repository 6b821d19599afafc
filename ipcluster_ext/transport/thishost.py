"""What this host is called, and where its memory is that processes share."""

import hashlib
import os
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - folders of mode 0700 are made in it


def host_identity() -> str:
    """Name this host so that two processes with the same name share its memory files.

    Containers of one machine have a ``/dev/shm`` each and so differ.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        device = SHARED_MEMORY.stat().st_dev
    except OSError:
        return os.uname().nodename
    mixed = hashlib.blake2b(f"{boot}:{device}".encode(), digest_size=6).hexdigest()
    return f"{os.uname().nodename}-{mixed}"
