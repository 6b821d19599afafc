"""The foreman's process. Its standard input is its lifeline, from the home agent.

The first line names programs that are to be started ahead of everything, the second is the agent's
configuration. A connection by ssh comes up while this process reads its own modules.
"""

import json
import sys

from ipcluster_ext.cluster.ahead import Ahead


def main() -> int:
    """Start engines on other hosts until the home agent says that it is enough.

    Returns
    -------
    The exit code.
    """
    line = sys.stdin.buffer.raw.readline()  # type: ignore[union-attr]
    ahead = Ahead(json.loads(line) if line.strip() else ())
    try:
        from ipcluster_ext.cluster.foreman import foreman  # what is started ahead comes first

        return foreman.serve(ahead)
    finally:
        ahead.end()
