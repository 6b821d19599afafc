import errno
import os
import stat
import tempfile
from pathlib import Path

import msgspec
import pytest

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.keys import TcpAddress
from ipcluster_ext.transport.blackbox import NBYTES, RESERVE, RING, SLOTS, BlackBox, begun_in, hold
from ipcluster_ext.transport.files import (
    ConnectionFile,
    client_socket,
    connection_file,
    engine_socket,
    read_private,
    runtime_folder,
    to_json,
    write_private,
)
from ipcluster_ext.transport.keys import mint
from ipcluster_ext.transport.sockets import LONGEST_SOCKET_NAME, PATH_LIMIT
from ipcluster_ext.transport.thishost import host_identity

INFO = ConnectionFile(cluster="c", folder="/run/c", agent_pid=1, agent_started=2)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


class TestPrivateFiles:
    def test_a_value_survives_being_written_and_read(self, folder: Path) -> None:
        write_private(folder / "f", to_json(INFO))

        assert read_private(folder / "f", ConnectionFile) == INFO

    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
    def test_a_file_is_open_to_its_owner_only_whatever_the_umask(
        self, umask: int, folder: Path
    ) -> None:
        before = os.umask(umask)

        write_private(folder / "f", b"{}")

        os.umask(before)
        assert mode_of(folder / "f") == 0o600

    def test_a_file_replaces_the_old_one_whole(self, folder: Path) -> None:
        write_private(folder / "f", b"a long old content")

        write_private(folder / "f", b"new")

        assert (folder / "f").read_bytes() == b"new"
        assert os.listdir(folder) == ["f"]

    def test_a_write_that_fails_leaves_the_old_file_and_no_other(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_private(folder / "f", b"old")

        def full(fd: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_private(folder / "f", b"new")

        assert (folder / "f").read_bytes() == b"old"
        assert os.listdir(folder) == ["f"]

    def test_what_need_not_last_does_not_wait_for_the_disk(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[int] = []
        monkeypatch.setattr(os, "fsync", synced.append)

        write_private(folder / "f", b"new", lasting=False)

        assert (folder / "f").read_bytes() == b"new"
        assert synced == []

    def test_a_link_is_replaced_and_not_followed(self, folder: Path) -> None:
        victim = folder / "victim"
        victim.write_bytes(b"precious")
        (folder / "f").symlink_to(victim)

        write_private(folder / "f", b"new")

        assert victim.read_bytes() == b"precious"
        assert not (folder / "f").is_symlink()

    def test_a_link_is_not_read(self, folder: Path) -> None:
        write_private(folder / "real", to_json(INFO))
        (folder / "f").symlink_to(folder / "real")

        with pytest.raises(ClusterError, match="f cannot be read: Too many levels of symbolic"):
            read_private(folder / "f", ConnectionFile)

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
    def test_a_file_that_is_open_to_others_is_not_read(self, mode: int, folder: Path) -> None:
        write_private(folder / "f", to_json(INFO))
        (folder / "f").chmod(mode)

        with pytest.raises(ClusterError, match="f is not private to this user"):
            read_private(folder / "f", ConnectionFile)

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"cluster": 3}'])
    def test_a_file_that_is_something_else_is_refused(self, content: bytes, folder: Path) -> None:
        write_private(folder / "f", content)

        with pytest.raises(ClusterError, match="f cannot be read: "):
            read_private(folder / "f", ConnectionFile)

    def test_a_folder_is_refused_and_not_left_open(self, folder: Path) -> None:
        (folder / "f").mkdir(mode=0o700)
        before = os.listdir("/proc/self/fd")

        with pytest.raises(ClusterError, match="f cannot be read: Is a directory"):
            read_private(folder / "f", ConnectionFile)

        assert os.listdir("/proc/self/fd") == before

    def test_a_file_that_is_not_there_is_told_as_such(self, folder: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read_private(folder / "f", ConnectionFile)

    @pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
    def test_a_folder_in_which_others_could_exchange_it_is_not_used(
        self, mode: int, folder: Path
    ) -> None:
        write_private(folder / "f", to_json(INFO))
        folder.chmod(mode)

        for use in (
            lambda: read_private(folder / "f", ConnectionFile),
            lambda: write_private(folder / "f", b"new"),
        ):
            with pytest.raises(ClusterError, match="others, who could exchange f"):
                use()

        assert (folder / "f").read_bytes() == to_json(INFO)

    def test_a_folder_of_somebody_else_is_not_used(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_private(folder / "f", to_json(INFO))
        nobody = 65_534
        if os.getuid() == 0:
            os.chown(folder, nobody, -1)
        else:
            monkeypatch.setattr(os, "getuid", lambda: nobody)

        with pytest.raises(ClusterError, match="others, who could exchange f"):
            read_private(folder / "f", ConnectionFile)

    def test_a_folder_in_which_everybody_may_add_but_not_exchange_will_do(
        self, folder: Path
    ) -> None:
        folder.chmod(0o1777)
        write_private(folder / "f", to_json(INFO))

        assert read_private(folder / "f", ConnectionFile) == INFO

    def test_keys_survive_and_show_in_the_file_alone(self, folder: Path) -> None:
        address = TcpAddress(host="h", port=1, server=mint().public, keys=mint())
        info = msgspec.structs.replace(INFO, tcp=address, host="here")
        secret = address.keys.secret.reveal()

        write_private(folder / "f", to_json(info))
        again = read_private(folder / "f", ConnectionFile)

        assert again == info
        assert secret.encode() in (folder / "f").read_bytes()
        assert secret not in repr(again)

    @pytest.mark.parametrize("secret", ["", "x" * 39, 3, None])
    def test_what_is_no_key_is_refused_without_being_repeated(
        self, secret: object, folder: Path
    ) -> None:
        keys = {"public": "p", "secret": secret}
        tcp = {"host": "h", "port": 1, "server": "s", "keys": keys}
        content = {**msgspec.to_builtins(INFO), "tcp": tcp}
        write_private(folder / "f", msgspec.json.encode(content))

        with pytest.raises(ClusterError, match="f cannot be read: ") as refusal:
            read_private(folder / "f", ConnectionFile)

        assert "x" * 39 not in str(refusal.value)

    def test_json_says_what_it_should(self) -> None:
        assert msgspec.json.decode(to_json(INFO)) == {
            "cluster": "c",
            "folder": "/run/c",
            "agent_pid": 1,
            "agent_started": 2,
        }


class TestRuntimeFolder:
    @pytest.fixture(autouse=True)
    def environment(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("IPCLUSTER_EXT_RUNTIME_DIR", raising=False)
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        monkeypatch.setenv("HOME", str(folder))

    def test_the_users_own_choice_comes_first(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(folder / "own"))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))

        assert runtime_folder() == folder / "own"
        assert mode_of(folder / "own") == 0o700

    def test_then_the_systems_folder_for_such_things(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))

        assert runtime_folder() == folder / "ipcluster-ext"

    def test_a_systems_folder_that_is_not_there_is_passed_over(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "missing"))

        assert runtime_folder() == folder / ".local" / "state" / "ipcluster-ext"

    def test_a_path_too_long_for_sockets_gives_way_to_a_short_one(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "gettempdir", lambda: str(folder))
        monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(folder / ("x" * PATH_LIMIT)))

        found = runtime_folder()

        assert found == folder / f"ipcluster-ext-{os.getuid()}"
        assert len(str(found)) + LONGEST_SOCKET_NAME <= PATH_LIMIT

    def test_a_folder_that_others_can_read_is_refused(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "own").mkdir(mode=0o755)
        monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(folder / "own"))

        with pytest.raises(ClusterError, match="run chmod 700 on it"):
            runtime_folder()

    def test_a_link_in_its_place_is_refused(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "real").mkdir(mode=0o700)
        (folder / "own").symlink_to(folder / "real")
        monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(folder / "own"))

        with pytest.raises(ClusterError, match="is not a folder of this user"):
            runtime_folder()


