"""The options of the magics: which there are, what they mean, and how a line of them is read."""

import argparse
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, get_args

from ipcluster_ext.client.steer import signal_number
from ipcluster_ext.client.targets import Targets
from ipcluster_ext.errors import OptionError
from ipcluster_ext.magics.targets import parse_targets

GroupBy = Literal["type", "engine", "order"]
_TARGETS = ("-t", "--targets")


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a magic.

    Attributes
    ----------
    names
        How it is written.
    doc
        What it means.
    settings
        How argparse reads it.
    values
        What may follow it, as far as that can be listed; for completion.
    placeholder
        What follows it, as its help calls that; empty if nothing does.
    """

    names: tuple[str, ...]
    doc: str
    settings: Mapping[str, Any]
    values: tuple[str, ...] = ()
    placeholder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a line of options says; None, or the empty text, for what it does not mention."""

    block: bool | None = None
    stream: bool | None = None
    targets: Targets | None = None
    verbose: bool | None = None
    progress_after: float | None = None
    signal_on_interrupt: int | None = None
    debug: bool | None = None
    group_outputs: GroupBy | None = None
    out: str = ""
    local: bool = False
    engines: int | None = None
    profile: str = ""
    label: str = ""
    cluster: str = ""


class UnreadableOptions(ValueError):
    """A line of options says something that cannot be meant."""


def _signal(text: str) -> int:
    """Read a signal, by name or number; 0 for none."""
    if text.lower() in {"0", "none"}:
        return 0
    try:
        return signal_number(int(text) if text.isdecimal() else text.upper())
    except ValueError:
        msg = (
            f"there is no signal {text!r}; write SIGINT, SIGTERM, SIGKILL, a number, or 0 for none"
        )
        raise argparse.ArgumentTypeError(msg) from None


def _targets(text: str) -> Targets:
    try:
        return parse_targets(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        msg = f"{text!r} is no number of seconds"
        raise argparse.ArgumentTypeError(msg) from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        msg = f"{text!r} is no number of engines; it takes 1 or more"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _name(text: str) -> str:
    if not text.isidentifier():
        msg = f"{text!r} is no name of a variable"
        raise argparse.ArgumentTypeError(msg)
    return text


def _switch(names: Sequence[str], dest: str, doc: str, *, value: object) -> Option:
    return Option(tuple(names), doc, {"action": "store_const", "const": value, "dest": dest})


def _valued(
    names: Sequence[str], placeholder: str, doc: str, values: Iterable[str] = (), **settings: Any
) -> Option:
    return Option(tuple(names), doc, settings, tuple(values), placeholder)


RUNNING = (
    _switch(["-b", "--block"], "block", "Wait until the code has run.", value=True),
    _switch(
        ["-a", "--noblock"], "block", "Return an AsyncResult, without waiting.", value=False
    ),
    _switch(["--stream"], "stream", "Show output while the code runs, as at first.", value=True),
    _switch(["--no-stream"], "stream", "Show output when all engines have ended.", value=False),
    _valued(
        _TARGETS,
        "ENGINES",
        "The engines: an id (0, or -1 for the last), several (0,2), a slice (::2, 1:3), or all.",
        ["all"],
        type=_targets,
    ),
    _switch(["--verbose"], "verbose", "Say which engines the code runs on.", value=True),
    _switch(["--no-verbose"], "verbose", "Do not; so it is at first.", value=False),
    _valued(
        ["--progress-after"],
        "SECONDS",
        "After how many seconds a progress bar appears: 2 at first, 0 at once, -1 never.",
        type=_seconds,
    ),
    _valued(
        ["--signal-on-interrupt"],
        "SIGNAL",
        "What the engines get when the cell is interrupted: SIGINT at first, another signal by "
        "name or number, or 0 for nothing.",
        ["SIGINT", "SIGTERM", "SIGKILL", "0"],
        type=_signal,
    ),
    _switch(["--debug"], "debug", "Look into the frame that failed, on its engine.", value=True),
    _switch(["--no-debug"], "debug", "Do not; so it is at first.", value=False),
)  # fmt: skip
GROUPING = (
    _valued(
        ["--group-outputs"],
        "BY",
        "How output is put together: by its type (stdout, stderr, displays, results; so it is at "
        "first), by engine, or in the order of the code.",
        get_args(GroupBy),
        choices=get_args(GroupBy),
    ),
    _switch(["-e"], "group_outputs", "The same as --group-outputs=engine.", value="engine"),
    _switch(["-r"], "group_outputs", "The same as --group-outputs=order.", value="order"),
    _valued(["-o", "--out"], "NAME", "The variable that gets the AsyncResult.", type=_name),
)
CHOOSING = (
    _switch(["--local"], "local", "Run the code here as well, meanwhile; and wait.", value=True),
    _valued(
        ["--engines"],
        "N",
        "Run on so many engines: a cluster that is started gets so many, one that runs gets as "
        "many more as are missing.",
        type=_count,
    ),
    _valued(
        ["--profile"],
        "NAME",
        "Use a cluster of this profile, from now on; one is started if none runs.",
    ),
    _valued(["--label"], "TEXT", "What the work is called, in errors and the history."),
)
CONFIGURING = (
    _valued(
        ["--cluster"],
        "ID",
        "Use the cluster of this id, from now on, also after a restart of the kernel.",
    ),
)

CELL = (*RUNNING, *GROUPING, *CHOOSING)
RESULT = GROUPING
CONFIG = (*RUNNING, *CONFIGURING)


class _Parser(argparse.ArgumentParser):
    """Raises what it cannot read, instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise an error."""
        raise UnreadableOptions(message)


@dataclass(frozen=True, slots=True)
class OptionLine:
    """The options that one magic takes.

    Parameters
    ----------
    magic
        The magic, as users write it.
    options
        Its options.
    """

    magic: str
    options: tuple[Option, ...]
    _parser: _Parser = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parser = _Parser(prog=self.magic, add_help=False, allow_abbrev=False)
        for option in self.options:
            parser.add_argument(*option.names, default=argparse.SUPPRESS, **option.settings)
        object.__setattr__(self, "_parser", parser)

    @property
    def names(self) -> list[str]:
        """All names of all options."""
        return [name for option in self.options for name in option.names]

    def help(self) -> str:
        """Return the options and what they mean, for a docstring."""
        return "\n".join(
            f"{', '.join(option.names)} {option.placeholder}".rstrip() + f"\n    {option.doc}"
            for option in self.options
        )

    def read(self, line: str) -> Said:
        """Read a line of options; of two that contradict each other, the later one holds.

        Raises
        ------
        OptionError
            There is no such option; the nearest one is named.
        UnreadableOptions
            An option lacks its value or cannot have it, or something else stands there.
        """
        found, rest = self._parser.parse_known_args(_words(line))
        for word in rest:
            if word.startswith("-"):
                raise OptionError(word.partition("=")[0], self.names, self.magic)
        if rest:
            msg = f"{self.magic} takes options only, and {' '.join(rest)!r} is none"
            raise UnreadableOptions(msg)
        return Said(**vars(found))


def _words(line: str) -> list[str]:
    """Split a line as a shell does, but for targets like ``[0, 2]`` and ``-2:``."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        msg = f"{line!r} cannot be read: {error}"
        raise UnreadableOptions(msg) from None
    joined: list[str] = []
    while words:
        word = words.pop(0)
        if word in _TARGETS and words:
            word = f"--targets={words.pop(0)}"
        if word.startswith(("--targets=[", "--targets=(")):
            while words and not word.endswith(("]", ")")):
                word += words.pop(0)
        joined.append(word)
    return joined
