"""The functions the hub knows: each kept once, under its digest.

A function stays as long as a task uses it. Beyond a limit in bytes and one in number, those that
no task uses leave, the longest unused first.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterator

from ipcluster_ext.core.function import Function
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.ids import TaskId, client_of

LIMIT = 64 * 1024 * 1024
MOST = 20_000
_SCANNED = 64
_ROOM = 16
"""One part in so many is made free at once."""


class Library:
    """All functions, and the tasks that wait for one that has not come."""

    def __init__(self, limit: int = LIMIT, most: int = MOST) -> None:
        self._limit = limit
        self._most = most
        self._pause = 0
        self._nbytes = 0
        self._functions: OrderedDict[bytes, Function] = OrderedDict()
        self._waiting: defaultdict[bytes, dict[TaskId, Task]] = defaultdict(dict)

    def __iter__(self) -> Iterator[Function]:
        return iter(list(self._functions.values()))

    @property
    def waiting(self) -> list[Task]:
        """The tasks that wait for a function."""
        return [task for tasks in self._waiting.values() for task in tasks.values()]

    def get(self, digest: bytes) -> Function:
        """Return the function of a digest, which may not have come yet."""
        function = self._functions.get(digest)
        if function is None:
            function = self._functions[digest] = Function(digest, None if digest else b"")
        else:
            self._functions.move_to_end(digest)
        return function

    def has(self, digest: bytes) -> bool:
        """Tell whether a function's pickle is here, or none is needed."""
        function = self._functions.get(digest)
        return not digest or (function is not None and function.pickled is not None)

    def define(self, digest: bytes, pickled: bytes) -> list[Task]:
        """Keep a function's pickle.

        Returns
        -------
        The tasks that waited for it, in the order of their submission.
        """
        function = self.get(digest)
        if function.pickled is None:
            function.pickled = pickled
            self._nbytes += len(pickled)
        return list(self._waiting.pop(digest, {}).values())

    def wait(self, task: Task) -> bool:
        """Have a task wait for its function.

        Returns
        -------
        Whether its client has to be asked for the function: the last to wait was another's.
        """
        waiting = self._waiting[task.function.digest]
        last = next(reversed(waiting), None)
        waiting[task.id] = task
        return last is None or client_of(last) != client_of(task.id)

    def forget(self, task: Task) -> None:
        """Let a task wait no longer; a function that no other will use is not expected any more."""
        digest = task.function.digest
        waiting = self._waiting.get(digest, {})
        if waiting.pop(task.id, None) is not None and not waiting:
            del self._waiting[digest]
            if task.function.live <= 1:  # else others will, that wait for something else as yet
                del self._functions[digest]

    def evict(self) -> list[Function]:
        """Forget unused functions until the rest is within the limit.

        Returns
        -------
        Those that went; engines should forget them too.
        """
        gone: list[Function] = []
        count = len(self._functions)
        if self._nbytes <= self._limit and count <= self._most:
            return gone
        if self._pause:  # most are in use: a scan of all would be for nothing again
            self._pause -= 1
            return gone
        limit = self._limit - self._limit // _ROOM
        most = self._most - self._most // _ROOM
        for digest, function in self._functions.items():
            if self._nbytes <= limit and count - len(gone) <= most:
                break
            if function.live == 0 and digest:
                self._nbytes -= len(function.pickled or b"")
                gone.append(function)
        for function in gone:
            del self._functions[function.digest]
        self._pause = 0 if gone else count // _SCANNED
        return gone