def test_the_sockets_of_a_cluster_are_in_its_folder() -> None:
    folder = Path("/run/c")

    assert client_socket(folder) == Path("/run/c/clients.sock")
    assert engine_socket(folder) == Path("/run/c/engines.sock")
    assert connection_file(folder) == Path("/run/c/client.json")
    assert INFO.client_socket == Path("/run/c/clients.sock")


class TestWhereToConnect:
    """By the socket file on the cluster's own host, by TCP from others."""

    TCP = TcpAddress(host="far", port=1, server="s" * 40, keys=mint())

    def info(self, **facts: object) -> ConnectionFile:
        return msgspec.structs.replace(INFO, **facts)

    def test_on_the_clusters_host_it_is_the_socket_file_of_ones_role(self) -> None:
        here = host_identity()

        assert self.info(host=here, tcp=self.TCP).reach == Path("/run/c/clients.sock")
        assert self.info(host=here, tcp=self.TCP, role="engine").reach == Path(
            "/run/c/engines.sock"
        )
        assert self.info().reach == Path("/run/c/clients.sock")

    def test_on_others_or_where_there_is_no_folder_it_is_the_port(self) -> None:
        assert self.info(host="elsewhere", tcp=self.TCP).reach == self.TCP
        assert self.info(folder="", host=host_identity(), tcp=self.TCP).reach == self.TCP

    @pytest.mark.parametrize(("host", "here"), [("", True), ("elsewhere", False)])
    def test_a_file_that_names_no_host_is_of_this_one(self, host: str, here: bool) -> None:
        assert self.info(host=host).is_here is here


