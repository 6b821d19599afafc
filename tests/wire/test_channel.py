import os
import socket as unix
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ipcluster_ext.errors import ClusterError, ProtocolError
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Bye,
    Done,
    Message,
    Need,
    Results,
    Started,
)
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import TaskStatus
from ipcluster_ext.transport import channel as channels
from ipcluster_ext.transport.channel import Channel, Said
from ipcluster_ext.transport.sockets import PATH_LIMIT, listen
from tests.support.hubs import PATIENCE, Hub
from tests.support.waiting import wait_until


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "hub.sock"


@pytest.fixture
def hub(path: Path) -> Iterator[Hub]:
    hub = Hub(path)
    yield hub
    hub.close()


@contextmanager
def opened(path: Path) -> Iterator[Channel]:
    channel = Channel(path, identity=b"peer", boot=2)
    try:
        yield channel
    finally:
        channel.close()
        channel.release()


@pytest.fixture
def channel(path: Path, hub: Hub) -> Iterator[Channel]:
    with opened(path) as channel:
        yield channel


@contextmanager
def attended(channel: Channel) -> Iterator[None]:
    """Have a thread wait on a channel, which is what makes its connections."""
    done = threading.Event()

    def listen() -> None:
        while not done.is_set():
            channel.wait(PATIENCE)
            channel.receive()

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield
    finally:
        done.set()
        channel.wake()
        listener.join()


def word(number: int) -> Need:
    return Need(b"%d" % number)


def words(*numbers: int) -> list[Message]:
    return [word(number) for number in numbers]


def next_of(channel: Channel) -> list[tuple[Sequence[Message], Sequence[Frame]]]:
    """Return what comes next."""
    heard = channel.receive()
    while not heard:
        channel.wait(PATIENCE)
        heard = channel.receive()
    return heard


def test_what_is_said_arrives_in_order(channel: Channel, hub: Hub) -> None:
    for number in range(2000):
        channel.say(words(number))

    hub.hear_until(lambda: len(hub.heard) == 2000)

    assert hub.heard == words(*range(2000))


def test_what_several_threads_say_at_once_arrives_each_in_its_order(
    channel: Channel, hub: Hub
) -> None:
    count, each = 4, 300

    def talk(speaker: int) -> None:
        for number in range(each):
            channel.say([Started([TaskId(speaker), TaskId(number)])])

    threads = [threading.Thread(target=talk, args=(speaker,)) for speaker in range(count)]
    for thread in threads:
        thread.start()
    hub.hear_until(lambda: len(hub.heard) == count * each)
    for thread in threads:
        thread.join()

    for speaker in range(count):
        said = [m.ids[1] for m in hub.heard if isinstance(m, Started) and m.ids[0] == speaker]
        assert said == list(range(each))


def test_a_thread_that_waits_hears_everything_while_others_talk(channel: Channel, hub: Hub) -> None:
    heard: list[Message] = []
    channel.say(words(0))
    hub.hear()

    def listen() -> None:
        while len(heard) < 500:
            channel.wait(PATIENCE)
            for messages, _ in channel.receive():
                heard.extend(messages)

    def talk() -> None:
        while len(heard) < 500:
            channel.mention()

    threads = [threading.Thread(target=target) for target in (listen, talk, talk)]
    for thread in threads:
        thread.start()
    for number in range(500):
        hub.say(word(number))
        if hub.socket.poll(0):
            hub.hear()
    wait_until(lambda: len(heard) == 500)
    for thread in threads:
        thread.join()

    assert heard == words(*range(500))


def test_waiting_ends_when_something_comes(channel: Channel, hub: Hub) -> None:
    channel.mention(Bye())
    hub.hear()
    threading.Timer(0.02, hub.say, words(1)).start()

    heard = next_of(channel)

    assert [messages for messages, _ in heard] == [words(1)]


def test_waiting_ends_when_another_thread_wakes_it(channel: Channel) -> None:
    channel.wait(0)
    threading.Timer(0.02, channel.wake).start()

    channel.wait(None)

    assert channel.receive() == []


def test_waking_before_the_wait_is_not_lost(channel: Channel) -> None:
    channel.wake()

    channel.wait(None)

    assert channel.receive() == []


def test_waiting_ends_when_a_watched_descriptor_is_readable(channel: Channel) -> None:
    read, write = os.pipe()
    channel.watch(read)
    before = channel.wait(0)

    os.write(write, b"x")
    ready = channel.wait(PATIENCE)
    channel.unwatch(read)
    after = channel.wait(0)

    os.close(read)
    os.close(write)
    assert (read in before, read in ready, read in after) == (False, True, False)


