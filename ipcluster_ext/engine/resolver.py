"""What stands among a task's arguments for something else: values of tasks, and names here."""

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol import standins
from ipcluster_ext.protocol.buffers import load
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import TaskId, task_text
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.transport.blobs import BlobStore
from ipcluster_ext.transport.kept import Kept

MARK = standins.__name__.encode()
"""Stands in every pickle that contains a stand-in."""


class Resolver:
    """Keeps the values that tasks here need, and makes something of stand-ins.

    Parameters
    ----------
    namespace
        The engine's namespace.
    blobs
        Its access to shared memory.
    """

    def __init__(self, namespace: dict[str, Any], blobs: BlobStore) -> None:
        self._namespace = namespace
        self._blobs = blobs
        self._kept: dict[TaskId, Kept | ProtocolError] = {}

    def keep(self, items: Iterable[ResultItem], frames: Iterator[Frame]) -> None:
        """Keep values until they are forgotten; one that did not come whole is missed later.

        One that is here already stays as it is, since a task may be about to take it.
        """
        for item in items:
            kept: Kept | ProtocolError
            try:
                kept = self._blobs.keep(item, frames)
            except ProtocolError as error:
                kept = error
            if not isinstance(self._kept.get(item.id), Kept):
                self._kept[item.id] = kept
            elif isinstance(kept, Kept):
                kept.close()

    def keep_only(self, tasks: Iterable[TaskId]) -> None:
        """Drop all values but those of these tasks."""
        self.forget(self._kept.keys() - frozenset(tasks))

    def forget(self, tasks: Iterable[TaskId]) -> None:
        """Drop values."""
        for task in tasks:
            kept = self._kept.pop(task, None)
            if isinstance(kept, Kept):
                kept.close()

    def value(self, task: TaskId) -> Any:
        """Return what a task returned, made anew for each caller.

        Raises
        ------
        ProtocolError
            It is not here.
        """
        kept = self._kept.get(task)
        if isinstance(kept, ProtocolError):
            raise kept
        if kept is None:
            raise ProtocolError(f"the value of task {task_text(task)} was not sent")
        return load(*kept.collect())

    def name(self, expression: str) -> Any:
        """Return what an expression means in the engine's namespace.

        Raises
        ------
        Exception
            Whatever evaluating it raises.
        """
        if expression in self._namespace:
            return self._namespace[expression]
        ast.parse(expression, mode="eval")
        return eval(expression, self._namespace)  # noqa: S307 - running user code is what an engine is for

    def load(self, stream: bytes | memoryview, buffers: Iterable[memoryview]) -> Any:
        """Unpickle what may contain stand-ins.

        Raises
        ------
        Exception
            Whatever unpickling raises.
        """
        with standins.resolving(self):
            return load(stream, buffers)
