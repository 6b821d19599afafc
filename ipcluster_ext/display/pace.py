"""How fast work gets on, and when it will be done: figures for whoever watches.

The rate is that of the last seconds, so that it follows a change; where tasks are long it is that
of the last ones that ended. The longer nothing ends the lower it gets.
"""

from collections import deque

WINDOW = 15.0
"""Over how many seconds the rate is taken, if enough ended in them."""
_FEWEST = 2


class Pace:
    """Notes how much is done at which time.

    Parameters
    ----------
    began
        When the work began, in seconds by any clock; the other times are by the same.
    """

    def __init__(self, began: float) -> None:
        self._steps: deque[tuple[float, float]] = deque([(began, 0.0)])

    def note(self, done: float, *, now: float) -> None:
        """Learn how much is done."""
        steps = self._steps
        if done < steps[-1][1]:
            steps.clear()  # it was begun again
            steps.append((now, done))
        elif done > steps[-1][1]:
            steps.append((now, done))
        while len(steps) > _FEWEST and steps[1][0] <= now - WINDOW:
            steps.popleft()

    def rate(self, *, now: float) -> float | None:
        """Return how much is done in a second, None if nobody knows yet."""
        (since, before), (_, done) = self._steps[0], self._steps[-1]
        if done <= before or now <= since:
            return None
        return (done - before) / (now - since)

    def left(self, total: float | None, *, now: float) -> float | None:
        """Return how many seconds the rest will take, None if nobody knows."""
        rate = self.rate(now=now)
        if total is None or not rate:
            return None
        return max(0.0, total - self._steps[-1][1]) / rate
