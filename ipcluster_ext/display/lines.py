"""Output of tasks as it comes: lines with headings, one below the other.

For terminals, and wherever things are wanted in the order in which they happened. Lines are shown
when they have ended; one that is written over again and again, as progress bars do it, stands in a
block that is updated in place, where the front end can do that.
"""

from collections.abc import Sequence
from itertools import count, zip_longest
from typing import NamedTuple

from ipcluster_ext.display.cell import Cell, nbytes_of
from ipcluster_ext.display.stories import SHOWN_PER_CELL, STREAMS, Picture, Said, with_heading
from ipcluster_ext.display.texts import Name, Tape, folded, headed, names_text, rank, shown_line
from ipcluster_ext.protocol.displays import Event

Source = tuple[int, str]
"""A task, and one of its streams."""


class _Part(NamedTuple):
    """Something of one task to be shown; ``owner`` tells those apart that are never the same."""

    kind: str
    text: str
    owner: int | None = None


class Lines:
    """Shows what tasks say.

    Parameters
    ----------
    cell
        Where.
    own
        How the ids of displays begin that nobody has named, different each time.
    named
        How those begin that tasks have named, the same each time.
    """

    def __init__(self, cell: Cell, *, own: str = "", named: str = "") -> None:
        self._cell = cell
        self._named = named
        self._tapes: dict[Source, Tape] = {}
        self._names: dict[int, Name] = {}
        self._bars = Bars(cell, f"{own}bars")
        self._outputs: dict[str, Event] = {}
        self._places = Places(cell, f"{own}output")
        self._left = SHOWN_PER_CELL
        self._left_out = 0
        self._held: list[tuple[str, str]] = []

    def show(self, said: Sequence[Said]) -> None:
        """Show more: the first thing of each task in the order of engines, then the second ..."""
        parts: dict[int, list[_Part]] = {}
        for each in said:
            self._names[each.source] = each.name
            own = parts.setdefault(each.source, [])
            if each.kind == "display" and "clear" in each.content:
                own[:] = [part for part in own if part.kind in STREAMS]
            own += self._parts(each)
        self._emit({source: _joined(several) for source, several in parts.items() if several})
        self._bars.show(self._names)

    def finish(self, said: Sequence[Said] = ()) -> None:
        """Show the last of it, and what is left: lines without an end."""
        self.show(said)
        rest: dict[int, list[_Part]] = {}
        for (source, stream), tape in self._tapes.items():
            text = tape.end()
            if text and not self._bars.end((source, stream), text):
                rest.setdefault(source, []).append(_Part(stream, text))
        self._emit(rest)
        self._release()
        self._bars.show(self._names)
        if self._left_out:
            self._cell.write(
                "stdout",
                f"[{self._left_out:,} characters are not shown here: see ar.stdout, ar.stderr]\n",
            )

    # ------------------------------------------------------------ from words to parts

    def _parts(self, said: Said) -> list[_Part]:
        if said.kind in STREAMS:
            return self._text((said.source, said.kind), said.content)
        if said.kind == "value":
            return [self._keep("value", said.content)]
        if said.kind == "display":
            return self._display(said)
        return []

    def _text(self, source: Source, text: str) -> list[_Part]:
        tape = self._tapes.setdefault(source, Tape())
        ended = tape.feed(text)
        if ended and self._bars.has(source):
            first, _, others = ended.partition("\n")
            ended = others if self._bars.end(source, first) else ended
        if tape.rewritten:
            self._bars.put(source, tape.open)
        return [_Part(source[1], ended)] if ended else []

    def _display(self, said: Said) -> list[_Part]:
        event: Event = said.content
        if "clear" in event:
            self._places.clear(said.source, wait=bool(event["clear"]))
            return []
        if "display_id" in event:
            event = {**event, "display_id": f"{self._named}{said.name}-{event['display_id']}"}
        if event.get("update"):
            self._cell.update(event["data"], event["metadata"], display_id=event["display_id"])
            return []
        return [self._keep("output", event, said.source)]

    def _keep(self, kind: str, output: Event, source: int | None = None) -> _Part:
        key = repr(output)
        self._outputs[key] = output
        own = "display_id" in output or (source is not None and self._places.has(source))
        return _Part(kind, key, source if own else None)

    # ------------------------------------------------------------ from parts to the cell

    def _emit(self, parts: dict[int, list[_Part]]) -> None:
        sources = sorted(parts, key=lambda source: (rank(self._names[source]), source))
        by_name = {self._names[source]: source for source in sources}
        for row in zip_longest(*(parts[source] for source in sources)):
            named = zip((self._names[source] for source in sources), row, strict=True)
            text: dict[str, list[str]] = {}
            for names, part in folded((name, part) for name, part in named if part):
                if part.kind in STREAMS:
                    heading = f"[{part.kind}:{names_text(names)}]"
                    text.setdefault(part.kind, []).append(headed(heading, part.text))
                    continue
                self._write(text)
                text = {}
                self._output(part, names, by_name)
            self._write(text)
        self._outputs.clear()

    def _output(self, part: _Part, names: list[Name], sources: dict[Name, int]) -> None:
        output = self._outputs[part.text]
        heading = f"[output:{names_text(names)}]"
        if part.kind == "value":
            heading = f"Out[{names_text(names)}:{output.get('execution_count', '')}]:"
        source = sources[names[0]] if len(names) == 1 and part.kind == "output" else None
        if source is not None and self._places.put(source, output):
            return
        for piece in with_heading(heading, output):
            if isinstance(piece, Picture):
                self._release()
                self._places.show(source, output)
            else:
                self._write({piece.stream: [piece.text]})

    def _write(self, texts: dict[str, list[str]]) -> None:
        for stream, several in texts.items():
            text = "".join(several)
            self._left -= len(text)
            if self._left < 0:
                self._left_out += len(text)
                continue
            self._held.append((stream, text))
            while self._held and nbytes_of(self._held[0][1]) <= self._cell.room:
                self._cell.write(*self._held.pop(0))

    def _release(self) -> None:
        """Show text that was held back, for which there still is no room in streams."""
        text = "".join(text for _, text in self._held).removesuffix("\n")
        if text:
            self._cell.display({"text/plain": text})
            self._held.clear()


