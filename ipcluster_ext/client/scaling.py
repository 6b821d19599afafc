"""What a client knows of its cluster as a whole: what it does, and how many engines it has."""

import operator
from collections.abc import Iterable, Mapping, Sequence

from ipcluster_ext.client.feed import PARTS, StatusFeed
from ipcluster_ext.client.options import check
from ipcluster_ext.client.steer import Steering, steered
from ipcluster_ext.client.targets import Targets
from ipcluster_ext.errors import EngineError
from ipcluster_ext.protocol.feed import LEAST_INTERVAL, FeedPart
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import Steer
from ipcluster_ext.protocol.status import EngineStatus


class Scaling(Steering):
    """The part of a client that looks after its cluster as a whole."""

    def status_feed(
        self, interval: float = LEAST_INTERVAL, *, parts: Iterable[FeedPart] = PARTS
    ) -> StatusFeed:
        """Have the hub tell what the cluster does, as it changes.

        Parameters
        ----------
        interval
            How often there may be news at most, in seconds; not more often than ten times a
            second whatever is asked for.
        parts
            What to watch: ``"engines"``, ``"work"`` and ``"totals"``; besides, ``"spans"``: which
            tasks ran when and where, and ``"lines"``: what each engine wrote last, for which an
            `interval` of a second will do. See `ClusterStatus`.

        Returns
        -------
        The feed, to be used in a ``with`` block.

        Raises
        ------
        ValueError
            There is no such part, or the interval is no span of time.
        ClientError
            The client is closed, or has lost its hub.

        Examples
        --------
        >>> lv.options(label="squares").map_sync(pow, [1, 2, 3], [2, 2, 2])
        [1, 4, 9]
        >>> with rc.status_feed() as feed:
        ...     status = feed.wait()
        >>> [(row.done, row.failed) for row in status.work if row.label == "squares"]
        [(3, 0)]

        In a coroutine it is iterated over:

        >>> import asyncio
        >>> async def first():
        ...     async for status in rc.status_feed():
        ...         return [engine.state for engine in status.engines]
        >>> asyncio.run(first())
        ['idle', 'idle']
        """
        return StatusFeed(self.connection, interval, parts)

    def scale(
        self,
        n: int,
        *,
        force: bool = False,
        wait: bool = False,
        timeout: float | None = None,
        resources: Mapping[str, float] | Iterable[str] | None = None,
    ) -> list[EngineId]:
        """Have so many engines.

        If there are too few, engines that retire stay after all, and then others are started. If
        there are too many, those that are not up as yet or have nothing to do are stopped, the
        youngest first; others retire: they get no more tasks, what they have not begun goes to
        others, and they stop when they have finished what they have. From now on there are so many:
        this ends what `adapt` has begun.

        Parameters
        ----------
        n
            How many; 0 for none.
        force
            Whether engines that are too many are stopped at once, whatever they do.
        wait
            Whether to wait until so many are ready, and those that were too many are gone.
        timeout
            How long to wait, in seconds; None for ever.
        resources
            What each that is started has, as ``{"gpu": 1}`` or ``["gpu"]``; what the cluster's
            others have if not given.

        Returns
        -------
        The ids of those that stay and those that come, in order.

        Raises
        ------
        ValueError
            There can be no such number.
        EngineError
            The hub refused, or one of them failed to start.
        TimeoutError
            They were not all there, or the others not gone, when the time was up.

        Examples
        --------
        >>> len(rc.scale(3, wait=True, timeout=60))
        3
        >>> rc.scale(2, wait=True, timeout=60)
        [0, 1]
        """
        count, have = operator.index(n), dict(check("resources", resources))
        if count < 0:
            msg = f"there cannot be {count} engines"
            raise ValueError(msg)
        ids = steered(
            self.connection.request(
                lambda number: Steer(number, "scale", [], count, 0, have, force)
            )
        )
        if self.cluster is not None:
            self.cluster.n = count
        if wait:
            self.connection.check_waiting()
            self._wait_until_there(ids, timeout)
        return ids

    def _wait_until_there(self, ids: Sequence[EngineId], timeout: float | None) -> None:
        """Wait until engines are ready, and the others that there are now are gone."""
        roster = self.connection.roster
        others = [engine for engine in roster.known if engine not in ids]

        def there() -> bool:
            infos = [(engine, roster.get(engine)) for engine in ids]
            if gone := [engine for engine, info in infos if info is None]:
                msg = f"engine {gone[0]} is gone: it did not start, or was stopped meanwhile"
                raise EngineError(msg)
            ready = all(info and info.status is EngineStatus.READY for _, info in infos)
            return ready and all(roster.get(engine) is None for engine in others)

        if not roster.wait_until(there, timeout):
            left = sum(roster.get(engine) is not None for engine in others)
            msg = (
                f"{roster.count_ready} of {len(ids)} engines are ready after {timeout} s, and "
                f"{left} of those that are too many have not finished"
            )
            raise TimeoutError(msg)

    def retire_engines(self, targets: Targets) -> None:
        """Have engines stop when they have finished what they have.

        They get no more tasks, and what they have not begun goes to others; tasks that are for
        one of them and were sent before are done first.

        Parameters
        ----------
        targets
            The engines.

        Raises
        ------
        NoSuchEngine
            One of them is not there; none retires then.

        Examples
        --------
        >>> engines = rc.scale(3, wait=True, timeout=60)
        >>> rc.retire_engines(engines[2])
        >>> rc.ids
        [0, 1]
        """
        self._steer("retire", self._engines(targets), block=True)
