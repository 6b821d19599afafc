"""What each of several tasks wrote, displayed and returned, and in which order that is shown."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

from ipcluster_ext.display.cell import plain
from ipcluster_ext.display.texts import (
    Name,
    Tape,
    beside,
    folded,
    headed,
    names_text,
    shortened,
    shown_line,
)
from ipcluster_ext.protocol.displays import Displays, Event, cleared

GroupBy = Literal["type", "engine", "order"]
STREAMS = ("stdout", "stderr")
SHOWN_PER_CELL = 8_000_000
"""So many characters of text one cell shows at most: 400,000 short lines with their headings."""
LEFT_OUT = "[{lines} lines are not shown here, {characters} characters: see ar.stdout, ar.stderr]"


class Said(NamedTuple):
    """Something that a task said.

    Attributes
    ----------
    source
        Which task.
    name
        What its engine is called.
    kind
        'stdout' or 'stderr', with text; 'display', with an event of `protocol.displays`; 'value',
        with a cell's; 'end', with nothing.
    content
        What.
    """

    source: int
    name: Name
    kind: str
    content: Any


class Written:
    """What a task wrote to one of its streams."""

    def __init__(self) -> None:
        self._tape = Tape()
        self.pieces: list[str] = []
        self.length = 0

    def add(self, text: str) -> None:
        """Take more."""
        ended = self._tape.feed(text)
        if ended:
            if "\r" in ended:
                ended = "".join(f"{shown_line(line)}\n" for line in ended[:-1].split("\n"))
            self.pieces.append(ended)
            self.length += len(ended)

    @property
    def open(self) -> str:
        """The line that has not ended, as it stands."""
        return shown_line(self._tape.open)

    @property
    def text(self) -> str:
        """All of it."""
        self.pieces = ["".join(self.pieces)]
        return self.pieces[0] + self.open


class Story:
    """What one task wrote, displayed and returned.

    Parameters
    ----------
    name
        What its engine is called.

    Attributes
    ----------
    written
        Text, by stream.
    displays
        What it displayed.
    value
        What it returned as a cell, with its ``execution_count``.
    """

    def __init__(self, name: Name) -> None:
        self.name = name
        self.written = {stream: Written() for stream in STREAMS}
        self.displays = Displays()
        self.value: Event | None = None
        self._cleared_late = False

    def take(self, said: Said) -> None:
        """Learn more."""
        self.name = said.name
        if said.kind in self.written:
            self._clear_late()
            self.written[said.kind].add(said.content)
        elif said.kind == "display":
            self._display(said.content)
        elif said.kind == "value":
            self.value = said.content

    def _display(self, event: Event) -> None:
        if "clear" in event:
            self._cleared_late = True
            if not event["clear"]:
                self._clear_late()
            return
        if not event.get("update"):
            self._clear_late()
        self.displays.take(event)

    def _clear_late(self) -> None:
        """Drop what was to be dropped when the next thing is shown."""
        if self._cleared_late:
            self._cleared_late = False
            self.displays.take(cleared(wait=False))
            self.written = {stream: Written() for stream in STREAMS}

    @property
    def key(self) -> tuple[str, ...]:
        """What is the same for tasks that said the same."""
        texts = (self.written[stream].text for stream in STREAMS)
        return (*texts, *map(_key, self.displays.outputs), _key(self.value))


class Words(NamedTuple):
    """Text to be shown, with its headings."""

    stream: str
    text: str


class Picture(NamedTuple):
    """Something to be shown that is more than text."""

    output: Event


Piece = Words | Picture


def planned(
    stories: Sequence[Story],
    groupby: GroupBy,
    *,
    single: bool = False,
    result_only: bool = False,
    alike: bool = True,
) -> Iterator[Piece]:
    """Yield what is to be shown, in order.

    Parameters
    ----------
    stories
        Of the tasks.
    groupby
        'type', 'engine' or 'order'.
    single
        Whether it is one task, which needs no headings.
    result_only
        Whether only the values of cells are shown.
    alike
        Whether what several displayed alike is shown once.

    Raises
    ------
    ValueError
        There is no such grouping.
    """
    plan = _PLANS[check(groupby)]
    if result_only:
        plan = _values
    most = SHOWN_PER_CELL // max(1, len(stories))
    return plan(stories, _Headings(single=single, alike=alike, most=most))


def check(groupby: str) -> GroupBy:
    """Return a grouping.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    if groupby not in _PLANS:
        msg = f"groupby must be 'type', 'engine' or 'order', not {groupby!r}"
        raise ValueError(msg)
    return groupby  # type: ignore[return-value]  # it is one of these


