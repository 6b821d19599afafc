"""What can still be read of a journal's file once SQLite refuses it: its rows, page by page.

A file of SQLite is a list of pages; those called leaves hold the rows, and need none of the other
pages to be understood. So one damaged page costs the rows on it, and no more. A row counts only
if its checksum is right, so nothing of what is read here has to be trusted. Rows that were deleted
stay behind in pages that are free; the file's own map of its pages tells which those are, or
tasks that have ended long ago would come back to life.

The format is SQLite's (https://www.sqlite.org/fileformat2.html); page size, the map of pages
(incremental vacuum) and the log beside the file (WAL) are those with which `rowfile` makes it.
"""

import contextlib
import operator
import struct
from array import array
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from ipcluster_ext.transport.rows import Row, unpack

PAGE = 4096
VERSION = 1
APPLICATION = 0x49505800
"""Stands in the file with the version added, so that a damaged version is no other version."""
_MAGIC = b"SQLite format 3\0"
_HEAD_NBYTES = 100
_FRACTIONS = bytes((64, 32, 32))
_LOG_HEAD_NBYTES = 32
_FRAME_HEAD = struct.Struct(">2IQ2I")
_FRAME = _FRAME_HEAD.size + PAGE
_MAPPED = PAGE // 5
"""So many pages does each page of the map tell of; it stands before the first of them."""
_MAP_ENTRY = 5
_FREE, _TREE = 2, (1, 5)  # what the map says of free pages; of those with rows or above them
_TRUNK_AT = 32
_LEAF, _INNER = 13, 5
_LARGEST_LOCAL = PAGE - 35
_SMALLEST_LOCAL = (PAGE - 12) * 32 // 255 - 23


class Head(Enum):
    """What the beginning of a file says about it."""

    OURS = "a journal"
    EMPTY = "nothing"
    OTHER = "a file of another version or program"
    DAMAGED = "a damaged journal, or no database"


class Salvage(NamedTuple):
    """What was read of a damaged file.

    Attributes
    ----------
    rows
        Those that are as they were written, in order of number.
    damaged
        The numbers of those that are not; the number may be what is damaged.
    pages
        How many pages hold, or held, rows that nobody can tell apart any more.
    """

    rows: list[Row]
    damaged: list[int]
    pages: int


def judge(head: bytes) -> Head:
    """Say what a file is, from its first 100 bytes."""
    if not head:
        return Head.EMPTY
    if len(head) < _HEAD_NBYTES or not head.startswith(_MAGIC):
        return Head.DAMAGED
    version, application = struct.unpack_from(">I4xI", head, 60)
    if application - APPLICATION != version:
        ours = version == VERSION or application == APPLICATION + VERSION
        # Every database says 64, 32, 32; where it does not, its application is not to be believed.
        return Head.DAMAGED if ours or head[21:24] != _FRACTIONS else Head.OTHER
    if version != VERSION:
        return Head.OTHER
    # Page size, WAL for writers and readers, nothing reserved; the format of the schema; the map
    # of pages is kept, the text is UTF-8; vacuum is incremental.
    sizes = PAGE.to_bytes(2, "big") + bytes((2, 2, 0)) + _FRACTIONS
    fixed = (head[16:24], head[44:48], head[52:60], head[64:68])
    ours = fixed == (sizes, b"\0\0\0\4", b"\0\0\0\3\0\0\0\1", b"\0\0\0\1")
    return Head.OURS if ours else Head.DAMAGED


def committed(log: bytes) -> int:
    """Return how many frames of a log are followed by, or are, the end of a transaction.

    The log is emptied whenever its pages have been moved into the file, so what stands in it
    whole was written whole: SQLite has to find as many.
    """
    heads = _heads(log)
    return max((number for number, head in enumerate(heads, 1) if head.size), default=0)


def salvage(file: bytes, log: bytes) -> Salvage:
    """Read every row that can be read.

    Parameters
    ----------
    file, log
        The contents of the file, and of the log beside it.
    """
    return _Pages(_overlay(file, log)).salvage()


class _Head(NamedTuple):
    """What stands before a page in the log: which it is, and if a transaction ends, the size."""

    page: int
    size: int
    salt: int
    checksum: tuple[int, int]

    @property
    def words(self) -> bytes:
        """What of it the checksum covers."""
        return struct.pack(">2I", self.page, self.size)


