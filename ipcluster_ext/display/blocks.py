"""Output of tasks in groups while it comes: blocks of a cell that are updated in place.

All text stands in one block, in order: that of each engine, or of each stream. While it comes only
the end of a long text is shown, so that an update stays small whatever is printed. What is more
than text follows in the order in which it came, and is put in order in the end, by updating what
stands at each place.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from ipcluster_ext.display.cell import Cell, MimeBundle
from ipcluster_ext.display.stories import (
    STREAMS,
    GroupBy,
    Picture,
    Piece,
    Said,
    Story,
    Words,
    Written,
    planned,
    with_heading,
)
from ipcluster_ext.display.texts import Name, folded, headed, names_text, rank, tail_of
from ipcluster_ext.protocol.displays import Event, displayed

LIVE = 16 * 1024
"""So many characters of text are shown, about, while more may come."""
LEAST = 512
"""So many of each text at least."""
NOTHING: MimeBundle = {"text/plain": ""}


class Item(NamedTuple):
    """What stands at one place."""

    data: MimeBundle
    metadata: MimeBundle
    display_id: str | None = None


class Blocks:
    """Shows what tasks say.

    Parameters
    ----------
    cell
        Where; it has to have `updates`.
    groupby
        'type' or 'engine'.
    own, named
        How the ids of displays begin, as for `Lines`.
    """

    def __init__(self, cell: Cell, groupby: GroupBy, *, own: str = "", named: str = "") -> None:
        self._cell = cell
        self._groupby = groupby
        self._named = named
        self._stories: dict[int, Story] = {}
        self._places: dict[tuple[int, int], None] = {}
        self._slots = Slots(cell, f"{own}block")
        self._pinned = False

    def show(self, said: Sequence[Said]) -> None:
        """Show more."""
        for each in said:
            self._take(each)
        self._slots.show(self._live())

    def finish(self, said: Sequence[Said] = ()) -> None:
        """Show all of it, in order."""
        for each in said:
            self._take(each)
        if self._pinned and self._slots.count:  # what was named may be changed later where it is
            self._slots.show(self._live(whole=True))
            return
        items = list(merged(planned(self._sorted(), self._groupby)))
        if len(items) < self._slots.count:
            items = list(merged(planned(self._sorted(), self._groupby, alike=False)))
        self._slots.show(items)

    def _take(self, said: Said) -> None:
        story = self._stories.setdefault(said.source, Story(said.name))
        if said.kind == "display" and "display_id" in said.content:
            said = said._replace(content=self._renamed(said.name, said.content))
            if said.content.get("update") and not self._has(story, said.content["display_id"]):
                event = said.content
                self._cell.update(event["data"], event["metadata"], display_id=event["display_id"])
        story.take(said)
        for number in range(len(story.displays.outputs)):
            self._places.setdefault((said.source, number))

    def _renamed(self, name: Name, event: Event) -> Event:
        self._pinned = True
        return {**event, "display_id": f"{self._named}{name}-{event['display_id']}"}

    def _has(self, story: Story, display_id: str) -> bool:
        return any(each.get("display_id") == display_id for each in story.displays.outputs)

    def _sorted(self) -> list[Story]:
        stories = sorted(self._stories.items(), key=lambda item: (rank(item[1].name), item[0]))
        return [story for _, story in stories]

    def _live(self, *, whole: bool = False) -> Iterator[Item]:
        """Return what stands at each place: text, then what else was displayed, as it came."""
        pieces: list[Piece] = list(self._texts(whole=whole))
        for source, number in self._places:
            story = self._stories[source]
            heading, outputs = f"[output:{story.name}]", story.displays.outputs
            if number < len(outputs):
                pieces += with_heading(heading, outputs[number], apart=True)
            else:
                pieces += [Words("stdout", ""), Picture(displayed(NOTHING))]
        pieces += planned(self._sorted(), self._groupby, result_only=True)
        return merged(pieces)

    def _texts(self, *, whole: bool) -> Iterator[Words]:
        stories = self._sorted()
        count = sum(bool(each.pieces) for story in stories for each in story.written.values())
        most = max(LEAST, LIVE // max(1, count))
        groups: list[tuple[Story, tuple[str, ...]]] = [(story, STREAMS) for story in stories]
        if self._groupby == "type":
            groups = [(story, (stream,)) for stream in STREAMS for story in stories]
        limit = None if whole else most
        parts = (
            (story.name, tuple((name, _shown(story.written[name], limit)) for name in names))
            for story, names in groups
        )
        for engines, texts in folded(parts):
            for stream, text in texts:
                if text:
                    yield Words(stream, headed(f"[{stream}:{names_text(engines)}]", text))


class Slots:
    """Places in a cell, one below the other, and what stands at each.

    Parameters
    ----------
    cell
        Where; it has to have `updates`.
    prefix
        How their ids begin.
    """

    def __init__(self, cell: Cell, prefix: str) -> None:
        self._cell = cell
        self._prefix = prefix
        self._ids: list[str] = []
        self._items: list[Item] = []

    @property
    def count(self) -> int:
        """How many places there are."""
        return len(self._ids)

    def show(self, items: Iterable[Item]) -> None:
        """Have these things stand there, in this order; what is there already is not sent again."""
        wanted = list(items)
        for place, (item, shown) in enumerate(zip_longest(wanted, self._items)):
            if shown is None:
                self._add(item, place)
            elif item is None:
                self._put(Item(NOTHING, {}), place)
            elif item[:2] != shown[:2]:
                self._put(item, place)

    def _add(self, item: Item, place: int) -> None:
        display_id = item.display_id or f"{self._prefix}-{place}"
        self._ids.append(display_id)
        self._items.append(_copied(item))
        self._cell.display(item.data, item.metadata, display_id=display_id)

    def _put(self, item: Item, place: int) -> None:
        if self._items[place][:2] != item[:2]:
            self._items[place] = _copied(item)
            self._cell.update(item.data, item.metadata, display_id=self._ids[place])


def merged(pieces: Iterable[Piece]) -> Iterator[Item]:
    """Yield pieces as what stands at places: text that follows text at the same one."""
    texts: list[str] = []
    for piece in pieces:
        if not isinstance(piece, Picture):
            texts.append(piece.text)
            continue
        if texts:
            yield _text_item(texts)
            texts = []
        output = piece.output
        yield Item(output["data"], output.get("metadata") or {}, output.get("display_id"))
    if texts:
        yield _text_item(texts)


def _shown(written: Written, most: int | None) -> str:
    """Return a text, or as much of its end as is shown while more may come."""
    if most is None or written.length <= most:
        return written.text
    tail = tail_of(written.pieces, most)
    return f"… {tail.before:,} lines before\n{tail.text}{written.open}"


def _text_item(texts: list[str]) -> Item:
    return Item({"text/plain": "".join(texts).removesuffix("\n")}, {})


def _copied(item: Item) -> Item:
    """Return an item that stays as it is: an update changes the bundle that it came with."""
    return Item(dict(item.data), dict(item.metadata), item.display_id)
