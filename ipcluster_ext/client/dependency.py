"""Dependencies: which tasks have to end, and how, before another may begin."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.errors import InvalidDependency
from ipcluster_ext.protocol import parts
from ipcluster_ext.protocol.ids import EngineId, TaskId, parse_task, task_text
from ipcluster_ext.protocol.status import TaskStatus


@runtime_checkable
class Answer(Protocol):
    """An answer, as far as dependencies care."""

    def count_tasks(self) -> int:
        """Return how many tasks it stands for."""

    def task_at(self, place: int) -> TaskId:
        """Return one of them."""

    def outcome_at(self, place: int) -> Outcome | None:
        """Return how it ended, None if it has not."""


class Dependency(set[str]):
    """Tasks that have to end before another may begin: a set of task ids.

    Parameters
    ----------
    dependencies
        An `AsyncResult` or a task's id (``msg_id``), or several of both.
    all
        Whether all of them have to end as wished, or any one.
    success
        Whether an end with a value is as wished.
    failure
        Whether an end with an error is.

    Raises
    ------
    ValueError
        Neither end is as wished.
    TypeError
        Something is neither an answer nor an id.
    InvalidDependency
        A text is no task's id.

    Examples
    --------
    >>> first, second = lv.apply_async(abs, -1), lv.apply_async(abs, -2)
    >>> either = ipp.Dependency([first, second], all=False)
    >>> lv.options(after=either).apply_sync(abs, -3)
    3
    """

    def __init__(
        self,
        dependencies: Any = (),
        all: bool = True,  # noqa: A002, FBT001, FBT002 - ipyparallel's signature
        success: bool = True,  # noqa: FBT001, FBT002 - likewise
        failure: bool = False,  # noqa: FBT001, FBT002 - likewise
    ) -> None:
        if not (success or failure):
            msg = "a dependency has to wait for success, failure or both"
            raise ValueError(msg)
        self.all = bool(all)
        self.success = bool(success)
        self.failure = bool(failure)
        self.answers: list[Answer] = []
        ids: list[str] = []
        for part in _parts(dependencies):
            if isinstance(part, str):
                ids.append(_checked(part))
            elif isinstance(part, Answer):
                self.answers.append(part)
                places = range(part.count_tasks())
                ids.extend(task_text(part.task_at(place)) for place in places)
            else:
                msg = f"a dependency is an AsyncResult or a task's id, not {part!r}"
                raise TypeError(msg)
        if isinstance(dependencies, Dependency):
            self.answers.extend(dependencies.answers)
        super().__init__(ids)

    def __repr__(self) -> str:
        return (
            f"Dependency({sorted(self)}, all={self.all}, success={self.success}, "
            f"failure={self.failure})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (sorted(self), self.all, self.success, self.failure)

    def check(self, completed: Iterable[str], failed: Iterable[str] | None = None) -> bool:
        """Tell whether they have ended as wished.

        Parameters
        ----------
        completed, failed
            The tasks that returned, and those that did not.

        Examples
        --------
        >>> first, second = ["00000001-1", "00000001-2"]
        >>> ipp.Dependency([first, second], all=False).check([second])
        True
        """
        wished = self._ends(completed, failed, success=self.success, failure=self.failure)
        return not self or (self <= wished if self.all else not self.isdisjoint(wished))

    def unreachable(self, completed: Iterable[str], failed: Iterable[str] | None = None) -> bool:
        """Tell whether they can never end as wished any more."""
        wrong = self._ends(completed, failed, success=not self.success, failure=not self.failure)
        return bool(self) and (not self.isdisjoint(wrong) if self.all else self <= wrong)

    @staticmethod
    def _ends(
        completed: Iterable[str], failed: Iterable[str] | None, *, success: bool, failure: bool
    ) -> set[str]:
        return set(completed if success else ()) | set((failed or ()) if failure else ())

    def as_dict(self) -> dict[str, Any]:
        """Return its parameters, from which ``Dependency(**parameters)`` makes an equal one."""
        return {
            "dependencies": list(self),
            "all": self.all,
            "success": self.success,
            "failure": self.failure,
        }

    def on_the_wire(self, knows: Callable[[TaskId], bool]) -> parts.Dependency:
        """Return it as the hub reads it: what is known of its tasks, and who is left.

        Parameters
        ----------
        knows
            Tells whether there can be such a task.

        Raises
        ------
        InvalidDependency
            There is no such task.
        """
        left = {parse_task(text) for text in self}
        ends = [end for answer in self.answers for end in _ends(answer)]
        engines: dict[EngineId, None] = {}
        met = unmet = 0
        for task, status, engine in ends:
            if task not in left:
                continue
            left.discard(task)
            if self.success if status is TaskStatus.DONE else self.failure:
                met += 1
                engines.update({engine: None} if engine >= 0 else {})
            else:
                unmet += 1
        unknown = sorted(task for task in left if not knows(task))
        if unknown:
            msg = f"there is no task {', '.join(map(task_text, unknown[:5]))}"
            raise InvalidDependency(msg)
        return parts.Dependency(
            tuple(sorted(left)), met, unmet, tuple(engines), self.all, self.success, self.failure
        )


def dependency_of(value: object) -> Dependency | None:
    """Read a dependency in any of the forms that users give.

    Parameters
    ----------
    value
        A task's id, an answer, a `Dependency` or a dict of its parameters, or a collection of ids
        and answers; None for no dependency.

    Returns
    -------
    None where there is nothing to wait for.

    Raises
    ------
    TypeError, ValueError, InvalidDependency
        As for `Dependency`.
    """
    if value is None:
        return None
    if isinstance(value, Dependency):
        found = value
    elif isinstance(value, Mapping):
        found = Dependency(**value)
    else:
        found = Dependency(value)
    return found if found else None


def _ends(answer: Answer) -> Iterator[tuple[TaskId, TaskStatus, EngineId]]:
    """Yield which tasks have ended, how, and where."""
    for place in range(answer.count_tasks()):
        outcome = answer.outcome_at(place)
        if outcome is not None:
            yield answer.task_at(place), outcome.item.status, outcome.engine


def _parts(dependencies: object) -> Iterable[object]:
    if isinstance(dependencies, str | Answer):
        return (dependencies,)
    if not isinstance(dependencies, Iterable):
        msg = f"dependencies are AsyncResults or ids of tasks, not {dependencies!r}"
        raise TypeError(msg)
    return dependencies


def _checked(text: str) -> str:
    try:
        return task_text(parse_task(text))
    except ValueError as error:
        raise InvalidDependency(str(error)) from None
