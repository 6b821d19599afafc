"""One cluster, as a server sees it: from its start, or from when it was found, to its end."""

import asyncio
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from msgspec import structs

from ipcluster_ext.client.picture import ClusterStatus
from ipcluster_ext.cluster.cluster import Cluster
from ipcluster_ext.cluster.register import About, Entry
from ipcluster_ext.errors import ClusterError, IpclusterError
from ipcluster_ext.jupyter import schema
from ipcluster_ext.jupyter.deltas import difference, whole
from ipcluster_ext.jupyter.lines import Lines
from ipcluster_ext.jupyter.logs import cluster_log
from ipcluster_ext.jupyter.reel import Reel
from ipcluster_ext.jupyter.schema import ToBrowser

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipcluster_ext import Client
    from ipcluster_ext.jupyter.browser import Browser

Phase = Literal["starting", "running", "stopping", "failed", "over"]

INTERVAL = 0.1
"""A cluster's hub tells once in so many seconds at most."""
MOST_A_SECOND = 40_000
"""So many bytes a second a browser is told of a cluster, in the long run."""
_FIRST_WORD_WITHIN = 10.0
_LOOK_EVERY = 0.05


@dataclass(slots=True)
class Audience:
    """A browser that watches a cluster.

    Attributes
    ----------
    interval
        It is told once in so many seconds at most.
    told
        What it knows.
    due
        When it may be told again, by the loop's clock.
    timer
        Tells it then, if something waits.
    spans
        Whether it is told which tasks ran when and where.
    seen
        Where it stands in the reel of these; None if it was told of none.
    """

    interval: float
    told: ClusterStatus | None = None
    due: float = 0.0
    timer: asyncio.TimerHandle | None = None
    spans: bool = False
    seen: int | None = None