class Bars:
    """Lines that are written over, in a block of their own that is updated in place.

    In terminals they stand at the end, and become lines as any other when they have ended.

    Parameters
    ----------
    cell
        Where.
    prefix
        How the ids of such blocks begin.
    """

    def __init__(self, cell: Cell, prefix: str) -> None:
        self._cell = cell
        self._prefix = prefix
        self._numbers = count()
        self._open: dict[Source, int] = {}
        self._rows: dict[int, tuple[Source, str]] = {}
        self._shown: str | None = None
        self._id = ""

    def has(self, source: Source) -> bool:
        """Tell whether the current line of a stream stands here."""
        return source in self._open

    def put(self, source: Source, line: str) -> None:
        """Show the current line of a stream."""
        row = self._open.get(source)
        if row is None:
            row = self._open[source] = next(self._numbers)
        self._rows[row] = (source, shown_line(line))

    def end(self, source: Source, line: str) -> bool:
        """Learn how a line has ended; tell whether it stands here, and stays."""
        row = self._open.pop(source, None)
        if row is None or not self._cell.updates:
            self._rows.pop(-1 if row is None else row, None)
            return False
        self._rows[row] = (source, shown_line(line.removesuffix("\n")))
        return True

    def show(self, names: dict[int, Name]) -> None:
        """Show how the lines stand; once all have ended those that follow get another block."""
        items = ((names[task], (stream, line)) for (task, stream), line in self._rows.values())
        text = "".join(
            headed(f"[{stream}:{names_text(several)}]", line)
            for several, (stream, line) in folded(sorted(items, key=lambda item: rank(item[0])))
        ).removesuffix("\n")
        if not self._cell.updates:
            self._cell.show_foot(text)
        elif text and self._shown is None:
            self._id = f"{self._prefix}-{next(self._numbers)}"
            self._cell.display({"text/plain": text}, display_id=self._id)
            self._shown = text
        elif text != self._shown and self._shown is not None:
            self._cell.update({"text/plain": text}, display_id=self._id)
            self._shown = text
        if not self._open:
            self._rows.clear()
            self._shown = None


class Places:
    """Where things stand that a task displayed, so that it can drop them and show others there.

    Parameters
    ----------
    cell
        Where.
    prefix
        How their ids begin.
    """

    def __init__(self, cell: Cell, prefix: str) -> None:
        self._cell = cell
        self._prefix = prefix
        self._numbers = count()
        self._taken: dict[int, list[str]] = {}
        self._free: dict[int, list[str]] = {}

    def has(self, source: int) -> bool:
        """Tell whether a task has places that it may use again."""
        return bool(self._free.get(source))

    def show(self, source: int | None, output: Event) -> None:
        """Show something at a new place; ``source`` is whose it is alone, None for several's."""
        display_id = output.get("display_id")
        if self._cell.updates and display_id is None and source is not None:
            display_id = f"{self._prefix}-{next(self._numbers)}"
            self._taken.setdefault(source, []).append(display_id)
        self._cell.display(output["data"], output.get("metadata"), display_id=display_id)

    def put(self, source: int, output: Event) -> bool:
        """Show something at a place that is free; tell whether there was one."""
        free = self._free.get(source)
        if not free or "display_id" in output:
            return False
        place = free.pop(0)
        self._cell.update(output["data"], output.get("metadata"), display_id=place)
        self._taken.setdefault(source, []).append(place)
        return True

    def clear(self, source: int, *, wait: bool) -> None:
        """Free a task's places; what stands there stays until something takes it, or is dropped."""
        places = self._taken.pop(source, [])
        self._free.setdefault(source, []).extend(places)
        if not wait:
            for place in places:
                self._cell.update({"text/plain": ""}, display_id=place)


def _joined(parts: list[_Part]) -> list[_Part]:
    """Put texts of the same stream together that follow each other."""
    joined: list[_Part] = []
    for part in parts:
        if part.kind in STREAMS and joined and joined[-1].kind == part.kind:
            part = _Part(part.kind, joined.pop().text + part.text)
        joined.append(part)
    return joined
