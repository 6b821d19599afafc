import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.buffers import Dumped, dump, load
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Submit, SubmitEach
from ipcluster_ext.protocol.parts import Blob, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.blobs import BlobStore, Body, free_blobs
from ipcluster_ext.transport.thishost import host_identity

if TYPE_CHECKING:
    from ipcluster_ext.protocol.frames import Frame

LIMIT = 50_000
SPEC = TaskSpec(Kind.APPLY)


@pytest.fixture
def store(folder: Path) -> Iterator[BlobStore]:
    store = BlobStore(str(folder), "c1", limit=LIMIT)
    yield store
    store.trim(everything=True)


def place(store: BlobStore, value: object, *, shared: bool = True) -> Body:
    return store.place(dump(value), shared=shared)


def item_of(body: Body) -> TaskItem:
    return TaskItem(TaskId(1), body.inline, body.buffers)


def arrived(store: BlobStore, body: Body) -> object:
    """Load a body at its receiver."""
    frames: list[Frame] = [bytes(frame) for frame in body.frames]
    return load(*store.collect(item_of(body), iter(frames)))


def array_of(nbytes: int) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    return np.arange(nbytes, dtype=np.uint8)


class TestHowItTravels:
    def test_a_small_value_travels_inside_its_message(self, store: BlobStore) -> None:
        body = place(store, "small")

        assert (body.buffers, body.frames) == ((), [])
        assert arrived(store, body) == "small"

    def test_a_buffer_below_the_limit_travels_as_a_frame(
        self, store: BlobStore, folder: Path
    ) -> None:
        body = place(store, array_of(LIMIT - 1))

        assert body.buffers == (LIMIT - 1,)
        assert [len(frame) for frame in body.frames] == [LIMIT - 1]
        assert os.listdir(folder) == []

    def test_a_buffer_of_the_limit_travels_as_a_blob(self, store: BlobStore, folder: Path) -> None:
        body = place(store, array_of(LIMIT))

        assert body.buffers == (Blob("c1-1", LIMIT),)
        assert body.frames == []
        assert (folder / "c1-1").stat().st_mode & 0o777 == 0o600
        assert (folder / "c1-1").read_bytes() == array_of(LIMIT).tobytes()

    def test_a_long_pickle_travels_as_a_blob_too(self, store: BlobStore) -> None:
        text = "x" * LIMIT

        body = place(store, text)

        assert body.inline == b""
        assert [type(buffer) for buffer in body.buffers] == [Blob]
        assert arrived(store, body) == text

    def test_a_long_pickle_and_its_buffers_come_together_again(self, store: BlobStore) -> None:
        value = ["x" * LIMIT, array_of(LIMIT), array_of(LIMIT - 1)]

        body = place(store, value)
        came: Any = arrived(store, body)
        text, large, small = came

        assert [type(buffer) for buffer in body.buffers] == [Blob, Blob, int]
        assert text == "x" * LIMIT
        assert np.array_equal(large, array_of(LIMIT))
        assert np.array_equal(small, array_of(LIMIT - 1))

    def test_a_receiver_on_another_host_gets_frames(self, store: BlobStore, folder: Path) -> None:
        body = place(store, array_of(LIMIT), shared=False)

        assert body.buffers == (LIMIT,)
        assert os.listdir(folder) == []
        assert np.array_equal(arrived(store, body), array_of(LIMIT))  # type: ignore[arg-type]

    @pytest.mark.parametrize("nbytes", [LIMIT - 1, LIMIT])
    def test_the_object_may_be_changed_once_it_was_placed(
        self, nbytes: int, store: BlobStore
    ) -> None:
        array = array_of(nbytes)
        body = place(store, array)

        array[:] = 0

        assert np.array_equal(arrived(store, body), array_of(nbytes))  # type: ignore[arg-type]

    def test_an_array_of_several_dimensions_keeps_its_shape(self, store: BlobStore) -> None:
        array = np.asfortranarray(np.arange(40_000.0).reshape(100, 400))

        assert np.array_equal(arrived(store, place(store, array)), array)  # type: ignore[arg-type]