class Sight:
    """A cluster, and what is known of it.

    Parameters
    ----------
    cluster
        The cluster.
    about
        What it is.
    changed
        Called on the server's loop when something of it has changed.

    Attributes
    ----------
    cluster
        What browsers are told of it.
    """

    def __init__(
        self, cluster: Cluster, about: About, changed: "Callable[[Sight], None]", phase: Phase
    ) -> None:
        self._cluster = cluster
        self._changed = changed
        self._phase: Phase = phase
        self._client: Client | None = None
        self._snapshot: ClusterStatus | None = None
        self._word = asyncio.Event()
        self._browsers: dict[Browser, Audience] = {}
        self._lines: Lines | None = None
        self._reel: Reel | None = None
        self.cluster = schema.Cluster(
            id=cluster.cluster_id,
            state="starting",
            profile=about.profile,
            launchers=about.launchers,
            wanted=about.n,
            owner=about.owner,
            started_at=about.started_at,
            started_by=about.started_by,
            connection_file=str(cluster.connection_file),
        )
        self._task = asyncio.ensure_future(self._live())

    @classmethod
    def of(cls, entry: Entry, changed: "Callable[[Sight], None]") -> Self:
        """See a cluster that runs already."""
        return cls(Cluster.from_id(entry.deed.cluster), entry.about, changed, "running")

    @classmethod
    def new(cls, cluster: Cluster, changed: "Callable[[Sight], None]") -> Self:
        """Start a cluster, and see it from then on."""
        about = About(
            n=cluster.n,
            profile=cluster.profile,
            started_at=cls.now(),
            launchers=cluster.launchers,
        )
        return cls(cluster, about, changed, "starting")

    @staticmethod
    def now() -> float:
        """Return the time, in seconds since 1970."""
        return time.time_ns() / 1e9

    @property
    def folder(self) -> Path:
        """The cluster's folder."""
        return self._cluster.folder

    @property
    def over(self) -> bool:
        """Whether it has ended; one that could not start is kept until it is dismissed."""
        return self._phase == "over"

    # ------------------------------------------------------------ its life

    async def _live(self) -> None:
        """Start it if need be, and follow it to its end."""
        try:
            if self._phase == "starting":
                await self._cluster.start_cluster()
            self._client = await self._cluster.connect_client()
            if self._phase == "starting":
                self._phase = "running"
            async for snapshot in self._client.status_feed(INTERVAL):
                self._take(snapshot)
            self._end("")
        except (IpclusterError, OSError) as error:
            self._end(str(error))

    def _take(self, snapshot: ClusterStatus) -> None:
        """Note what the hub tells, and tell browsers what differs."""
        self._snapshot = snapshot
        self._word.set()
        totals = snapshot.totals
        if totals is not None:
            self.cluster = structs.replace(
                self.cluster,
                state="stopping" if self._phase == "stopping" else totals.state,
                host=next((row.host for row in snapshot.engines if row.host), self.cluster.host),
                hosts=len({row.host for row in snapshot.engines if row.host}),
                wanted=totals.wanted,
                ready=totals.ready,
                busy=totals.busy,
                queued=totals.queued,
                running=totals.running,
                ended=totals.ended,
                failed=totals.failed,
                error="",
            )
        self._wind()
        self._tell_all()
        self._changed(self)

    def _end(self, error: str) -> None:
        """Note that nothing more will come."""
        failed = self._phase == "starting" and bool(error)
        self._phase = "failed" if failed else "over"
        if failed:
            first, _, rest = error.partition("\n")
            self.cluster = structs.replace(
                self.cluster, state="failed", error=first, log=rest or cluster_log(self.folder)
            )
        self._word.set()
        self._changed(self)

    async def stop(self) -> None:
        """End it, at whatever point it is."""
        if self._phase in {"failed", "over"}:
            return
        starting = self._phase == "starting"
        self._phase = "stopping"
        self.cluster = structs.replace(self.cluster, state="stopping")
        self._changed(self)
        if starting:
            self._task.cancel()  # which stops what has been started
            await asyncio.gather(self._task, return_exceptions=True)
        await self._cluster.stop_cluster()
        self._phase = "over"

    async def close(self) -> None:
        """Let go of it; it goes on."""
        self._browsers.clear()
        self._wind()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)

    # ------------------------------------------------------------ asking

    async def be_findable(self) -> None:
        """Wait until other processes find the cluster, though it may be starting for long yet.

        Raises
        ------
        ClusterError
            It has come to nothing; says why.
        """
        while (  # noqa: ASYNC110 - a file tells it, and nobody else
            self._phase == "starting" and not self._cluster.connection_file.exists()
        ):
            await asyncio.sleep(_LOOK_EVERY)
        if self._phase == "failed":
            msg = f"cluster {self.cluster.id!r} could not start: {self.cluster.error}"
            raise ClusterError(msg)

    async def client(self) -> "Client":
        """Return a client of it.

        Raises
        ------
        ClusterError
            It does not run, or not yet.
        """
        if self._client is None or self._phase != "running":
            msg = f"cluster {self.cluster.id!r} is {self.cluster.state}; wait until it is ready"
            raise ClusterError(msg)
        return self._client

    async def snapshot(self) -> ClusterStatus:
        """Return what is known of it, once the hub has told something.

        Raises
        ------
        ClusterError
            It does not run, or not yet.
        """
        await self.client()
        await asyncio.wait_for(self._word.wait(), _FIRST_WORD_WITHIN)
        if self._snapshot is None:
            msg = f"cluster {self.cluster.id!r} has ended"
            raise ClusterError(msg)
        return self._snapshot

    # ------------------------------------------------------------ who watches

    def join(self, browser: "Browser", interval: float, *, spans: bool = False) -> None:
        """Tell a browser everything, now and as it changes, as often as it likes."""
        self._browsers[browser] = Audience(interval, spans=spans)
        self._wind()
        self._tell(browser)

    def leave(self, browser: "Browser") -> None:
        """Tell a browser nothing more."""
        audience = self._browsers.pop(browser, None)
        if audience is not None and audience.timer is not None:
            audience.timer.cancel()
        self._wind()

    def _wind(self) -> None:
        """Hear what engines write, and have a reel of spans, while somebody wants to see it."""
        if self._lines is not None and not self._browsers:
            self._lines.close()
            self._lines = None
        elif self._lines is None and self._browsers and self._client is not None:
            self._lines = Lines(self._client, self._tell_all)
        wanted = any(audience.spans for audience in self._browsers.values())
        if self._reel is not None and not wanted:
            self._reel.close()
            self._reel = None
        elif self._reel is None and wanted and self._client is not None:
            self._reel = Reel(self._client, self._tell_all)

    def _tell_all(self) -> None:
        for browser in list(self._browsers):
            self._tell(browser)

    def _tell(self, browser: "Browser") -> None:
        """Tell a browser what it does not know, now or as soon as it is due."""
        audience, loop = self._browsers[browser], asyncio.get_running_loop()
        if self._snapshot is None or audience.timer is not None:
            return
        if loop.time() < audience.due:
            audience.timer = loop.call_at(audience.due, self._tell_late, browser)
            return
        lines = {} if self._lines is None else self._lines.now
        now = replace(self._snapshot, lines=lines)
        nbytes = sum(browser.tell(message) for message in self._news_for(audience, now))
        if nbytes:
            audience.due = loop.time() + max(audience.interval, nbytes / MOST_A_SECOND)

    def _tell_late(self, browser: "Browser") -> None:
        self._browsers[browser].timer = None
        self._tell(browser)

    def _news_for(self, audience: Audience, now: ClusterStatus) -> list[ToBrowser]:
        """Return what a browser is to be told, which it knows then."""
        name, told, audience.told = self.cluster.id, audience.told, now
        status = whole(name, now) if told is None else difference(name, told, now)
        news: list[ToBrowser] = [] if status is None else [status]
        if audience.spans and self._reel is not None and self._reel.goes_on(audience.seen):
            spans, audience.seen = self._reel.since(name, audience.seen)
            news.append(spans)
        return news
