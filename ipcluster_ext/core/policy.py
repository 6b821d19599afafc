"""Which engine next: the one with the fewest unfinished tasks, the longest unused among equals.

A heap with stale entries left in it: an engine whose load has changed is entered again, and an
entry that no longer tells the truth is dropped when it comes to the top, or with all others of
its kind once they are the most. So a choice costs O(log engines), and memory O(engines).
"""

import heapq

from ipcluster_ext.core.engines import Engine

_STALE = 64


class LeastLoad:
    """Engines by load.

    Attributes
    ----------
    greedy
        Whether tasks are given out at once, however much the engines have to do.
    """

    greedy = False

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Engine]] = []
        self._turn = 0
        self._entered: dict[Engine, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def __contains__(self, engine: Engine) -> bool:
        entered = self._entered.get(engine)
        return entered is not None and entered[0] == engine.load

    def enter(self, engine: Engine) -> None:
        """Enter an engine under its present load, or take it out if it may not be given work."""
        if not engine.available:
            self._entered.pop(engine, None)
            return
        entered, load = self._entered.get(engine), engine.load
        if entered is not None and entered[0] == load:
            return
        turn = self._turn = self._turn + 1
        self._entered[engine] = (load, turn)
        heapq.heappush(self._heap, (load, turn, engine))
        if len(self._heap) > 2 * len(self._entered) + _STALE:
            self._heap = [(load, turn, engine) for engine, (load, turn) in self._entered.items()]
            heapq.heapify(self._heap)

    def least(self) -> Engine | None:
        """Return the engine to be given work next, None if there is none."""
        heap = self._heap
        while heap:
            load, turn, engine = heap[0]
            if self._entered.get(engine) == (load, turn):
                return engine
            heapq.heappop(heap)
        return None

    def choose(self, credit: int) -> Engine | None:
        """Return the engine to be given work next, if each may hold so many tasks."""
        del credit
        return self.least()
