"""``%autopx``: cells become ``%%px`` cells as they are read.

That is done to the text, before IPython looks at it, so it holds for whatever runs cells: for
notebooks, consoles, and cells that await something.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class AutoPx:
    """Changes the lines of cells so that they run on the engines, while it is on.

    Parameters
    ----------
    suffix
        What the names of the magics end with.
    own
        The names of the line magics that are always carried out here.
    """

    has_side_effects = True
    """Have IPython not ask it whether a cell is complete: that depends on the code alone."""

    def __init__(self, suffix: str, own: Sequence[str]) -> None:
        self._suffix = suffix
        names = "|".join(map(re.escape, own))
        self._own = re.compile(rf"%(?:{names})(?:\s|$)")
        self._toggle = re.compile(rf"%autopx{re.escape(suffix)}(?:\s|$)")
        self._magic = re.compile(rf"%%px{re.escape(suffix)}(?:\s|$)")

    def turn(self, shell: "InteractiveShell") -> bool:
        """Turn it on, or off if it is on; return whether it is on now."""
        if self in shell.input_transformers_cleanup:
            self.turn_off(shell)
            return False
        shell.input_transformers_cleanup.append(self)
        return True

    def turn_off(self, shell: "InteractiveShell") -> None:
        """Turn it off, if it is on."""
        if self in shell.input_transformers_cleanup:
            shell.input_transformers_cleanup.remove(self)

    def __call__(self, lines: list[str]) -> list[str]:
        """Return a cell's lines as they are to be run here.

        Parameters
        ----------
        lines
            The cell as it was typed, without indentation and prompts.
        """
        if lines and self._magic.match(lines[0]):
            return lines
        end = next((n for n, line in enumerate(lines) if self._toggle.match(line)), len(lines))
        found: list[str] = []
        for own, part in groupby(lines[:end], key=lambda line: bool(self._own.match(line))):
            code = list(part)
            found += code if own else self._sent("".join(code))
        return found + lines[end:]

    def _sent(self, code: str) -> list[str]:
        if not code.strip():
            return [code]
        return [f"get_ipython().run_cell_magic('px{self._suffix}', '', {code!r})\n"]
