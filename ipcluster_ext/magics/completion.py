"""What the Tab key offers: options of the magics, and names that the engines have."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion

from ipcluster_ext.client.targets import resolve
from ipcluster_ext.errors import IpclusterError
from ipcluster_ext.magics.aim import client_of
from ipcluster_ext.magics.places import AmongOptions, InCode, place_of

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult

    from ipcluster_ext import DirectView
    from ipcluster_ext.magics.options import OptionLine
    from ipcluster_ext.magics.px import Px

_ANSWERS_WITHIN = 1.0
"""Seconds within which an engine has to answer: nobody waits longer for the Tab key."""

Matcher = Callable[["CompletionContext"], "SimpleMatcherResult"]


def matcher_of(magics: Mapping[str, "Px"]) -> Matcher:
    """Make what IPython asks at the Tab key.

    Parameters
    ----------
    magics
        The magics there are, by suffix; looked at anew each time.
    """

    def px_matcher(context: "CompletionContext") -> "SimpleMatcherResult":
        place = place_of(
            context.full_text, context.cursor_line, context.cursor_position, list(magics)
        )
        match place:
            case AmongOptions():
                return _options(place, magics)
            case InCode():
                return _names(place, magics[place.suffix].aim.now())
            case None:
                return {"completions": []}

    px_matcher.matcher_api_version = 2  # type: ignore[attr-defined]
    px_matcher.matcher_priority = 100.0  # type: ignore[attr-defined]  # what is found is all there is
    px_matcher.matcher_identifier = "ipcluster_ext"  # type: ignore[attr-defined]
    return px_matcher


def _options(place: AmongOptions, magics: Mapping[str, "Px"]) -> "SimpleMatcherResult":
    known = (px.option_line(place.magic) for px in magics.values())
    line = next((line for line in known if line is not None), None)
    if line is None:
        return {"completions": []}
    found = [name for name in _candidates(place, line) if name.startswith(place.word)]
    return _found(found, place.word, "magic option")


def _candidates(place: AmongOptions, line: "OptionLine") -> tuple[str, ...]:
    """Return what may stand at the cursor: an option, or the value of the one before it."""
    last = place.before[-1] if place.before else ""
    for option in line.options:
        if last in option.names and option.placeholder:
            return option.values
    return tuple(name for name in line.names if name not in place.before)


def _names(place: InCode, view: "DirectView | None") -> "SimpleMatcherResult":
    answer = None if view is None else _ask(view, place)
    if answer is None:
        return {"completions": []}
    begin, found = answer
    return _found(found, place.code[begin : place.cursor], "engine")


def _found(texts: list[str], fragment: str, kind: str) -> "SimpleMatcherResult":
    completions: Any = [SimpleCompletion(text=text, type=kind) for text in texts]
    return {"completions": completions, "matched_fragment": fragment, "suppress": bool(texts)}


def _ask(view: "DirectView", place: InCode) -> tuple[int, list[str]] | None:
    """Ask the first of a view's engines what could stand at the cursor; None if it is silent."""
    try:
        client = client_of(view)
        engine = resolve(view.targets, client.ids)[0][0]
        found = client[engine].complete(place.code, place.cursor, timeout=_ANSWERS_WITHIN)
    except (IpclusterError, TimeoutError, KeyboardInterrupt):
        return None
    return found.start, found.matches
