"""What a cell that ran on an engine has to show."""

from typing import Any

from ipcluster_ext.client.result import AsyncResult, Value


class ExecuteReply:
    """The value of a cell's last expression, and what the cell displayed.

    Shows itself in a notebook as that value would.

    Attributes
    ----------
    execute_result
        The value in the formats it has, by MIME type, or None.
    outputs
        What was displayed, each with its ``data`` and ``metadata``.
    engine_id
        Where it ran.
    """

    def __init__(self, reply: dict[str, Any], engine_id: int | None) -> None:
        self.execute_result: dict[str, Any] | None = reply["execute_result"]
        self.outputs: list[dict[str, Any]] = reply["outputs"]
        self.execution_count: int = reply["execution_count"]
        self.engine_id = engine_id

    @property
    def data(self) -> dict[str, Any]:
        """The value by MIME type; empty if the cell has none."""
        return self.execute_result["data"] if self.execute_result else {}

    def __repr__(self) -> str:
        text = self.data.get("text/plain", "")
        return f"<ExecuteReply from engine {self.engine_id}: {text}>"

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        return self.data or {"text/plain": repr(self)}


class AsyncExecuteResult(AsyncResult):
    """The answer of ``execute``: for each engine an `ExecuteReply`, or None if it was silent."""

    def _decode(self, index: int) -> Value:
        value, error = super()._decode(index)
        if isinstance(value, dict):
            outcome = self._outcomes[index]
            value = ExecuteReply(value, None if outcome is None else outcome.engine)
        return value, error