class TestWithoutRoom:
    def test_without_a_folder_buffers_travel_as_frames(self) -> None:
        store = BlobStore("", "c1", limit=LIMIT)

        body = place(store, array_of(LIMIT))

        assert body.buffers == (LIMIT,)
        assert np.array_equal(arrived(store, body), array_of(LIMIT))  # type: ignore[arg-type]

    def test_where_the_folder_is_missing_buffers_travel_as_frames(self, folder: Path) -> None:
        store = BlobStore(str(folder / "missing"), "c1", limit=LIMIT)

        body = place(store, array_of(LIMIT))

        assert body.buffers == (LIMIT,)

    def test_where_shared_memory_is_full_buffers_travel_as_frames_and_nothing_is_left(
        self, folder: Path
    ) -> None:
        script = (
            "import resource, signal, sys\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT - 1}, {LIMIT - 1}))\n"
            "from ipcluster_ext.protocol.buffers import Dumped\n"
            "from ipcluster_ext.transport.blobs import BlobStore\n"
            f"store = BlobStore(sys.argv[1], 'c1', limit={LIMIT})\n"
            f"body = store.place(Dumped(b'x', [memoryview(bytes({LIMIT}))]), shared=True)\n"
            "print(body.buffers)\n"
        )

        told = subprocess.run(
            [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True
        )

        assert told.stdout == f"({LIMIT},)\n"
        assert os.listdir(folder) == []

    def test_a_name_that_is_taken_is_not_written_over(self, store: BlobStore, folder: Path) -> None:
        (folder / "c1-1").write_bytes(b"precious")

        body = place(store, array_of(LIMIT))

        assert body.buffers == (LIMIT,)
        assert (folder / "c1-1").read_bytes() == b"precious"

    def test_a_link_is_not_written_through(self, store: BlobStore, folder: Path) -> None:
        (folder / "c1-1").symlink_to(folder / "victim")

        place(store, array_of(LIMIT))

        assert not (folder / "victim").exists()


class TestMapped:
    def test_an_array_is_writable_and_nobody_else_sees_what_is_written(
        self, store: BlobStore
    ) -> None:
        body = place(store, array_of(LIMIT))
        one, other = arrived(store, body), arrived(store, body)
        assert isinstance(one, np.ndarray)

        one[:] = 7

        assert np.array_equal(other, array_of(LIMIT))  # type: ignore[arg-type]
        assert np.array_equal(arrived(store, body), array_of(LIMIT))  # type: ignore[arg-type]

    def test_an_array_outlives_its_file(self, store: BlobStore, folder: Path) -> None:
        body = place(store, array_of(LIMIT))
        array = arrived(store, body)

        free_blobs(folder, ["c1-1"], on_error=pytest.fail)

        assert os.listdir(folder) == []
        assert np.array_equal(array, array_of(LIMIT))  # type: ignore[arg-type]

    def test_a_framed_array_is_writable_too(self, store: BlobStore) -> None:
        array = arrived(store, place(store, array_of(LIMIT), shared=False))
        assert isinstance(array, np.ndarray)

        array[:] = 7

        assert array[0] == 7

    def test_no_descriptor_is_left_once_the_arrays_are_gone(self, store: BlobStore) -> None:
        body = place(store, array_of(LIMIT))
        before = len(os.listdir("/proc/self/fd"))

        arrays = [arrived(store, body) for _ in range(5)]
        del arrays

        assert len(os.listdir("/proc/self/fd")) == before


class TestRefused:
    @pytest.mark.parametrize(
        "name",
        ["../secret-1", "/etc/passwd", "c1", "c1-", "-1", "C1-1", "c1-1\n", "a/b-1", "..", "c1-x"],
    )
    def test_a_name_that_is_no_blobs_is_not_opened(
        self, name: str, store: BlobStore, folder: Path
    ) -> None:
        item = TaskItem(TaskId(1), b"x", (Blob(name, 1),))

        with pytest.raises(ProtocolError, match="does not belong to this cluster"):
            store.collect(item, iter(()))

    def test_a_blob_that_is_not_there_is_told(self, store: BlobStore) -> None:
        item = TaskItem(TaskId(1), b"x", (Blob("c1-9", 1),))

        with pytest.raises(ProtocolError, match="blob c1-9 cannot be read: No such file"):
            store.collect(item, iter(()))

    def test_a_link_is_not_followed(self, store: BlobStore, folder: Path) -> None:
        (folder / "real").write_bytes(b"x")
        (folder / "c1-9").symlink_to(folder / "real")
        item = TaskItem(TaskId(1), b"x", (Blob("c1-9", 1),))

        with pytest.raises(ProtocolError, match="blob c1-9 cannot be read: Too many levels"):
            store.collect(item, iter(()))

    @pytest.mark.parametrize("nbytes", [6, 1 << 40, -1, -5])
    def test_a_blob_shorter_than_was_said_is_refused(
        self, nbytes: int, store: BlobStore, folder: Path
    ) -> None:
        (folder / "c1-9").write_bytes(b"12345")
        item = TaskItem(TaskId(1), b"x", (Blob("c1-9", nbytes),))

        with pytest.raises(ProtocolError, match=f"blob c1-9 is not {nbytes} bytes long"):
            store.collect(item, iter(()))

    @pytest.mark.parametrize("frame", [b"1234", b"123456"])
    def test_a_frame_of_another_length_than_was_said_is_refused(
        self, frame: bytes, store: BlobStore
    ) -> None:
        item = TaskItem(TaskId(1), b"x", (5,))

        with pytest.raises(ProtocolError, match="came as frames of another length"):
            store.collect(item, iter([frame]))

    def test_without_a_folder_no_blob_can_be_read(self) -> None:
        item = TaskItem(TaskId(1), b"x", (Blob("c1-1", 1),))

        with pytest.raises(ProtocolError, match="does not belong to this cluster"):
            BlobStore("", "c2").collect(item, iter(()))

    def test_what_is_no_blobs_name_is_not_deleted_and_told(self, folder: Path) -> None:
        (folder / "keep").write_bytes(b"precious")
        (folder / "c1-2").mkdir()
        told: list[str] = []

        free_blobs(folder, ["keep", "../x-1", "c1-1", "c1-2"], on_error=told.append)

        assert told[:2] == [
            "'keep' is not the name of a blob",
            "'../x-1' is not the name of a blob",
        ]
        assert told[2].startswith("blob c1-2 cannot be deleted: ")
        assert sorted(os.listdir(folder)) == ["c1-2", "keep"]


def test_several_items_take_each_their_own_frames(store: BlobStore) -> None:
    frames: Iterator[Frame] = iter([b"123", b"45"])
    first = TaskItem(TaskId(1), b"x", (3,))
    second = TaskItem(TaskId(2), b"y", (2,))

    got = [store.collect(item, frames) for item in (first, second)]

    assert [(stream, [bytes(b) for b in buffers]) for stream, buffers in got] == [
        (b"x", [b"123"]),
        (b"y", [b"45"]),
    ]


def test_an_empty_buffer_travels_as_an_empty_frame(store: BlobStore) -> None:
    body = store.place(Dumped(b"x", [memoryview(b"")]), shared=True)

    assert (body.buffers, [bytes(frame) for frame in body.frames]) == ((0,), [b""])
    assert store.collect(item_of(body), iter([b""]))[1][0].nbytes == 0


def test_this_host_has_one_name_for_all_of_its_processes() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "from ipcluster_ext.transport.thishost import host_identity; print(host_identity())",
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.strip() == host_identity()
    assert host_identity().startswith(os.uname().nodename)


class TestWhatIsKept:
    def outcome(self, store: BlobStore, value: object) -> tuple[ResultItem, list["Frame"]]:
        body = place(store, value)
        item = ResultItem(TaskId(1), TaskStatus.DONE, 0.0, 0.0, body.inline, body.buffers)
        return item, body.frames

    @pytest.mark.parametrize("nbytes", [10, LIMIT - 1, LIMIT])
    def test_is_another_for_each_reader(self, nbytes: int, store: BlobStore) -> None:
        item, frames = self.outcome(store, array_of(nbytes))
        kept = store.keep(item, iter(frames))

        first: Any = load(*kept.collect())
        first[:] = 0
        second: Any = load(*kept.collect())

        assert np.array_equal(second, array_of(nbytes))
        assert second.flags.writeable
        kept.close()

    def test_outlives_its_file(self, store: BlobStore, folder: Path) -> None:
        item, frames = self.outcome(store, array_of(LIMIT))
        kept = store.keep(item, iter(frames))

        free_blobs(folder, ["c1-1"], on_error=pytest.fail)

        assert np.array_equal(load(*kept.collect()), array_of(LIMIT))
        kept.close()

    def test_is_not_written_over_by_its_maker(self, store: BlobStore) -> None:
        item, frames = self.outcome(store, array_of(LIMIT))
        kept = store.keep(item, iter(frames))

        store.recycle(["c1-1"])
        place(store, np.zeros(LIMIT, np.uint8))

        assert np.array_equal(load(*kept.collect()), array_of(LIMIT))
        kept.close()

    def test_keeps_no_file_open_once_closed(self, store: BlobStore) -> None:
        item, frames = self.outcome(store, [array_of(LIMIT), array_of(LIMIT)])
        before = os.listdir("/proc/self/fd")
        store.keep(item, iter(frames)).close()

        assert os.listdir("/proc/self/fd") == before

    def test_keeps_no_file_open_if_a_part_is_missing(self, store: BlobStore, folder: Path) -> None:
        item, frames = self.outcome(store, [array_of(LIMIT), array_of(LIMIT)])
        free_blobs(folder, ["c1-2"], on_error=pytest.fail)
        before = os.listdir("/proc/self/fd")

        with pytest.raises(ProtocolError, match="blob c1-2 cannot be read"):
            store.keep(item, iter(frames))

        assert os.listdir("/proc/self/fd") == before


class TestWhatIsLent:
    def test_is_what_was_said_and_did_not_come_back(self, store: BlobStore) -> None:
        bodies = [place(store, array_of(LIMIT)) for _ in range(3)]
        items = [TaskItem(TaskId(n), body.inline, body.buffers) for n, body in enumerate(bodies)]

        before = store.lent
        store.said([Submit(SPEC, items[:2])])
        between = store.lent
        store.recycle(["c1-1"])

        assert (before, between, store.lent) == ([], ["c1-1", "c1-2"], ["c1-2"])

    def test_is_none_of_what_others_have_made(self, store: BlobStore) -> None:
        place(store, array_of(LIMIT))
        others = TaskItem(TaskId(1), b"", (Blob("e1x1-1", 5),))

        store.said([SubmitEach(SPEC, others, [EngineId(0)])])

        assert store.lent == []
