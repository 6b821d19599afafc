import io
import sys
from typing import Any

import pytest

from ipcluster_ext.display import cell as cell_module
from ipcluster_ext.display.cell import PASSED_ON, Cell


class OwnStream(io.StringIO):
    """A stream of ipykernel's."""

    __module__ = "ipykernel.iostream"

    def __init__(self, log: list[Any]) -> None:
        super().__init__()
        self._log = log

    def flush(self) -> None:
        self._log.append("flushed")


class OwnPublisher:
    """A publisher of ipykernel's."""

    __module__ = "ipykernel.zmqshell"


class Kernel:
    """A kernel, and its shell; what is said is noted."""

    iopub_socket = "iopub"

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.parent: dict[str, Any] = {"header": {"msg_id": "1"}}
        self.kernel = self.session = self
        self.display_pub: object = OwnPublisher()

    def get_parent(self, channel: str) -> dict[str, Any]:
        assert channel == "shell"
        return self.parent

    def send(self, socket: str, kind: str, content: Any, *, parent: Any, ident: bytes) -> None:
        assert socket == "iopub"
        assert ident
        self.said.append((kind, content, parent["header"]["msg_id"]))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(cell_module, "_shell", lambda: kernel)
    monkeypatch.setattr(cell_module, "_written", cell_module._Written())  # noqa: SLF001
    return kernel


def own_streams(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the kernel's own streams; to be called when pytest has put its own in their place."""
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, OwnStream(kernel.said))


def test_what_is_said_later_belongs_to_the_cell_that_ran_and_follows_what_it_printed(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_streams(kernel, monkeypatch)
    cell = Cell.current()
    kernel.parent = {"header": {"msg_id": "2"}}
    cell.write("stderr", "a")
    cell.display({"text/plain": "x", "text/html": "<b>x</b>"}, display_id="d")
    cell.update({"text/plain": "y"}, {"a": 1}, display_id="d")
    cell.clear(wait=True)

    before = ["flushed", "flushed"]
    data = {"text/plain": "x", "text/html": "<b>x</b>"}
    transient = {"display_id": "d"}
    assert kernel.said == [
        *before,
        ("stream", {"name": "stderr", "text": "a"}, "1"),
        *before,
        ("display_data", {"data": data, "metadata": {}, "transient": transient}, "1"),
        *before,
        (
            "update_display_data",
            {"data": {"text/plain": "y"}, "metadata": {"a": 1}, "transient": transient},
            "1",
        ),
        *before,
        ("clear_output", {"wait": True}, "1"),
    ]


@pytest.mark.parametrize(
    ("parent", "updates"),
    [
        ({"metadata": {"cellId": "7"}, "content": {"allow_stdin": True}}, True),  # JupyterLab
        ({"metadata": {}, "content": {"allow_stdin": False}}, True),  # nbclient
        ({"metadata": {}, "content": {"allow_stdin": True}}, False),  # jupyter console
    ],
)
def test_things_change_in_place_where_the_front_end_can_do_that(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, parent: dict[str, Any], updates: bool
) -> None:
    own_streams(kernel, monkeypatch)
    kernel.parent = {"header": {"msg_id": "1"}, **parent}

    assert Cell.current().updates is updates


def test_there_is_room_for_as_much_as_a_server_passes_on(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_streams(kernel, monkeypatch)
    kernel.parent = {"header": {"msg_id": "1"}, "metadata": {"cellId": "7"}}
    cell = Cell.current()
    cell.write("stdout", "é\n" * 100)

    assert (cell.room, Cell.current().room) == (PASSED_ON - 400, PASSED_ON - 400)
    kernel.parent = {"header": {"msg_id": "1"}}
    assert Cell.current().room == sys.maxsize


def test_what_a_cell_captures_goes_there(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    own_streams(kernel, monkeypatch)
    caught = io.StringIO()
    monkeypatch.setattr(sys, "stdout", caught)
    kernel.parent = {"header": {"msg_id": "1"}, "metadata": {"cellId": "7"}}
    cell = Cell.current()
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    cell.write("stdout", "a")

    assert (caught.getvalue(), cell.updates, kernel.said) == ("a", False, [])


def test_outside_of_kernels_it_is_the_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    cell = Cell.current()
    cell.write("stdout", "a\n")
    cell.write("stderr", "b\n")
    cell.display({"text/plain": "x", "text/html": "<b>x</b>"})
    cell.display({"image/png": ""}, display_id="d")
    cell.update({"text/plain": "y"}, display_id="d")
    cell.clear()

    assert capsys.readouterr() == ("a\nx\n<image/png>\n", "b\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_lines_at_its_end_that_change(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "11")
    cell = Cell.current()
    cell.show_foot("bar one\nbar two is wide")
    cell.write("stdout", "line\n")
    cell.show_foot("")

    foot, erased = "bar one\nbar two is\n", "\x1b[2A\x1b[J"
    assert terminal.getvalue() == f"{foot}{erased}line\n{foot}{erased}"