def _heads(log: bytes) -> list[_Head]:
    """Return what stands before the pages of a log, up to its last.

    Those of one log share a random number, which tells where it ends; one bit of it may be wrong.
    """
    heads: list[_Head] = []
    for at in range(_LOG_HEAD_NBYTES, len(log) - _FRAME + 1, _FRAME):
        page, size, salt, *checksum = _FRAME_HEAD.unpack_from(log, at)
        heads.append(_Head(page, size, salt, (checksum[0], checksum[1])))
    ours = Counter(head.salt for head in heads).most_common(1)
    while heads and (heads[-1].salt ^ ours[0][0]).bit_count() > 1:
        heads.pop()
    return heads


def _overlay(file: bytes, log: bytes) -> bytearray:
    """Return the file as it is once the log's transactions have been carried out."""
    pages = bytearray(file)
    heads = _heads(log)[: committed(log)]
    before = struct.unpack_from(">2I", log, _LOG_HEAD_NBYTES - 8) if heads else (0, 0)
    computed = before
    for index, head in enumerate(heads):
        start = _LOG_HEAD_NBYTES + index * _FRAME + _FRAME_HEAD.size
        data = log[start : start + PAGE]
        page, computed = _page_of(head, data, pages, (before, computed))
        before = head.checksum
        at = (page - 1) * PAGE
        if 0 <= at <= len(file) + len(log):
            pages.extend(bytes(max(0, at - len(pages))))
            pages[at : at + PAGE] = data
    if heads and heads[-1].size >= heads[-1].page:
        del pages[heads[-1].size * PAGE :]
    return pages


