"""Notes in a file: there at once, whole, and never in the way."""

import logging
import os
from pathlib import Path

import pytest

from ipcluster_ext.transport.notes import Notes


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "sent"


def test_what_was_noted_is_there_although_nobody_has_closed_the_file(path: Path) -> None:
    notes = Notes(path)
    notes.write(b"one")
    notes.write(b"two")

    assert Notes(path).recovered == b"onetwo"
    assert notes.nbytes == 6
    assert path.stat().st_mode & 0o777 == 0o600
    notes.close()


def test_a_successor_goes_on_in_the_same_file(path: Path) -> None:
    before, after = Notes(path), Notes(path)
    before.write(b"one")
    before.close()

    after.write(b"two")

    assert path.read_bytes() == b"onetwo"
    assert after.nbytes == 6
    after.close()


def test_nobody_waits_for_the_disk_when_the_file_begins_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)

    Notes(path).renew(b"all")

    assert path.read_bytes() == b"all"
    assert synced == []


def test_the_file_begins_anew(path: Path) -> None:
    notes = Notes(path)
    notes.write(b"long ago")

    notes.renew(b"one")
    notes.write(b"two")

    assert path.read_bytes() == b"onetwo"
    assert notes.nbytes == 6
    notes.close()


def test_without_anything_to_note_there_is_no_file(path: Path) -> None:
    Notes(path).close()

    assert not path.exists()


def test_nothing_is_kept_where_there_is_no_file_to_keep_it_in() -> None:
    notes = Notes(None)
    notes.write(b"one")
    notes.renew(b"two")
    notes.close()

    assert (notes.recovered, notes.nbytes) == (b"", 0)


def test_a_file_that_cannot_be_written_is_said_aloud_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notes = Notes(path / "in a folder that is not there")

    with caplog.at_level(logging.WARNING):
        notes.write(b"one")
        notes.write(b"two")

    assert len(caplog.records) == 1
    assert "cannot be written" in caplog.text


def test_half_a_note_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Notes(path)
    notes.write(b"one")
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:1]))

    notes.write(b"two")

    monkeypatch.undo()
    notes.write(b"three")
    assert path.read_bytes() == b"onethree"
    notes.close()