class _Headings:
    """Puts headings to what is shown."""

    def __init__(self, *, single: bool, alike: bool, most: int) -> None:
        self._single = single
        self._most = most
        self.alike = alike

    def words(self, stream: str, names: list[Name], text: str) -> Iterator[Piece]:
        if text:
            text = shortened(text, self._most, LEFT_OUT)
            heading = f"[{stream}:{names_text(names)}]"
            yield Words(stream, text if self._single else headed(heading, text))

    def output(self, names: list[Name], output: Event) -> Iterator[Piece]:
        yield from with_heading("" if self._single else f"[output:{names_text(names)}]", output)

    def value(self, names: list[Name], value: Event) -> Iterator[Piece]:
        count = value.get("execution_count", "")
        place = count if self._single else f"{names_text(names)}:{count}"
        yield from with_heading(f"Out[{place}]:", value)


def with_heading(heading: str, output: Event, *, apart: bool = False) -> Iterator[Piece]:
    """Yield something that was displayed below its heading, or beside it if it is text.

    ``apart`` says that text is to stand below its heading, too.
    """
    if not apart and set(output["data"]) <= {"text/plain"} and "display_id" not in output:
        yield Words("stdout", beside(heading, plain(output["data"])))
        return
    if heading:
        yield Words("stdout", f"{heading}\n")
    yield Picture(output)


def _texts(stories: Sequence[Story], headings: _Headings, stream: str) -> Iterator[Piece]:
    for names, text in folded((story.name, story.written[stream].text) for story in stories):
        yield from headings.words(stream, names, text)


def _outputs(items: Iterable[tuple[Name, Event]], headings: _Headings) -> Iterator[Piece]:
    several = list(items)
    if not headings.alike:
        for name, output in several:
            yield from headings.output([name], output)
        return
    outputs = {_key(output): output for _, output in several}
    for names, key in folded((name, _key(output)) for name, output in several):
        yield from headings.output(names, outputs[key])


def _values(stories: Sequence[Story], headings: _Headings) -> Iterator[Piece]:
    several = [(story.name, story.value) for story in stories if story.value is not None]
    values = {_key(value): value for _, value in several}
    for names, key in folded((name, _key(value)) for name, value in several):
        yield from headings.value(names, values[key])


def _by_type(stories: Sequence[Story], headings: _Headings) -> Iterator[Piece]:
    for stream in STREAMS:
        yield from _texts(stories, headings, stream)
    displayed = ((story.name, each) for story in stories for each in story.displays.outputs)
    yield from _outputs(displayed, headings)
    yield from _values(stories, headings)


def _by_engine(stories: Sequence[Story], headings: _Headings) -> Iterator[Piece]:
    keys = [(*story.key, "" if headings.alike else str(story.name)) for story in stories]
    first = dict(zip(reversed(keys), reversed(stories), strict=True))
    for names, key in folded(zip((story.name for story in stories), keys, strict=True)):
        story = first[key]
        for stream in STREAMS:
            yield from headings.words(stream, names, story.written[stream].text)
        for output in story.displays.outputs:
            yield from headings.output(names, output)
        if story.value is not None:
            yield from headings.value(names, story.value)


def _in_order(stories: Sequence[Story], headings: _Headings) -> Iterator[Piece]:
    pairs = (tuple(story.written[stream].text for stream in STREAMS) for story in stories)
    named = zip((story.name for story in stories), pairs, strict=True)
    for names, texts in folded(named):
        for stream, text in zip(STREAMS, texts, strict=True):
            yield from headings.words(stream, names, text)
    for row in zip_longest(*(story.displays.outputs for story in stories)):
        shown = zip((story.name for story in stories), row, strict=True)
        yield from _outputs(((name, output) for name, output in shown if output), headings)
    yield from _values(stories, headings)


def _key(output: Event | None) -> str:
    """Return what is the same for outputs that look the same."""
    return "" if output is None else repr(output)


_PLANS: dict[str, Callable[[Sequence[Story], _Headings], Iterator[Piece]]] = {
    "type": _by_type,
    "engine": _by_engine,
    "order": _in_order,
}
