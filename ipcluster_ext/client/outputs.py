"""Showing what tasks wrote and displayed: afterwards, in groups, or as it comes.

Text has a heading on each line, as ``[stdout:3]`` for engine 3. Rich output is given to IPython
where there is one, and shown as plain text elsewhere.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, Literal

from ipcluster_ext.client.answer import Answer
from ipcluster_ext.client.hearers import Hearer
from ipcluster_ext.client.metadata import Metadata, fact_of
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.protocol.ids import TaskId

GroupBy = Literal["type", "engine", "order"]
_STREAMS = ("stdout", "stderr")


def show(entries: Sequence[Metadata], groupby: GroupBy, *, single: bool, result_only: bool) -> None:
    """Show what tasks wrote, displayed and returned as cells.

    Parameters
    ----------
    entries
        Facts about each task.
    groupby
        'type', 'engine' or 'order'; see `AsyncResult.display_outputs`.
    single
        Whether it is one task, which needs no headings.
    result_only
        Whether to show the values of cells only.

    Raises
    ------
    ValueError
        There is no such grouping.
    """
    if groupby not in _ORDERS:
        msg = f"groupby must be 'type', 'engine' or 'order', not {groupby!r}"
        raise ValueError(msg)
    shown = [_Shown(facts, single=single, result_only=result_only) for facts in entries]
    for step in _ORDERS[groupby](shown):
        step()


def _by_engine(shown: list["_Shown"]) -> Iterator[Callable[[], None]]:
    for task in shown:
        yield from (task.stdout, task.stderr, task.displays, task.value)


def _by_type(shown: list["_Shown"]) -> Iterator[Callable[[], None]]:
    for kind in (_Shown.stdout, _Shown.stderr, _Shown.displays, _Shown.value):
        yield from (partial(kind, task) for task in shown)


def _in_order(shown: list["_Shown"]) -> Iterator[Callable[[], None]]:
    for task in shown:
        yield from (task.stdout, task.stderr)
    for row in zip_longest(*(task.outputs for task in shown)):
        for task, output in zip(shown, row, strict=True):
            yield partial(task.display, output)
    yield from (task.value for task in shown)


_ORDERS: dict[str, Callable[[list["_Shown"]], Iterator[Callable[[], None]]]] = {
    "type": _by_type,
    "engine": _by_engine,
    "order": _in_order,
}


class _Shown:
    """One task's output, with its headings."""

    def __init__(self, facts: Metadata, *, single: bool, result_only: bool) -> None:
        self._facts = facts
        self._single = single
        self._engine = name_of(facts.engine_id)
        self._written = not result_only
        self.outputs: list[dict[str, Any]] = [] if result_only else facts.outputs

    def stdout(self) -> None:
        """Show what was written to ``sys.stdout``."""
        self._text("stdout")

    def stderr(self) -> None:
        """Show what was written to ``sys.stderr``."""
        self._text("stderr")

    def _text(self, stream: str) -> None:
        text = self._facts[stream]
        if text and self._written:
            write(stream, text if self._single else headed(stream, self._engine, text))

    def displays(self) -> None:
        """Show what was displayed."""
        for output in self.outputs:
            self.display(output)

    def display(self, output: dict[str, Any] | None) -> None:
        """Show one thing that was displayed, if there is one."""
        if output is not None:
            display(output, "" if self._single else f"[output:{self._engine}]")

    def value(self) -> None:
        """Show the value of a cell."""
        value = self._facts.execute_result
        if value is not None:
            count = value.get("execution_count", "")
            display(value, f"Out[{count}]:" if self._single else f"Out[{self._engine}:{count}]:")


def name_of(engine: int | None, place: int | None = None) -> str:
    """Return how headings call an engine, or a task of which the engine is not known."""
    if engine is not None:
        return str(engine)
    return "?" if place is None else f"task {place}"


def headed(stream: str, name: str, text: str) -> str:
    """Put a heading before each line; of what was written over, the last version is left."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.removesuffix("\n").split("\n")]
    return "".join(f"[{stream}:{name}] {line}\n" for line in lines)


def write(stream: str, text: str) -> None:
    """Write text to ``sys.stdout`` or ``sys.stderr``."""
    file = sys.stderr if stream == "stderr" else sys.stdout
    file.write(text)
    file.flush()


def display(output: dict[str, Any], heading: str) -> None:
    """Show something rich below its heading, or as text beside it where there is only that."""
    data = output["data"]
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None or set(data) <= {"text/plain"}:
        text = data.get("text/plain") or f"<{', '.join(data)}>"
        gap = "\n" if "\n" in text else " "
        write("stdout", f"{heading}{gap if heading else ''}{text}\n")
        return
    from IPython.display import display as show_rich

    if heading:
        write("stdout", f"{heading}\n")
    show_rich(data, metadata=output.get("metadata") or {}, raw=True)  # type: ignore[no-untyped-call]


class Streaming(Hearer):
    """Shows what an answer's tasks write and display, as it comes, within a ``with`` block.

    Parameters
    ----------
    answer
        Whose output; what has come already is shown first.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._written: dict[tuple[int, str], int] = {}
        self._displayed: dict[int, int] = {}
        self._valued: set[int] = set()
        self._places = {
            answer.task_at(place): place for place in range(answer.count_tasks())
        }  # fmt: skip

    def __enter__(self) -> None:
        for source in self._sources():
            source.listen(self)
        for place in range(self._answer.count_tasks()):
            self._catch_up(place)

    def __exit__(self, *_raised: object) -> None:
        for source in self._sources():
            source.unlisten(self)
        for place in range(self._answer.count_tasks()):
            self._catch_up(place, whole=True)

    def _sources(self) -> list[Answer]:
        """Return those who hear of the tasks first."""
        places = range(self._answer.count_tasks())
        roots = (self._answer.root(place)[0] for place in places)
        return list({id(root): root for root in roots}.values())

    def wrote(self, task: TaskId, stream: str, text: str) -> None:
        """Show what a task wrote."""
        del stream, text
        if task in self._places:
            self._catch_up(self._places[task])

    def told(self, task: TaskId, topic: str, value: Any) -> None:
        """Show what a task displayed."""
        del topic, value
        if task in self._places:
            self._catch_up(self._places[task])

    def ended(self, outcomes: Sequence[Outcome], failure: Exception | None) -> None:
        """Show the rest of what tasks have to show."""
        del failure
        for outcome in outcomes:
            if outcome.item.id in self._places:
                self._catch_up(self._places[outcome.item.id], whole=True)

    def _catch_up(self, place: int, *, whole: bool = False) -> None:
        """Show what has not been shown of a task; half a line only if it is asked for."""
        with self._lock:
            source, index = self._answer.root(place)
            name = name_of(fact_of(source, index, "engine_id"), place)
            for stream in _STREAMS:
                self._write(place, stream, name, whole=whole)
            outputs, value = source.shown_by(index)
            for output in outputs[self._displayed.get(place, 0) :]:
                display(output, f"[output:{name}]")
            self._displayed[place] = len(outputs)
            if value is not None and place not in self._valued:
                self._valued.add(place)
                display(value, f"Out[{name}:{value.get('execution_count', '')}]:")

    def _write(self, place: int, stream: str, name: str, *, whole: bool) -> None:
        source, index = self._answer.root(place)
        text = source.notes_at(index).written.get(stream, "")
        begin = self._written.get((place, stream), 0)
        end = len(text) if whole else text.rfind("\n") + 1
        if end > begin:
            self._written[place, stream] = end
            write(stream, headed(stream, name, text[begin:end]))
