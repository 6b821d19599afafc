"""What there is to see in an engine's namespace, told in passing."""

from typing import NamedTuple


class Completion(NamedTuple):
    """How a piece of code may go on.

    Attributes
    ----------
    matches
        What may stand between ``start`` and ``end``, the likeliest first.
    start, end
        Which part of the code that replaces, in characters.
    """

    matches: list[str]
    start: int
    end: int


class Inspection(NamedTuple):
    """What is known of the name at some place in a piece of code.

    Attributes
    ----------
    found
        Whether there is such a name.
    data
        What ``name?`` would show, in every format it has.
    """

    found: bool
    data: dict[str, str]

    @property
    def text(self) -> str:
        """As plain text; empty if nothing was found."""
        return self.data.get("text/plain", "")


class Variable(NamedTuple):
    """A name of the user's, and what it is.

    Attributes
    ----------
    name
        The name.
    type
        The class of its value, with the module unless it is built in.
    size
        Its shape and kind of elements, or how many it has; empty where neither makes sense.
    nbytes
        How much memory its elements take, where it tells; else None.
    text
        The beginning of how it shows itself; empty for what is large.
    """

    name: str
    type: str
    size: str
    nbytes: int | None
    text: str
