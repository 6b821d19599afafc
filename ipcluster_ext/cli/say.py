"""What commands tell whoever has called them."""

import os
import sys


def say(text: str, *, error: bool = False) -> None:
    """Write a line at once.

    Parameters
    ----------
    text
        The line.
    error
        Whether it says what went wrong.
    """
    stream = sys.stderr if error else sys.stdout
    stream.write(f"{text}{os.linesep}")
    stream.flush()
