"""The command line's door: which command, and how it ends.

Exit codes: 0 done, 1 it failed (the reason is on stderr), 2 it was called wrongly, 10 such a
cluster is running already, 12 there is no such cluster, 130 it was interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from ipcluster_ext.cli import (
    byhand,
    completion,
    connecting,
    doctor,
    profiles,
    showing,
    starting,
)
from ipcluster_ext.cli.choice import NoCluster
from ipcluster_ext.cli.starting import NO_CLUSTER
from ipcluster_ext.errors import IpclusterError

FAILED = 1
INTERRUPTED = 130
_EPILOG = """exit codes: 0 done, 1 failed, 2 called wrongly, 10 running already, 12 no such cluster,
130 interrupted"""


def parser() -> argparse.ArgumentParser:
    """Make what reads the command line."""
    top = argparse.ArgumentParser(
        prog="ipcluster-ext", description="Clusters of Jupyter engines.", epilog=_EPILOG
    )
    top.add_argument("--version", action="version", version=version("ipcluster-ext"))
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for room in (starting, byhand, connecting, showing, profiles, doctor, completion):
        room.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Parameters
    ----------
    arguments
        The words after the command's name; those of this process if not given.

    Returns
    -------
    The exit code.
    """
    reader = parser()
    options = reader.parse_args(arguments)
    try:
        code: int = options.run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # who reads has enough
        sys.stderr.close()
        return 0
    except (IpclusterError, ValueError, TimeoutError, OSError) as error:
        sys.stderr.write(f"ipcluster-ext: {error}\n")
        return NO_CLUSTER if isinstance(error, NoCluster) else FAILED
    return code
