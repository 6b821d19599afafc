"""The keys of a cluster are in files of mode 0600, and nowhere else."""

import io
import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import ipcluster_ext as ipp
from ipcluster_ext.transport.files import (
    ConnectionFile,
    connection_file,
    engine_file,
    hub_keys_file,
    read_private,
    to_json,
)
from ipcluster_ext.transport.keys import HubKeys, mint
from tests.security.guarded import Guarded
from tests.support.leftovers import processes_of

KEPT_IN = {"client.json", "engine.json", "keys.json"}


def secrets_of(folder: Path) -> set[str]:
    """Return every secret key that a cluster has at the moment."""
    keys = read_private(hub_keys_file(folder), HubKeys)
    files = [
        read_private(path, ConnectionFile)
        for path in (connection_file(folder), engine_file(folder))
    ]
    pairs = [keys.server, *(each.tcp.keys for each in files if each.tcp is not None)]
    assert len(pairs) == 3
    return {pair.secret.reveal() for pair in pairs}


@pytest.fixture
def distant(guarded: Guarded) -> Iterator[ipp.Client]:
    """Connect by TCP."""
    info = msgspec.structs.replace(guarded.own, folder="")
    with ipp.Client(msgspec.json.decode(to_json(info))) as client:
        assert client[:].apply_async(pow, 2, 3).get(20) == [8]
        yield client


def shown(text: str | bytes, secrets: set[str]) -> int:
    """Count the keys, and halves of keys, that stand in a text."""
    data = text.encode() if isinstance(text, str) else text
    return sum(secret.encode()[:20] in data or secret.encode()[20:] in data for secret in secrets)


def test_no_process_has_them_among_its_arguments_or_in_its_environment(
    guarded: Guarded, distant: ipp.Client
) -> None:
    secrets = secrets_of(guarded.cluster.folder)
    lines = processes_of(guarded.cluster.folder.parent)
    processes = [Path("/proc", line.split(":")[0]) for line in lines]

    assert len(processes) >= 4, "agent, hub, zygote, engine"
    for process in [*processes, Path("/proc/self")]:
        for name in ("cmdline", "environ"):
            try:
                assert shown((process / name).read_bytes(), secrets) == 0, f"{process}/{name}"
            except FileNotFoundError:
                continue


def test_no_file_has_them_but_those_that_are_for_them(
    guarded: Guarded, distant: ipp.Client
) -> None:
    folder = guarded.cluster.folder
    secrets = secrets_of(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]

    assert {path.name for path in files if shown(path.read_bytes(), secrets)} == KEPT_IN
    for name in KEPT_IN:
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_shared_memory_has_none_of_them(guarded: Guarded, distant: ipp.Client) -> None:
    secrets = secrets_of(guarded.cluster.folder)
    files = [
        path
        for path in Path("/dev/shm").rglob(f"*{guarded.cluster.cluster_id}*/*")
        if path.is_file()
    ]

    assert files != []
    assert [path for path in files if shown(path.read_bytes(), secrets)] == []


def test_nothing_that_is_printed_shows_them(
    guarded: Guarded, distant: ipp.Client, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = secrets_of(guarded.cluster.folder)
    things: list[object] = [guarded.cluster, guarded.own, guarded.engines, distant]
    things += [vars(thing) for thing in (guarded.cluster, distant, distant.connection)]
    things += [vars(guarded.cluster)["_run"], vars(vars(guarded.cluster)["_run"])]
    keys = read_private(hub_keys_file(guarded.cluster.folder), HubKeys)
    things += [distant.curve_secretkey, keys]

    with caplog.at_level(logging.DEBUG):
        for thing in things:
            logging.getLogger(__name__).info("%s %r", thing, thing)

    assert shown(caplog.text, secrets) == 0
    assert "***" in caplog.text


def test_no_traceback_shows_them_not_even_with_the_values_of_variables(guarded: Guarded) -> None:
    address = msgspec.structs.replace(guarded.tcp(guarded.own), server=mint().public)
    info = msgspec.structs.replace(guarded.own, folder="", tcp=address)
    path = guarded.cluster.folder / "moved.json"
    path.touch(mode=0o600)
    path.write_bytes(to_json(info))

    with pytest.raises(ipp.HubGone) as failure:
        ipp.Client(path)
    path.unlink()
    told = traceback.TracebackException.from_exception(failure.value, capture_locals=True)

    assert shown("".join(told.format()), secrets_of(guarded.cluster.folder)) == 0


@pytest.mark.parametrize("damage", [b"", b',"x":1', b"\xff"])
def test_a_file_that_was_damaged_is_not_repeated_in_the_error(
    damage: bytes, guarded: Guarded
) -> None:
    path = guarded.cluster.folder / "damaged.json"
    path.touch(mode=0o600)
    path.write_bytes(to_json(guarded.own)[:-1] + damage)

    with pytest.raises(ipp.ClusterError) as failure:
        ipp.Client(path)
    path.unlink()
    told = traceback.TracebackException.from_exception(failure.value, capture_locals=True)

    assert shown("".join(told.format()), secrets_of(guarded.cluster.folder)) == 0


def test_nothing_that_holds_them_can_be_pickled(distant: ipp.Client) -> None:
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        pickle.Pickler(io.BytesIO()).dump(distant.curve_secretkey)


def test_new_keys_take_a_moment_and_the_old_ones_open_nothing_any_more(
    guarded: Guarded, distant: ipp.Client
) -> None:
    folder, before = guarded.cluster.folder, guarded.own
    old = secrets_of(folder)

    guarded.cluster.rotate_keys_sync()
    late = distant[:].apply_async(pow, 2, 3)

    assert len(secrets_of(folder) & old) == 1, "the hub stays the same"
    with pytest.raises(ipp.HubGone, match="does not admit the key"):
        ipp.Client(msgspec.json.decode(to_json(msgspec.structs.replace(before, folder=""))))
    assert not late.ready()
    fresh = read_private(connection_file(folder), ConnectionFile)
    again = msgspec.structs.replace(fresh, folder="")
    with ipp.Client(msgspec.json.decode(to_json(again))) as client:
        assert client[:].apply_async(pow, 2, 3).get(20) == [8]
