"""What a front end is told of engines' widgets when it comes back: their latest state.

A front end that opens a notebook asks the kernel's ipywidgets for all widgets at once. Those of
engines are none of its own; they stand there by their mirrors, which know what was said last and
need no engine, however busy that is.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

WIDGET = "jupyter.widget"
"""The target of comms that are widgets'."""


class Mirror:
    """The latest state of a widget that is elsewhere, as ipywidgets asks its own for it.

    Parameters
    ----------
    model_id
        The widget's, which is its comm's.
    data, buffers
        What its comm was opened with.
    """

    comm = None

    def __init__(self, model_id: str, data: dict[str, Any], buffers: Sequence[Any]) -> None:
        self.model_id = model_id
        self._state: dict[str, Any] = {}
        self.take(data, buffers)

    def take(self, data: dict[str, Any], buffers: Sequence[Any]) -> None:
        """Follow what either side says of the state."""
        state = data.get("state")
        if not isinstance(state, dict) or data.get("method", "update") not in _TELLING:
            return
        state = dict(state)
        for path, buffer in zip(data.get("buffer_paths", ()), buffers, strict=False):
            _put(state, path, bytes(buffer))
        self._state = {**self._state, **state}

    @property
    def _model_name(self) -> Any:
        return self._state.get("_model_name")

    @property
    def _model_module(self) -> Any:
        return self._state.get("_model_module")

    @property
    def _model_module_version(self) -> Any:
        return self._state.get("_model_module_version")

    def get_state(self, key: object = None, drop_defaults: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - ipywidgets' signature
        """Return the state."""
        del key, drop_defaults
        return dict(self._state)

    def _get_embed_state(self, drop_defaults: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """Return the state as it stands in notebook files."""
        del drop_defaults
        from ipywidgets.widgets import widget

        state, paths, raw = widget._remove_buffers(self._state)  # noqa: SLF001 - as embedding does
        embedded = {
            "model_name": self._model_name,
            "model_module": self._model_module,
            "model_module_version": self._model_module_version,
            "state": state,
        }
        if raw:
            from base64 import b64encode

            embedded["buffers"] = [
                {"encoding": "base64", "path": path, "data": b64encode(memoryview(one)).decode()}
                for path, one in zip(paths, raw, strict=True)
            ]
        return embedded

    def close(self) -> None:
        """Do nothing: the widget is closed where it is."""


_TELLING = frozenset({"update", "echo_update"})


def _put(state: dict[str, Any], path: Sequence[Any], buffer: bytes) -> None:
    """Put raw memory where it belongs in a state."""
    place: Any = state
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = buffer


def show(mirror: Mirror) -> None:
    """Have ipywidgets tell of a widget; it is imported, as nobody else answers who comes back."""
    with suppress(ImportError):  # without it there is nobody to tell
        import_module("ipywidgets")
    known = _known()
    if known is not None:
        known[mirror.model_id] = mirror


def hide(mirror: Mirror) -> None:
    """Have ipywidgets tell nothing more of a widget."""
    known = _known()
    if known is not None and known.get(mirror.model_id) is mirror:
        del known[mirror.model_id]


def _known() -> dict[str, Any] | None:
    """Return ipywidgets' table of widgets; None without it."""
    return getattr(sys.modules.get("ipywidgets.widgets.widget"), "_instances", None)
