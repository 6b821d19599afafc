"""What a task forks: ordinary processes, which end where their task would."""

import os
import signal
import sys
from typing import NoReturn

from ipcluster_ext.engine import context
from ipcluster_ext.transport import pastime

_OURS = (signal.SIGINT, signal.SIGTERM)


class Forks:
    """Tells a fork from the engine itself, and makes it ordinary as it begins.

    `multiprocessing` ends its processes with SIGTERM, perhaps as soon as they are forked. Where
    that arrived before the engine's handler is taken away, it would be noted and never obeyed.
    """

    def __init__(self) -> None:
        self.is_fork = False
        os.register_at_fork(
            before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _OURS),
            after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS),
            after_in_child=self._begin,
        )

    def _begin(self) -> None:
        """Have signals do what they do everywhere, and output go to the engine's log."""
        self.is_fork = True
        context.enter(None)
        pastime.install(None)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__

    def end(self) -> NoReturn:
        """End a fork that came back from its task: what follows is the engine's to do."""
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(0)
