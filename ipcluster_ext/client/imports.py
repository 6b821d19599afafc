"""Import statements that are carried out on engines, too.

What a ``with`` block imports is known from its own statements: the name that each of them binds is
read from its bytecode, so ``import a.b as c`` and ``from a import b as c`` mean there what they
mean here. What the imported modules import themselves is no statement of the block.
"""

import builtins
import dis
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType
from typing import Any, Protocol, Self

_STORES_ELSEWHERE = frozenset({"STORE_ATTR", "STORE_SUBSCR", "STORE_SLICE"})


class Executor(Protocol):
    """A view, as far as imports care."""

    def execute(self, code: str, *, block: bool) -> Any:
        """Run text on each engine."""


class Elsewhere(ModuleType):
    """A module that was imported on engines and not here."""

    def __getattr__(self, name: str) -> "Elsewhere":
        if name.startswith("__"):
            raise AttributeError(name)
        return Elsewhere(f"{self.__name__}.{name}")

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        """Refuse to be called.

        Raises
        ------
        ImportError
            Always.
        """
        msg = f"{self.__name__} was imported on the engines and not here"
        raise ImportError(msg)


class SyncImports:
    """Carries the import statements of a ``with`` block out on engines, and here if wanted.

    Parameters
    ----------
    view
        Of the engines.
    local
        Whether to import here, too. If not, the names are gone after the block.
    quiet
        Whether to say nothing of what is imported.
    """

    def __init__(self, view: Executor, *, local: bool = True, quiet: bool = False) -> None:
        self._view = view
        self._local = local
        self._quiet = quiet
        self._bound: list[str] = []

    def __enter__(self) -> Self:
        _hook.add(sys._getframe(1), self)  # noqa: SLF001 - whose block it is, nothing else tells
        return self

    def __exit__(self, *_raised: object) -> None:
        frame = sys._getframe(1)  # noqa: SLF001 - likewise
        _hook.remove(frame, self)
        for name in self._bound:
            if isinstance(frame.f_globals.get(name), Elsewhere):
                del frame.f_globals[name]

    def carry_out(
        self, frame: FrameType, original: Callable[..., Any], args: tuple[Any, ...]
    ) -> Any:
        """Carry out an import statement.

        Parameters
        ----------
        frame
            The block that it stands in.
        original
            What imports here.
        args
            What that is called with: the module, globals, locals, names, the level.

        Raises
        ------
        ImportError
            It cannot be imported here.
        CompositeError
            It cannot be imported on several engines.
        """
        name, *_, fromlist, level = (*args, None, None, None, 0)[:5]
        statement = statement_at(frame, name, fromlist, level)
        if not self._quiet:
            sys.stdout.write(f"{statement} on the engines\n")
        module = original(*args) if self._local else None
        self._view.execute(statement.text, block=True)
        if module is not None:
            return module
        self._bound.extend(statement.names)
        return Elsewhere(name if fromlist else name.partition(".")[0])


class Statement:
    """An import statement.

    Attributes
    ----------
    text
        What it says.
    names
        Which names it binds.
    """

    def __init__(self, text: str, names: list[str]) -> None:
        self.text = text
        self.names = names

    def __str__(self) -> str:
        return self.text


def statement_at(
    frame: FrameType, name: str, fromlist: tuple[str, ...] | None, level: int
) -> Statement:
    """Read the import statement that a frame is just carrying out.

    Parameters
    ----------
    frame
        The frame; its current instruction is the import.
    name
        The module.
    fromlist
        What is imported from it.
    level
        How many dots stand before it.

    Raises
    ------
    ImportError
        It is relative, and the engines do not know to what.
    """
    if level:
        msg = "engines know of no package that a relative import could be relative to"
        raise ImportError(msg)
    rest = _instructions_after(frame)
    if not fromlist:
        return _plain(name, rest)
    if "*" in fromlist:
        return Statement(f"from {name} import *", [])
    pairs: list[tuple[str, str]] = []
    wanted = ""
    for instruction in rest:
        if instruction.opname == "IMPORT_FROM":
            wanted = str(instruction.argval)
        elif (bound := _stored(instruction)) is not None:
            pairs.append((wanted, bound))
        if len(pairs) == len(fromlist):
            break
    clauses = ", ".join(_renamed(part, bound) for part, bound in pairs)
    return Statement(f"from {name} import {clauses}", [bound for _, bound in pairs])


def _instructions_after(frame: FrameType) -> Iterator[dis.Instruction]:
    for instruction in dis.get_instructions(frame.f_code):
        if instruction.offset > frame.f_lasti:
            yield instruction


def _stored(instruction: dis.Instruction) -> str | None:
    """Return the name to which an instruction assigns, if it does."""
    if not instruction.opname.startswith("STORE_") or instruction.opname in _STORES_ELSEWHERE:
        return None
    names = instruction.argval  # one that does something else as well has several
    return str(names[0] if isinstance(names, tuple) else names)


def _plain(name: str, rest: Iterator[dis.Instruction]) -> Statement:
    """Read ``import a.b``, which binds ``a``, or ``import a.b as c``."""
    digs = False
    for instruction in rest:
        if instruction.opname == "IMPORT_FROM":
            digs = True
        if (bound := _stored(instruction)) is not None:
            if not digs and bound == name.partition(".")[0]:
                return Statement(f"import {name}", [bound])
            return Statement(f"import {_renamed(name, bound)}", [bound])
    return Statement(f"import {name}", [])


def _renamed(name: str, bound: str) -> str:
    return name if name == bound else f"{name} as {bound}"


class _Hook:
    """Stands in for ``__import__`` while there is a block whose imports are carried out twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: list[tuple[FrameType, SyncImports]] = []
        self._original: Callable[..., Any] = builtins.__import__

    def add(self, frame: FrameType, block: SyncImports) -> None:
        """Look at a frame's imports."""
        with self._lock:
            if not self._blocks:
                self._original = builtins.__import__
                builtins.__import__ = self
            self._blocks.append((frame, block))

    def remove(self, frame: FrameType, block: SyncImports) -> None:
        """Look at a frame's imports no longer."""
        with self._lock:
            self._blocks.remove((frame, block))
            if not self._blocks:
                builtins.__import__ = self._original

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Import a module, as ``__import__`` does."""
        frame = sys._getframe(1)  # noqa: SLF001 - who imports, nothing else tells
        blocks = [block for other, block in self._blocks if other is frame]
        if not blocks or kwargs:
            return self._original(*args, **kwargs)
        return blocks[-1].carry_out(frame, self._original, args)


_hook = _Hook()
