"""Shared memory is used again once nobody has it mapped, and never before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ipcluster_ext.protocol.buffers import Dumped
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.parts import Blob, TaskItem
from ipcluster_ext.transport.blobs import BlobStore, sweep_blobs
from ipcluster_ext.transport.pool import KEPT_FOR, Pool

SIZE = 100_000


@pytest.fixture
def maker(tmp_path: Path) -> Iterator[BlobStore]:
    store = BlobStore(str(tmp_path), "c1", limit=1000)
    yield store
    store.trim(everything=True)


def made(store: BlobStore, fill: int, nbytes: int = SIZE) -> Blob:
    content = bytearray([fill]) * nbytes
    body = store.place(Dumped(b"pickle", [memoryview(content)]), shared=True)
    blob = body.buffers[0]
    assert isinstance(blob, Blob)
    return blob


def mapped(folder: Path, blob: Blob) -> memoryview:
    reader = BlobStore(str(folder), "c2")
    _, [buffer] = reader.collect(TaskItem(TaskId(1), b"pickle", (blob,)), iter(()))
    return buffer


def test_a_file_nobody_maps_is_written_again_under_a_new_name(
    maker: BlobStore, tmp_path: Path
) -> None:
    first = made(maker, 1)
    inode = (tmp_path / first.name).stat().st_ino
    maker.recycle([first.name])

    second = made(maker, 2)

    assert first.name != second.name
    assert [path.name for path in tmp_path.iterdir()] == [second.name]
    assert (tmp_path / second.name).stat().st_ino == inode
    assert bytes(mapped(tmp_path, second)) == bytes([2]) * SIZE


def test_what_is_still_mapped_never_changes(maker: BlobStore, tmp_path: Path) -> None:
    first = made(maker, 1)
    held = mapped(tmp_path, first)
    maker.recycle([first.name])

    second = made(maker, 2)

    assert bytes(held) == bytes([1]) * SIZE
    assert bytes(mapped(tmp_path, second)) == bytes([2]) * SIZE


def test_a_file_is_free_again_when_its_last_mapping_goes(maker: BlobStore, tmp_path: Path) -> None:
    first = made(maker, 1)
    held = mapped(tmp_path, first)
    maker.recycle([first.name])
    made(maker, 2)
    del held

    made(maker, 3)

    assert len(list(tmp_path.iterdir())) == 2


def test_a_smaller_buffer_fits_and_is_not_read_beyond_its_end(
    maker: BlobStore, tmp_path: Path
) -> None:
    maker.recycle([made(maker, 1).name])

    blob = made(maker, 2, SIZE - 10)

    assert len(list(tmp_path.iterdir())) == 1
    assert bytes(mapped(tmp_path, blob)) == bytes([2]) * (SIZE - 10)


def test_a_much_smaller_buffer_does_not_take_a_large_file(maker: BlobStore, tmp_path: Path) -> None:
    maker.recycle([made(maker, 1).name])

    made(maker, 2, SIZE // 3)

    assert len(list(tmp_path.iterdir())) == 2


def test_others_blobs_and_other_files_are_not_taken_back(maker: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "c2-1").write_bytes(b"x" * SIZE)

    maker.recycle(["c2-1", "../c1-1", "c1-99"])
    made(maker, 1)

    assert (tmp_path / "c2-1").read_bytes() == b"x" * SIZE


def test_beyond_its_limit_the_oldest_file_is_deleted(tmp_path: Path) -> None:
    pool = Pool(limit=25)
    for number in range(3):
        path = tmp_path / f"c1-{number}"
        path.write_bytes(b"x" * 10)
        pool.add(path, now=float(number))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["c1-1", "c1-2"]


def test_what_is_not_used_for_a_while_is_deleted(tmp_path: Path) -> None:
    pool = Pool()
    for number, added in enumerate((0.0, 5.0)):
        path = tmp_path / f"c1-{number}"
        path.write_bytes(b"x" * 10)
        pool.add(path, now=added)

    pool.trim(now=KEPT_FOR)

    assert [path.name for path in tmp_path.iterdir()] == ["c1-1"]


def test_the_blobs_of_a_maker_that_is_gone_are_swept_but_for_those_needed(tmp_path: Path) -> None:
    for name in ("e1x5-1", "e1x5-2", "e1x55-1", "c1-1", "box-0"):
        (tmp_path / name).write_bytes(b"x")

    sweep_blobs(tmp_path, "e1x5", ["e1x5-2"])

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "box-0",
        "c1-1",
        "e1x5-2",
        "e1x55-1",
    ]