@pytest.mark.parametrize("nbytes", [0, 1, 100_000, 5_000_000])
def test_a_frame_of_any_size_arrives_whole(nbytes: int, channel: Channel, hub: Hub) -> None:
    content = os.urandom(nbytes)
    result = ResultItem(TaskId(1), TaskStatus.DONE, 0.0, 0.0, b"", (nbytes,))

    channel.say([Done([result])], [memoryview(content)])
    hub.hear()
    hub.say(Results(EngineId(0), [result]), frames=[content])
    [(_, [frame])] = next_of(channel)

    assert hub.frames == [content]
    assert bytes(frame) == content


def test_what_was_said_before_the_hub_was_there_arrives(path: Path) -> None:
    with opened(path) as channel:
        channel.say(words(1))
        hub = Hub(path)

        with attended(channel):
            hub.hear()

        assert hub.heard == words(1)
        hub.close()


def test_what_a_broken_connection_lost_is_said_again(path: Path) -> None:
    first = Hub(path)
    with opened(path) as channel:
        channel.say(words(1))
        first.hear()
        channel.say(words(2))
        wait_until(lambda: first.socket.poll(0))
        first.close()
        hub = Hub(path)
        hub.ledger = first.ledger

        def told_of_the_loss() -> bool:
            channel.ping()
            if hub.socket.poll(20):
                hub.hear()
            return len(hub.heard) == len(words(2, 3))

        with attended(channel):
            channel.say(words(3))

            wait_until(told_of_the_loss)

        assert hub.heard == words(2, 3)
        hub.close()


def test_the_hub_is_told_what_was_received_once(channel: Channel, hub: Hub) -> None:
    channel.mention()
    hub.hear()
    hub.say(word(1))
    next_of(channel)

    channel.acknowledge()
    hub.hear()
    channel.acknowledge()

    assert hub.ledger.unacked == 0
    assert not hub.socket.poll(50)


def test_bytes_that_are_no_packet_are_counted_and_what_follows_is_heard(
    channel: Channel, hub: Hub
) -> None:
    channel.mention()
    hub.hear()
    hub.send([os.urandom(40)])
    hub.say(word(1))

    with pytest.raises(ProtocolError):
        next_of(channel)
    heard = next_of(channel)

    assert channel.malformed == 1
    assert [messages for messages, _ in heard] == [words(1)]


def test_what_is_said_while_the_hub_hesitates_to_let_one_in_waits_for_nobody(path: Path) -> None:
    first = Hub(path)
    with opened(path) as channel:
        meet(channel, first)
        first.close()
        path.unlink()
        with listen(path) as door, attended(channel):
            door.settimeout(PATIENCE)
            visitor, _ = door.accept()
            visitor.recv(4096)

            channel.say(words(1))

            visitor.settimeout(0)
            with pytest.raises(BlockingIOError):
                visitor.recv(1)  # it waits for an answer to its greeting still
            visitor.close()


def test_a_hub_that_does_not_answer_a_new_connection_is_asked_again(path: Path) -> None:
    first = Hub(path)
    with opened(path) as channel:
        meet(channel, first)
        first.close()
        second = Hub(path, 2)
        with attended(channel):
            assert second.socket.poll(int(PATIENCE * 1000))
            second.socket.recv_multipart()  # and what would be answered to that is lost

            second.hear()
            wait_until(lambda: channel.reborn)

        second.close()


def test_a_hub_that_has_answered_is_not_asked_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "ASK_AGAIN", 0.001)
    first = Hub(path)
    with opened(path) as channel:
        meet(channel, first)
        first.close()
        second = Hub(path, 2)
        with attended(channel):
            second.hear()
            wait_until(lambda: channel.reborn)
            while second.socket.poll(0):
                second.hear()

            assert not second.socket.poll(50)

        second.close()


class TestAnotherHub:
    """A hub that was started again knows nothing of the one before."""

    def test_it_is_noticed_and_told_nothing_that_was_meant_for_the_other(self, path: Path) -> None:
        first = Hub(path)
        with opened(path) as channel:
            meet(channel, first)
            channel.say(words(1))
            first.close()

            second = Hub(path, boot=3)
            with attended(channel):
                hear_while(second, lambda: not channel.reborn)
            channel.say(words(2))

            assert second.heard == []
            assert channel.unacked == 2
            second.close()

    def test_it_hears_what_the_one_before_may_have_missed_after_a_greeting(
        self, path: Path
    ) -> None:
        first = Hub(path)
        with opened(path) as channel:
            meet(channel, first)
            channel.say(words(1))
            first.close()
            second = Hub(path, boot=3)
            with attended(channel):
                hear_while(second, lambda: not channel.reborn)
                channel.say(words(2))

                channel.begin_again(lambda unheard: [(words(0), ()), *unheard])
                channel.say(words(3))
                second.hear_until(lambda: len(second.heard) == 4)

            assert second.heard == words(0, 1, 2, 3)
            assert not channel.reborn
            second.close()

    def test_what_the_one_before_acknowledged_is_not_said_again(self, path: Path) -> None:
        first = Hub(path)
        with opened(path) as channel:
            channel.say(words(1))
            meet(channel, first)
            first.close()
            second = Hub(path, boot=3)
            again: list[list[Said]] = []

            def note(unheard: list[Said]) -> list[Said]:
                again.append(unheard)
                return []

            with attended(channel):
                hear_while(second, lambda: not channel.reborn)
                channel.begin_again(note)

            assert again == [[]]
            second.close()


