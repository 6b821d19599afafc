"""Showing what tasks wrote, displayed and returned: afterwards, in groups.

Text has a heading on each line, as ``[stdout:3]`` for engine 3, and what several engines said alike
is shown once, as ``[stdout:0-3]``. Rich output is given to whoever can show it, and shown as plain
text elsewhere.
"""

from collections.abc import Sequence
from typing import Any

from ipcluster_ext.client.metadata import Metadata
from ipcluster_ext.protocol.displays import Event

STREAMS = ("stdout", "stderr")


def show(entries: Sequence[Metadata], groupby: str, *, single: bool, result_only: bool) -> None:
    """Show what tasks wrote, displayed and returned as cells.

    Parameters
    ----------
    entries
        Facts about each task.
    groupby
        'type', 'engine' or 'order'; see `AsyncResult.display_outputs`.
    single
        Whether it is one task, which needs no headings.
    result_only
        Whether to show the values of cells only.

    Raises
    ------
    ValueError
        There is no such grouping.
    """
    from ipcluster_ext.display.cell import Cell
    from ipcluster_ext.display.stories import Said, Story, Words, check, planned

    grouping = check(groupby)
    stories: list[Story] = []
    for place, facts in enumerate(entries):
        name = name_of(facts.engine_id)
        story = Story(name)
        for stream in STREAMS:
            story.take(Said(place, name, stream, facts[stream]))
        for output in facts.outputs:
            story.take(Said(place, name, "display", output))
        story.value = facts.execute_result
        stories.append(story)
    cell = Cell.current()
    for piece in planned(stories, grouping, single=single, result_only=result_only):
        if isinstance(piece, Words):
            cell.write(piece.stream, piece.text)
        else:
            cell.display(piece.output["data"], piece.output.get("metadata"))


def name_of(engine: int | None, place: int | None = None) -> int | str:
    """Return how headings call an engine, or a task of which the engine is not known."""
    if engine is not None:
        return int(engine)
    return "?" if place is None else f"task {place}"


def display(output: Event, heading: str) -> None:
    """Show something rich below its heading, or as text beside it where there is only that."""
    from ipcluster_ext.display.cell import Cell
    from ipcluster_ext.display.stories import Words, with_heading

    cell = Cell.current()
    for piece in with_heading(heading, output):
        if isinstance(piece, Words):
            cell.write(piece.stream, piece.text)
        else:
            cell.display(piece.output["data"], piece.output.get("metadata"))


def bundle_of(data: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the formats that IPython asks for: what it includes, less what it excludes."""
    included, excluded = options.get("include"), options.get("exclude")
    return {
        kind: value
        for kind, value in data.items()
        if (not included or kind in included) and not (excluded and kind in excluded)
    }
