"""Who takes what code on an engine writes and displays."""

import io
import sys

import pytest

from ipcluster_ext.engine.redirects import Redirects, Sink
from ipcluster_ext.protocol.displays import Event


class Publisher:
    """What the kernel collects displays with."""

    def __init__(self) -> None:
        self.shown: list[Event] = []
        self.pass_on = self._take

    def _take(self, event: Event) -> bool:
        self.shown.append(event)
        return True


class Kernel:
    def __init__(self) -> None:
        self.publisher = Publisher()


class Taken:
    """A sink."""

    def __init__(self) -> None:
        self.taken: list[object] = []

    def write(self, stream: str, text: str) -> None:
        self.taken.append((stream, text))

    def show(self, event: Event) -> None:
        self.taken.append(event)

    def flush(self) -> None:
        self.taken.append("flushed")


def patched(monkeypatch: pytest.MonkeyPatch) -> tuple[io.StringIO, io.StringIO]:
    """Put other streams in place of the standard ones, until the test ends."""
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    return out, err


def test_output_goes_where_it_went_as_long_as_nobody_wants_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    streams = patched(monkeypatch)
    kernel, wanted = Kernel(), Taken()
    sink: list[Sink | None] = [None]
    redirects = Redirects(kernel)  # type: ignore[arg-type]
    assert sys.stdout is streams[0], "nothing is in the way before somebody may want it"
    redirects.add(lambda: sink[0])

    sys.stdout.write("one\n")
    kernel.publisher.pass_on({"data": 1})
    sink[0] = wanted
    sys.stdout.write("two\n")
    sys.stderr.writelines(["three\n", "four\n"])
    sys.stdout.flush()
    kernel.publisher.pass_on({"data": 2})
    sink[0] = None
    sys.stdout.write("five\n")

    assert streams[0].getvalue() == "one\nfive\n"
    assert kernel.publisher.shown == [{"data": 1}]
    assert wanted.taken == [
        ("stdout", "two\n"),
        ("stderr", "three\n"),
        ("stderr", "four\n"),
        "flushed",
        {"data": 2},
    ]


def test_who_asks_later_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = patched(monkeypatch)
    first, second = Taken(), Taken()
    redirects = Redirects(Kernel())  # type: ignore[arg-type]
    redirects.add(lambda: first)
    redirects.add(lambda: second)
    sys.stdout.write("text")
    assert (first.taken, second.taken) == ([], [("stdout", "text")])
    assert streams[0].getvalue() == ""


def test_what_is_no_text_is_refused_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = patched(monkeypatch)
    redirects = Redirects(Kernel())  # type: ignore[arg-type]
    redirects.add(Taken)
    with pytest.raises(TypeError):
        sys.stdout.write(1)  # type: ignore[arg-type]
    assert sys.stdout.isatty() is streams[0].isatty()
