"""Running the programs of other systems: from lists of arguments, and never for ever."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ipcluster_ext.errors import ClusterError

_LONGEST_WORDS = 2000


class Said(NamedTuple):
    """What a program answered.

    Attributes
    ----------
    code
        Its exit code.
    output, errors
        What it wrote to its standard output, and to its standard error.
    """

    code: int
    output: str
    errors: str

    @property
    def complaint(self) -> str:
        """What it says is wrong, in one paragraph."""
        words = self.errors.strip() or self.output.strip() or f"exit code {self.code}"
        return words[-_LONGEST_WORDS:]


def missing(names: Sequence[str], remedy: str) -> list[str]:
    """Return a line about each program that cannot be found here.

    Parameters
    ----------
    names
        The programs.
    remedy
        What to do about those that are missing.
    """
    return [f"there is no {name} here: {remedy}" for name in names if shutil.which(name) is None]


def run(
    arguments: Sequence[str],
    *,
    timeout: float,
    remedy: str,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
) -> Said:
    """Run a program to its end.

    Parameters
    ----------
    arguments
        The program and what it is told; no shell sees them.
    timeout
        After so many seconds it is killed.
    remedy
        What to do if there is no such program.
    stdin
        What it can read.
    environment
        Its environment; this process's if not given.

    Raises
    ------
    ClusterError
        It cannot be found or started, or did not end in time.
    """
    name = arguments[0]
    try:
        done = subprocess.run(
            arguments,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env=environment,
        )
    except FileNotFoundError:
        msg = f"there is no {name} here: {remedy}"
        raise ClusterError(msg) from None
    except subprocess.TimeoutExpired:
        msg = f"{name} did not answer within {timeout:g} s"
        raise ClusterError(msg) from None
    except (OSError, ValueError) as error:
        msg = f"{name} cannot be started: {error}"
        raise ClusterError(msg) from None
    return Said(done.returncode, done.stdout, done.stderr)