def meet(channel: Channel, hub: Hub) -> None:
    """Have a hub acknowledge what a channel has said."""
    with attended(channel):
        channel.ping()
        hear_while(hub, lambda: not hub.peer)
        hub.send(hub.ledger.mention())
        channel.ping()
        hear_while(hub, lambda: hub.socket.poll(0) > 0 or channel.unacked > 0)


def hear_while(hub: Hub, goes_on: Callable[[], bool]) -> None:
    """Take packets for as long as something goes on."""
    deadline = time.monotonic() + PATIENCE
    while goes_on():
        assert time.monotonic() < deadline, "that never ends"
        if hub.socket.poll(10):
            hub.hear()


class TestClosed:
    def test_a_farewell_still_arrives(self, channel: Channel, hub: Hub) -> None:
        channel.say(words(1))
        hub.hear()

        channel.close(Bye())
        hub.hear()

        assert hub.heard == [*words(1), Bye()]

    def test_nothing_is_said_or_heard_any_more(self, channel: Channel, hub: Hub) -> None:
        channel.close()

        channel.say(words(1))
        channel.mention()
        channel.ping()
        channel.acknowledge()
        channel.close()

        assert channel.closed
        assert channel.wait(None) is not None
        assert channel.receive() == []
        assert not hub.socket.poll(50)

    def test_a_thread_that_waits_is_woken(self, channel: Channel) -> None:
        channel.wait(0)
        waiter = threading.Thread(target=channel.wait, args=(None,))
        waiter.start()

        channel.close()
        waiter.join(PATIENCE)

        assert not waiter.is_alive()

    def test_no_descriptor_and_no_thread_is_left(self, path: Path, hub: Hub) -> None:
        with opened(path) as channel:
            channel.say(words(0))
            hub.hear()
        before = left_open()

        for _ in range(3):
            with opened(path) as channel:
                channel.say(words(1))

        wait_until(lambda: all(now <= then for now, then in zip(left_open(), before, strict=True)))


def left_open() -> tuple[int, int]:
    """Count the descriptors and threads of this process, ZeroMQ's among them: some go late."""
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


class TestSocketFiles:
    def test_the_hubs_socket_file_is_open_to_this_user_only(self, path: Path) -> None:
        with listen(path):
            assert path.stat().st_mode & 0o777 == 0o600

    def test_a_file_that_a_hub_before_left_is_replaced(self, path: Path) -> None:
        listen(path).close()

        with listen(path), unix.socket(unix.AF_UNIX) as peer:
            peer.connect(str(path))

    @pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
    def test_a_folder_that_is_open_to_others_is_refused(self, mode: int, folder: Path) -> None:
        folder.chmod(mode)

        with pytest.raises(ClusterError, match=f"is open to others \\(mode {mode:o}\\)"):
            listen(folder / "hub.sock")

    def test_a_link_to_a_folder_is_refused(self, folder: Path) -> None:
        (folder / "real").mkdir(mode=0o700)
        (folder / "link").symlink_to(folder / "real")

        with pytest.raises(ClusterError, match="is not a folder of this user"):
            listen(folder / "link" / "hub.sock")

    def test_a_path_that_is_too_long_is_refused(self, folder: Path) -> None:
        long = folder / ("x" * PATH_LIMIT)

        with pytest.raises(ClusterError, match=r"is too long for a socket \(100 bytes\)"):
            listen(long)
        with pytest.raises(ClusterError, match=r"is too long for a socket \(100 bytes\)"):
            Channel(long, identity=b"x", boot=1)

    def test_a_path_that_cannot_be_bound_is_refused_and_nothing_is_left(self, folder: Path) -> None:
        (folder / "hub.sock").mkdir()
        before = left_open()

        with pytest.raises(OSError, match=r"Is a directory|not permitted"):
            listen(folder / "hub.sock")

        assert left_open() == before
