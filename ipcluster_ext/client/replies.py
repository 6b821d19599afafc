"""What a cell that ran on an engine has to show."""

from collections.abc import Callable
from typing import Any, NoReturn

from ipcluster_ext.client.metadata import Metadata, metadata_of
from ipcluster_ext.client.opening import Value, decode
from ipcluster_ext.client.outputs import bundle_of, display
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.protocol.ids import EngineId, TaskId


class RichOutput:
    """Something that can be shown in several formats, as a notebook shows it.

    Parameters
    ----------
    content
        A dict with ``data``, what it is in each format (by MIME type), and ``metadata``.
    source
        Where it comes from, as "engine 3".

    Attributes
    ----------
    data, metadata, source
        As given.

    Examples
    --------
    >>> reply = rc[0].execute("6 * 7", silent=False, block=True)
    >>> reply.data
    {'text/plain': '42'}
    >>> reply.display()
    42
    """

    def __init__(self, content: dict[str, Any] | None, source: str) -> None:
        self.source = source
        self.data: dict[str, Any] = content["data"] if content else {}
        self.metadata: Any = content["metadata"] if content else {}

    def display(self) -> None:
        """Show it.

        Examples
        --------
        >>> rc[0].execute("6 * 7", silent=False, block=True).display()
        42
        """
        display({"data": self.data, "metadata": self.metadata}, "")

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return bundle_of(self.data or {"text/plain": repr(self)}, options), dict(self.metadata)

    def _repr_html_(self) -> str | None:
        return self.data.get("text/html")

    def _repr_latex_(self) -> str | None:
        return self.data.get("text/latex")

    def _repr_json_(self) -> Any:
        return self.data.get("application/json")

    def _repr_javascript_(self) -> str | None:
        return self.data.get("application/javascript")

    def _repr_markdown_(self) -> str | None:
        return self.data.get("text/markdown")

    def _repr_png_(self) -> Any:
        return self.data.get("image/png")

    def _repr_jpeg_(self) -> Any:
        return self.data.get("image/jpeg")

    def _repr_svg_(self) -> str | None:
        return self.data.get("image/svg+xml")


class ExecuteReply(RichOutput):
    """The value of a cell's last expression, and what the cell displayed.

    Shows itself in a notebook as that value would. The task's `Metadata` are its attributes and
    items, too.

    Parameters
    ----------
    reply
        What came from the engine.
    engine
        Where it ran.
    describe
        Returns the task's metadata.

    Attributes
    ----------
    execute_result
        The value in the formats it has, with ``data`` and ``metadata``, or None.
    outputs
        What was displayed, each with its ``data`` and ``metadata``.
    execution_count
        How many cells the engine has run.

    Examples
    --------
    >>> reply = rc[0].execute("6 * 7", silent=False, block=True)
    >>> reply
    <ExecuteReply from engine 0: 42>
    >>> reply.source, reply["status"], reply.engine_id
    ('engine 0', 'ok', 0)
    """

    def __init__(
        self, reply: dict[str, Any], engine: EngineId, describe: Callable[[], Metadata]
    ) -> None:
        super().__init__(reply["execute_result"], f"engine {engine}")
        self.execute_result: dict[str, Any] | None = reply["execute_result"]
        self.outputs: list[dict[str, Any]] = reply["outputs"]
        self.execution_count: int = reply["execution_count"]
        self._describe = describe

    def __repr__(self) -> str:
        return f"<ExecuteReply from {self.source}: {self.data.get('text/plain', '')}>"

    def __getitem__(self, key: str) -> Any:
        return self._describe()[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._describe(), name)


class AsyncExecuteResult(AsyncResult):
    """The answer of ``execute``: for each engine an `ExecuteReply`, or None if it was silent."""

    shows_values = True

    def _decode(self, outcome: Outcome) -> Value:
        value, error = decode(outcome)
        if isinstance(value, dict):
            place = outcome.item.id - self.first
            value = ExecuteReply(value, outcome.engine, lambda: metadata_of(self, place))
        return value, error

    def another(self, place: int, task: TaskId) -> "AsyncExecuteResult":
        """Return an answer for another try of one of its cells."""
        del place
        return AsyncExecuteResult(self.connection, 1, single=True, label=self.label, tasks=[task])

    def shown_by(self, place: int) -> tuple[list[dict[str, Any]], Any]:
        """Return what one of its cells displayed, and its value."""
        outputs, _ = super().shown_by(place)
        reply = self.value_at(place)[0] if self._outcomes[place] is not None else None
        if not isinstance(reply, ExecuteReply):
            return outputs, None
        value = reply.execute_result
        if value is not None:
            value = {**value, "execution_count": reply.execution_count}
        return reply.outputs or outputs, value

    def __reduce__(self) -> NoReturn:
        msg = "what a cell shows cannot be the argument of a task; push its value, or return it"
        raise TypeError(msg)