class TestBlackBox:
    def test_it_tells_the_task_that_was_begun_last(self, folder: Path) -> None:
        box = BlackBox(folder / "box")

        box.began(TaskId(1))
        box.began(TaskId((1 << 63) - 1))

        assert begun_in(folder / "box").last == (1 << 63) - 1
        box.close()

    @pytest.mark.parametrize("count", [1, RING - 1, RING, RING + 1, 2 * RING, 2 * RING + 3])
    def test_it_tells_of_the_last_ones_in_order(self, count: int, folder: Path) -> None:
        box = BlackBox(folder / "box")

        for number in range(1, count + 1):
            box.began(TaskId(number))

        begun = begun_in(folder / "box")
        assert begun.ran == tuple(range(max(1, count + 1 - RING), count + 1))
        assert begun.last == count
        box.close()

    def test_where_there_is_no_room_for_it_another_place_is_taken(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried: list[int] = []

        def allocate(fd: int, start: int, length: int) -> None:
            tried.append(fd)
            if len(tried) == 1:
                raise OSError(errno.ENOSPC, "no room")
            os.ftruncate(fd, start + length)

        monkeypatch.setattr(os, "posix_fallocate", allocate)

        box = BlackBox(folder / "box", folder / "spare")
        box.began(TaskId(7))

        assert begun_in(folder / "spare").ran == (7,)
        assert not (folder / "box").exists()
        box.close()

    def test_it_can_be_read_after_the_writer_was_killed(self, folder: Path) -> None:
        pid = os.fork()
        if pid == 0:
            BlackBox(folder / "box").began(TaskId(7))
            os.kill(os.getpid(), 9)

        os.waitpid(pid, 0)

        assert begun_in(folder / "box").last == 7

    def test_a_new_one_tells_of_no_task(self, folder: Path) -> None:
        box = BlackBox(folder / "box")

        assert begun_in(folder / "box").last == 0
        assert mode_of(folder / "box") == 0o600
        box.close()

    def test_a_box_used_again_forgets_the_life_before(self, folder: Path) -> None:
        first = BlackBox(folder / "box")
        first.began(TaskId(7))
        first.close()

        second = BlackBox(folder / "box")

        assert begun_in(folder / "box").last == 0
        second.close()

    def test_it_tells_of_those_that_began_out_of_turn_and_have_not_ended(
        self, folder: Path
    ) -> None:
        box = BlackBox(folder / "box")
        box.began(TaskId(1))
        box.enter(TaskId(2))
        ended = box.enter(TaskId(3))
        box.enter(TaskId(4))
        box.leave(ended)

        assert begun_in(folder / "box") == (1, (2, 4), (1,))
        box.close()

    def test_it_says_when_what_has_ended_takes_the_room_of_what_goes_on(self, folder: Path) -> None:
        box = BlackBox(folder / "box")
        places = [box.enter(TaskId(number)) for number in range(1, SLOTS - RESERVE + 1)]
        before = box.crowded
        places.append(box.enter(TaskId(SLOTS)))
        with_one_more = box.crowded
        box.leave(places[0])

        assert (before, with_one_more, box.crowded) == (False, True, False)
        box.close()

    def test_it_has_room_for_so_many_and_no_more(self, folder: Path) -> None:
        box = BlackBox(folder / "box")
        places = [box.enter(TaskId(number)) for number in range(1, SLOTS + 3)]

        assert begun_in(folder / "box").others == tuple(range(1, SLOTS + 1))
        for place in places:
            box.leave(place)
        assert begun_in(folder / "box").others == ()
        box.close()

    def test_it_is_held_as_often_as_somebody_says_so(self, folder: Path) -> None:
        box = BlackBox(folder / "box")
        box.began(TaskId(7))
        box.enter(TaskId(8))
        seen = [box.held]
        for _ in range(2):
            hold(folder / "box")
            seen.append(box.held)

        assert len(set(seen)) == 3
        assert begun_in(folder / "box") == (7, (8,), (7,))
        box.close()

    @pytest.mark.parametrize("content", [None, b"", b"1234567"])
    def test_what_is_no_box_is_not_held(self, content: bytes | None, folder: Path) -> None:
        if content is not None:
            (folder / "box").write_bytes(content)

        hold(folder / "box")

        assert [path.read_bytes() for path in folder.iterdir()] == [content] * (content is not None)

    @pytest.mark.parametrize("content", [None, b"", b"1234567", b"1" * (NBYTES + 1)])
    def test_a_file_that_is_no_box_tells_of_no_task(
        self, content: bytes | None, folder: Path
    ) -> None:
        if content is not None:
            (folder / "box").write_bytes(content)

        assert begun_in(folder / "box").last == 0

    def test_a_link_in_its_place_is_refused(self, folder: Path) -> None:
        (folder / "box").symlink_to(folder / "victim")

        with pytest.raises(OSError, match="symbolic links"):
            BlackBox(folder / "box")
