"""Several errors as one, and what else can be done with errors: collect, describe, show them."""

import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ipcluster_ext.errors import Facts, RemoteError
from ipcluster_ext.protocol.showing import groups, heading, ranges, shown_together, traceback_of
from ipcluster_ext.protocol.tracebacks import colours_of_shell


class Told(NamedTuple):
    """An error in ipyparallel's four words."""

    ename: str
    evalue: str
    traceback: str
    engine_info: dict[str, int | None]


class CompositeError(Facts, RemoteError):
    """Several engines or items raised; it keeps all of their errors.

    Parameters
    ----------
    message
        What was asked of the engines.
    errors
        One error for each that failed, in the order of the results.

    Attributes
    ----------
    tb_limit
        How many different errors are shown.

    Examples
    --------
    >>> try:
    ...     dv.apply_sync(divmod, 1, 0)
    ... except ipp.CompositeError as error:
    ...     print(error.message, [each.engine for each in error.errors])
    one or more tasks failed [0, 1]
    """

    facts = ("message", "errors")
    tb_limit = 4

    def __init__(self, message: str, errors: Sequence[BaseException]) -> None:
        found = groups(errors)
        summaries = "\n".join(f"  {_summary(group)}" for group in found[: self.tb_limit])
        more = sum(map(len, found[self.tb_limit :]))
        if more > 0:
            summaries += f"\n  ... and {more} more"
        text = f"{message}: {len(errors)} failed\n{summaries}"
        super().__init__("CompositeError", text, "")
        self.message = message
        self.errors = list(errors)

    @property
    def elist(self) -> list[Told]:
        """The errors as ipyparallel lists them: ``(ename, evalue, traceback, engine_info)``.

        Examples
        --------
        >>> error = dv.apply_async(divmod, 1, 0).exception()
        >>> [ename for ename, evalue, traceback, engine_info in error.elist]
        ['ZeroDivisionError', 'ZeroDivisionError']
        """
        return [
            Told(error.ename, error.evalue, error.traceback, error.engine_info)
            if isinstance(error, RemoteError)
            else Told(type(error).__name__, str(error), "", {})
            for error in self.errors
        ]

    def __str__(self) -> str:
        return self.evalue

    def raise_exception(self, excid: int = 0) -> None:
        """Raise one of the errors: that of index ``excid`` in `errors`.

        Raises
        ------
        IndexError
            There is no error of that index.

        Examples
        --------
        >>> error = dv.apply_async(divmod, 1, 0).exception()
        >>> try:
        ...     error.raise_exception(1)
        ... except ZeroDivisionError as one:
        ...     one.engine
        1
        """
        raise self.errors[excid]

    def render_traceback(self, excid: int | None = None) -> list[str]:
        """Return one error's traceback as lines; without an index, one of each kind."""
        if excid is not None:
            return _rendered(self.errors[excid])
        lines = [f"{self.message}: {len(self.errors)} failed"]
        found = groups(self.errors)
        for group in found[: self.tb_limit]:
            lines += ["", *_plain(group)]
        more = sum(map(len, found[self.tb_limit :]))
        return [*lines, "", f"... and {more} more"] if more else lines

    def print_traceback(self, excid: int | None = None) -> None:
        """Write one error's traceback to ``sys.stdout``; without an index, one of each kind."""
        if colours_of_shell() is None:
            lines = self.render_traceback(excid)
        elif excid is None:
            lines = self._render_traceback_()
        else:
            lines = traceback_of(self.errors[excid])
        sys.stdout.write("\n".join(lines) + "\n")

    def _render_traceback_(self) -> list[str]:
        """Show one traceback of each kind, where IPython shows an exception."""
        return shown_together(self.message, self.errors, self.tb_limit, self)


def _summary(group: list[BaseException]) -> str:
    first, count = group[0], len(group)
    if count == 1 or not isinstance(first, RemoteError):
        return f"{first}" if count == 1 else f"{first} ({count} times)"
    found = {e.engine for e in group if isinstance(e, RemoteError) and e.engine is not None}
    where = f"[engine{'s' if len(found) > 1 else ''} {ranges(sorted(found))}] " if found else ""
    times = f" ({count} times)" if len(found) != count else ""
    return f"{where}{first.said}{times}"


def _plain(group: list[BaseException]) -> list[str]:
    first = group[0]
    return [heading(group), *(first.render_traceback() if isinstance(first, RemoteError) else ())]


def _rendered(error: BaseException) -> list[str]:
    if isinstance(error, RemoteError):
        return error.render_traceback()
    return [f"{type(error).__name__}: {error}"]


class AlreadyDisplayedError(Facts, RemoteError):
    """Stands for errors whose tracebacks have been shown: it shows how many, and no more.

    Examples
    --------
    >>> error = ipp.AlreadyDisplayedError(dv.apply_async(divmod, 1, 0).exception())
    >>> print(error, "|", error.original.message)
    2 errors | one or more tasks failed
    """

    facts = ("original",)

    def __init__(self, original: BaseException) -> None:
        count = len(original.errors) if isinstance(original, CompositeError) else 1
        text = f"{count} error{'s' if count > 1 else ''}"
        super().__init__(type(original).__name__, text, "", getattr(original, "engine", None))
        self.original = original

    def __str__(self) -> str:
        return self.evalue

    def _render_traceback_(self) -> list[str]:
        return [self.evalue]


def collect_exceptions(results: Any, method: str = "unspecified") -> Any:  # noqa: ANN401 - as it came
    """Return results in which no error stands; else raise the error, or all as one.

    Parameters
    ----------
    results
        A sequence of values, or a mapping to values.
    method
        What was asked of the engines.

    Raises
    ------
    CompositeError
        Several of them are errors.

    Examples
    --------
    >>> ipp.collect_exceptions(dv.apply_async(pow, 2, 3).get(return_exceptions=True))
    [8, 8]
    """
    values = results.values() if isinstance(results, Mapping) else results
    errors = [value for value in values if isinstance(value, BaseException)]
    if len(errors) > 1:
        msg = f"one or more exceptions raised in: {method}"
        raise CompositeError(msg, errors)
    if errors:
        raise errors[0]
    return results


def wrap_exception(engine_info: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the exception that is being handled as a dict that can be written as JSON.

    Examples
    --------
    >>> try:
    ...     1 / 0
    ... except ZeroDivisionError:
    ...     described = ipp.wrap_exception({"engine_id": 3})
    >>> described["ename"], ipp.unwrap_exception(described).engine
    ('ZeroDivisionError', 3)
    """
    kind, error, frames = sys.exc_info()
    return {
        "status": "error",
        "ename": getattr(kind, "__name__", ""),
        "evalue": str(error),
        "traceback": traceback.format_exception(kind, error, frames),
        "engine_info": engine_info or {},
    }


def unwrap_exception(content: Mapping[str, Any]) -> RemoteError:
    """Return the error that `wrap_exception` described.

    Examples
    --------
    >>> told = {"ename": "KeyError", "evalue": "'a'", "traceback": [], "engine_info": {}}
    >>> str(ipp.unwrap_exception(told))
    "KeyError: 'a'"
    """
    engine = content.get("engine_info", {}).get("engine_id")
    lines = "".join(content["traceback"]).rstrip("\n")
    return RemoteError(content["ename"], content["evalue"], lines, engine)
