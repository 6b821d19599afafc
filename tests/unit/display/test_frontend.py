from typing import Any

import IPython
import pytest

from ipcluster_ext.display import frontend


class Kernel:
    """A notebook's kernel, and the request that it works on."""

    def __init__(self, **metadata: str) -> None:
        self.kernel = self
        self._parent = {"header": {"msg_type": "execute_request"}, "metadata": metadata}

    def get_parent(self, channel: str) -> dict[str, Any]:
        assert channel == "shell"
        return self._parent


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontend, "EXPERIENCE", frontend.Experience())
    monkeypatch.delenv("IPP_NONINTERACTIVE", raising=False)
    monkeypatch.delenv("IPCLUSTER_EXT_WIDGETS", raising=False)


def be(monkeypatch: pytest.MonkeyPatch, shell: object) -> None:
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)


def test_a_script_shows_no_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch, None)

    assert not frontend.shows_widgets()
    assert frontend.shell() is None


def test_a_terminal_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch, object())

    assert not frontend.shows_widgets()


def test_a_notebook_that_somebody_looks_at_names_its_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    be(monkeypatch, Kernel(cellId="1e9aac6b"))

    assert frontend.shows_widgets()
    assert frontend.shell() is not None


def test_who_only_executes_a_notebook_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch, Kernel())

    assert not frontend.shows_widgets()


def test_an_engine_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = type("EngineKernel", (Kernel,), {"__module__": "ipcluster_ext.engine.kernel"})
    be(monkeypatch, inside(cellId="1e9aac6b"))

    assert not frontend.shows_widgets()
    assert frontend.shell() is None


@pytest.mark.parametrize(("variable", "value"), [
    ("IPP_NONINTERACTIVE", "1"), ("IPCLUSTER_EXT_WIDGETS", "0"),
])  # fmt: skip
def test_nothing_is_shown_where_that_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    be(monkeypatch, Kernel(cellId="1e9aac6b"))
    monkeypatch.setenv(variable, value)

    assert not frontend.shows_widgets()


def test_widgets_can_be_wished_for(monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch, Kernel())
    monkeypatch.setenv("IPCLUSTER_EXT_WIDGETS", "1")

    assert frontend.shows_widgets()


def test_a_front_end_that_has_drawn_one_draws_others(monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch, Kernel())
    frontend.EXPERIENCE.note_drawn()
    frontend.EXPERIENCE.note_refused()  # one that was closed since

    assert frontend.shows_widgets()


def test_a_front_end_that_refused_one_gets_no_others_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    be(monkeypatch, Kernel(cellId="1e9aac6b"))
    now = [1000.0]
    monkeypatch.setattr("ipcluster_ext.display.frontend.time.monotonic", lambda: now[0])
    frontend.EXPERIENCE.note_refused()
    assert not frontend.shows_widgets()

    now[0] += 3600

    assert frontend.shows_widgets()
