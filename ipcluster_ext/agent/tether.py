"""A second lifeline for an agent that has lost its first: whoever starts it again holds it.

An agent on another host outlives the connection by which it was started. Where another one is to
be started in its place, it is not: this process holds on to the old one instead, passes on the word
to end, and ends when that has ended.
"""

import contextlib
import os
import select
import signal
import sys

from ipcluster_ext.agent.contact import THE_END
from ipcluster_ext.agent.wakeups import end_of
from ipcluster_ext.transport.processes import signal_one

UP = b"up\n"
GONE = 1
"""The exit code if the old agent has ended by itself."""


def hold(agent: int) -> int | None:
    """Serve an agent that runs already as its lifeline, from standard input.

    Parameters
    ----------
    agent
        Its process.

    Returns
    -------
    The exit code; None if it has gone meanwhile.
    """
    end = end_of(agent)
    if end is None:
        return None
    with contextlib.suppress(OSError):
        os.write(1, UP)
    poll = select.poll()
    for fd in (0, end):
        poll.register(fd, select.POLLIN)
    heard, told = b"", False
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if end in ready:
            return _ended(told=told)
        data = os.read(0, 4096)
        if not data:
            if not told:
                return 0  # it goes on by itself, for a while
            poll.unregister(0)
        *lines, heard = (heard + data).split(b"\n")
        if THE_END in lines and not told:
            told = True
            signal_one(agent, signal.SIGTERM)


def _ended(*, told: bool) -> int:
    if told:
        return 0
    sys.stderr.write("the agent that was running here has ended by itself\n")
    return GONE