def _page_of(
    head: _Head, data: bytes, pages: bytearray, before: tuple[tuple[int, int], tuple[int, int]]
) -> tuple[int, tuple[int, int]]:
    """Return which page of the file a page of the log is, and its checksum.

    Were it taken for another, an older version would be taken for it, with rows that have been
    deleted since. So where the checksum is wrong, it is asked whether one bit of the number would
    right it; as bits of the page may do the same, the page must also look like that one before.
    (If neither, then the checksum before may be wrong, as it is written or as it is computed.)
    """
    computed = _checksum(head.words + data, before[0])
    if computed == head.checksum or _checksum(head.words + data, before[1]) == head.checksum:
        return head.page, head.checksum
    alike = max(PAGE // 8, _alike(pages, head.page, data))
    for bit in range(32):
        other = head._replace(page=head.page ^ 1 << bit)
        right = _checksum(other.words + data, before[0]) == head.checksum
        if right and _alike(pages, other.page, data) > alike:
            return other.page, head.checksum
    return head.page, computed


def _alike(pages: bytearray, number: int, data: bytes) -> int:
    """Return how many bytes a page has in common with another version of it."""
    return sum(map(operator.eq, pages[(number - 1) * PAGE : number * PAGE], data))


def _checksum(data: bytes, before: tuple[int, int]) -> tuple[int, int]:
    """Return SQLite's checksum of a part of the log, given that of the part before."""
    words = array("I", data)
    first, second = before
    for place in range(0, len(words), 2):
        first = (first + words[place] + second) & 0xFFFFFFFF
        second = (second + words[place + 1] + first) & 0xFFFFFFFF
    return first, second


class _Broken(Exception):
    """A page or a row is not as SQLite leaves it."""


class _Pages:
    """The pages of a file, the first of which is number 1."""

    def __init__(self, data: bytearray) -> None:
        data.extend(bytes(-len(data) % PAGE))  # what is left of a page that was cut off
        self._data = memoryview(data)
        self._count = len(data) // PAGE
        self._rows: dict[int, Row] = {}
        self._damaged: list[int] = []
        self._broken = 0
        self._free = set(self._freed())

    def salvage(self) -> Salvage:
        for number, kind in self._mapped():
            if number <= self._count:
                self._read(number, kind)
            else:
                self._broken += kind in _TREE
        rows = [self._rows[number] for number in sorted(self._rows)]
        return Salvage(rows, sorted(self._damaged), self._broken)

    def _mapped(self) -> Iterator[tuple[int, int]]:
        """Yield each page that can hold rows, and what the map says about it."""
        for at in range(2, self._count + 1, _MAPPED + 1):
            entries = self._page(at)
            for place in range(_MAPPED):
                yield at + 1 + place, entries[place * _MAP_ENTRY]

    def _freed(self) -> Iterator[int]:
        """Yield the pages that are free by the file's own list, as far as it can be followed."""
        trunk = self._data[_TRUNK_AT:] if self._count else memoryview(b"")
        with contextlib.suppress(_Broken, struct.error):
            for _ in range(self._count):
                (number,) = struct.unpack_from(">I", trunk)
                trunk = self._page(number)
                yield number
                yield from struct.unpack_from(f">{int.from_bytes(trunk[4:8], 'big')}I", trunk, 8)

    def _page(self, number: int) -> memoryview:
        if not 1 <= number <= self._count:
            raise _Broken
        return self._data[(number - 1) * PAGE : number * PAGE]

    def _read(self, number: int, kind: int) -> None:
        """Read a page that has rows, as far as the map and the page itself tell."""
        page = self._page(number)
        if kind not in _TREE:
            # A page on which a row goes on does not begin like a leaf; one that was freed may.
            if page[0] != _LEAF or kind == _FREE or number in self._free:
                return
        elif page[0] not in (_LEAF, _INNER):
            self._broken += 1
            return
        try:
            first = 8 if page[0] == _LEAF else 12
            places = struct.unpack_from(f">{int.from_bytes(page[3:5], 'big')}H", page, first)
            unused = _unused(page, first + 2 * len(places))
        except (_Broken, IndexError, struct.error):
            self._broken += 1
            return
        cells = [page[place:] for place in places]
        lengths = map(self._row if page[0] == _LEAF else _length, cells)
        self._broken += sum(lengths) + unused != PAGE

    def _row(self, cell: memoryview) -> int:
        """Take the row of a cell, if it is one; return the cell's length, 0 if it has none."""
        try:
            size, at = _varint(cell, 0)
            number, at = _varint(cell, at)
        except IndexError:
            return 0
        number -= (number >> 63) << 64
        local = _local(size)
        row = None
        with contextlib.suppress(_Broken, IndexError, struct.error):
            record = self._record(cell[at : at + local], size, cell[at + local : at + local + 4])
            row = unpack(number, _blob_of(record))
        if row is None:
            self._damaged.append(number)
        else:
            self._rows[number] = row
        return max(4, at + local + (4 if local < size else 0))

    def _record(self, local: memoryview, size: int, follows: memoryview) -> memoryview:
        """Return a record whose end may stand in a chain of other pages."""
        if size > len(self._data):
            raise _Broken
        record = bytearray(local)
        while len(record) < size:
            page = self._page(int.from_bytes(follows, "big"))
            follows = page[:4]
            record += page[4 : 4 + size - len(record)]
        return memoryview(record)


def _length(cell: memoryview) -> int:
    """Return the length of a cell of an inner page: a page's number, a row's number."""
    try:
        return _varint(cell, 4)[1]
    except IndexError:
        return 0


def _local(size: int) -> int:
    """Return how much of a record of a size stands on the leaf itself."""
    if size <= _LARGEST_LOCAL:
        return size
    local = _SMALLEST_LOCAL + (size - _SMALLEST_LOCAL) % (PAGE - 4)
    return local if local <= _LARGEST_LOCAL else _SMALLEST_LOCAL


def _blob_of(record: memoryview) -> memoryview:
    """Return the second column of a record, whose first is its number and so not written."""
    end, at = _varint(record, 0)
    first, at = _varint(record, at)
    kind, at = _varint(record, at)
    if at != end or first != 0 or kind < 12 or kind % 2 or (kind - 12) // 2 != len(record) - end:
        raise _Broken
    return record[end:]


def _unused(page: memoryview, taken: int) -> int:
    """Return how many bytes of a page belong to no cell; its own head, so many bytes, are taken."""
    free, _, content = struct.unpack_from(">3H", page, 1)
    unused: int = page[7] + content
    while free:
        following, size = struct.unpack_from(">2H", page, free)
        unused += size
        if taken > content or (following and following < free + size):
            raise _Broken
        free = following
    return unused


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends."""
    value = 0
    for place in range(at, at + 8):
        byte = data[place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + 1
    return value << 8 | data[at + 8], at + 9
