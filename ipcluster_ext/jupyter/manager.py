"""The clusters of this user, as one Jupyter server sees them: found, started, steered, watched.

Everything that waits is done on other threads; what is here runs on the server's loop alone. A
cluster that was started here lives until it is stopped, so the server may be restarted meanwhile.
"""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from ipcluster_ext.client.choice import choose_for, chosen_by
from ipcluster_ext.client.works import first_error
from ipcluster_ext.cluster import register
from ipcluster_ext.errors import ClusterError, RemoteError
from ipcluster_ext.jupyter import consoles, forms, schema
from ipcluster_ext.jupyter.browser import Browser
from ipcluster_ext.jupyter.deltas import engine_of, work_of
from ipcluster_ext.jupyter.logs import cluster_log, engine_log
from ipcluster_ext.jupyter.notebooks import NotRunning, notebook_of
from ipcluster_ext.jupyter.schema import ClustersNow, Select
from ipcluster_ext.jupyter.sight import Sight
from ipcluster_ext.jupyter.tending import find, tend
from ipcluster_ext.transport.files import runtime_folder

TOLD_EVERY = 0.1
"""Browsers are told of all clusters once in so many seconds at most."""
_LOOK_EVERY = 1.0
"""While somebody watches, new clusters are looked for this often: a look is one system call."""

ATTENDED_EVERY = 30.0
"""While nobody watches, too, the server sees this often whether its clusters work."""

_LINES, _ANSWER_WITHIN = 200, 5.0
"""So much of its log an engine on another host is asked for, and so many seconds it may take."""

T = TypeVar("T")


class Manager:
    """The clusters of a server.

    Parameters
    ----------
    settings
        The server's, in which activity is noted.
    kernels
        Its kernel manager, which consoles are opened with.
    """

    def __init__(self, settings: dict[str, Any], kernels: Any) -> None:  # noqa: ANN401 - untyped there
        self._settings = settings
        self._kernels = kernels
        self._sights: dict[str, Sight] = {}
        self._browsers: dict[Browser, Sight | None] = {}
        self._looking: asyncio.Task[None] | None = None
        self._attending: asyncio.Task[None] | None = None
        self._telling: asyncio.TimerHandle | None = None
        self._seen = -1

    # ------------------------------------------------------------ what there is

    async def clusters(self) -> list[schema.Cluster]:
        """Return all clusters, the youngest first."""
        await self._find()
        return self._clusters()

    def _clusters(self) -> list[schema.Cluster]:
        found = [sight.cluster for sight in self._sights.values()]
        return sorted(found, key=lambda cluster: cluster.started_at, reverse=True)

    async def cluster(self, name: str) -> schema.Cluster:
        """Return one of them.

        Raises
        ------
        NotRunning
            There is none of that id.
        """
        return (await self._sight(name)).cluster

    async def engines(self, name: str) -> list[schema.Engine]:
        """Return the engines of a cluster."""
        snapshot = await (await self._sight(name)).snapshot()
        return [engine_of(row) for row in snapshot.engines]

    async def work(self, name: str) -> list[schema.Work]:
        """Return the work of a cluster."""
        snapshot = await (await self._sight(name)).snapshot()
        return [work_of(row) for row in snapshot.work]

    async def log(self, name: str) -> schema.Log:
        """Return what the processes of a cluster have written."""
        sight = await self._sight(name)
        return schema.Log(text=await _aside(lambda: cluster_log(sight.folder)))

    async def engine_log(self, name: str, engine: int) -> schema.Log:
        """Return what an engine's process has written, whatever host that is on."""
        sight = await self._sight(name)
        text = await _aside(lambda: engine_log(sight.folder, engine))
        if text is None:
            client = await sight.client()
            lines = await _aside(lambda: client[engine].log(_LINES, timeout=_ANSWER_WITHIN))
            text = "\n".join(lines)
        return schema.Log(text=text)

    async def profiles(self) -> schema.Profiles:
        """Return all recipes and launchers, those that cannot be used included."""
        found, launchers = await asyncio.gather(_aside(forms.profiles), forms.launchers())
        return schema.Profiles(profiles=found, processors=os.cpu_count() or 1, launchers=launchers)

    async def _sight(self, name: str) -> Sight:
        if name not in self._sights:
            await self._find()
        if name not in self._sights:
            msg = f"no cluster {name!r} is running on this host"
            raise NotRunning(msg)
        return self._sights[name]

    async def _find(self) -> None:
        """See which clusters there are, wherever they were started."""
        found = {entry.deed.cluster: entry for entry in await _aside(register.entries)}
        for name, entry in found.items():
            if name not in self._sights:
                self._sights[name] = Sight.of(entry, self._changed)
        for name, sight in list(self._sights.items()):
            if name not in found and sight.over:
                await self._forget(name)

    async def _forget(self, name: str) -> None:
        sight = self._sights.pop(name, None)
        for browser, selected in self._browsers.items():
            if selected is sight:
                self._browsers[browser] = None
        if sight is not None:
            consoles.forget(self._kernels, sight.folder)
            await sight.close()
        self._tell_soon()

    # ------------------------------------------------------------ what is done

    async def start(self, wish: schema.New) -> schema.Cluster:
        """Begin to start a cluster; how that goes is told to browsers.

        Raises
        ------
        ClusterError
            A cluster of that id is running, or the profile cannot be used.
        WrongOption
            The launcher cannot be told that.
        """
        await self._find()
        if wish.id is not None and wish.id in self._sights:
            msg = f"a cluster {wish.id!r} is there already; choose another id"
            raise ClusterError(msg)
        cluster = await _aside(lambda: forms.cluster_of(wish))
        sight = Sight.new(cluster, self._changed)
        self._sights[cluster.cluster_id] = sight
        self._tell_soon()
        return sight.cluster

    async def stop(self, name: str) -> None:
        """Stop a cluster, also while it starts; forget one that could not start."""
        sight = await self._sight(name)
        await sight.stop()
        await self._forget(name)

    async def scale(self, name: str, wish: schema.Scale) -> None:
        """Have a cluster have so many engines."""
        sight = await self._sight(name)
        client = await sight.client()
        await _aside(lambda: client.scale(wish.n, force=wish.force))

    async def restart(self, name: str, wish: schema.Restart) -> None:
        """Give engines new processes."""
        client = await (await self._sight(name)).client()
        engines = "all" if wish.engines is None else wish.engines
        await _aside(lambda: client.restart_engines(engines))

    async def act(self, name: str, engine: int, wish: schema.Act) -> None:
        """Interrupt, restart, stop or retire an engine."""
        client = await (await self._sight(name)).client()
        match wish.action:
            case "interrupt":
                await _aside(lambda: client.send_signal("SIGINT", engine, block=True))
            case "restart":
                await _aside(lambda: client.restart_engines([engine]))
            case "stop":
                await _aside(lambda: client.stop_engines([engine]))
            case "retire":
                await _aside(lambda: client.retire_engines([engine]))

    async def work_error(self, name: str, number: int) -> schema.Log:
        """Return the traceback of the task of a work that failed first."""
        sight = await self._sight(name)
        client = await sight.client()
        row = find(await sight.snapshot(), number)
        return schema.Log(text=await _aside(lambda: first_error(client, row)))

    async def tend(self, name: str, number: int, wish: schema.Tend) -> schema.Tended:
        """Cancel, interrupt or retry work, whoever has submitted it.

        Raises
        ------
        NotRunning
            There is no such cluster, or no such work in it.
        ClusterError
            The work has ended, or nothing of it can run again.
        """
        sight = await self._sight(name)
        client = await sight.client()
        row = find(await sight.snapshot(), number, wish.began)
        return await _aside(lambda: tend(client.connection, row, wish.action))

    async def console(self, name: str, engine: int) -> schema.Console:
        """Have the server know an engine as a kernel.

        Raises
        ------
        ClusterError
            The engine is on another host, and cannot be one.
        """
        client = await (await self._sight(name)).client()
        try:
            file = await _aside(lambda: client[engine].connection_file(timeout=_ANSWER_WITHIN))
        except RemoteError as error:
            raise ClusterError(error.evalue) from error  # its own words, for people
        kernel = consoles.adopt(self._kernels, file)
        return schema.Console(kernel=kernel, name=f"engine {engine} of {name}")

    # ------------------------------------------------------------ notebooks

    async def choice(self, kernel: str) -> schema.Choice:
        """Return which cluster a notebook has chosen.

        Parameters
        ----------
        kernel
            Its kernel.

        Raises
        ------
        NotRunning
            The server has no such kernel.
        ClusterError
            The kernel is no notebook's.
        """
        notebook = await _aside(lambda: notebook_of(self._kernels, kernel))
        chosen = await _aside(lambda: chosen_by(notebook))
        if chosen and chosen not in self._sights:
            await self._find()
        return schema.Choice(cluster=chosen or None, runs=chosen in self._sights)

    async def choose(self, kernel: str, wish: schema.Choose) -> schema.Choice:
        """Have a notebook use a cluster where it names none; its kernel minds it at once.

        Raises
        ------
        NotRunning
            The server has no such kernel, or no such cluster runs; nothing has changed.
        ClusterError
            The kernel is no notebook's, or the cluster could not start.
        """
        notebook = await _aside(lambda: notebook_of(self._kernels, kernel))
        if wish.cluster is not None:
            await (await self._sight(wish.cluster)).be_findable()
        await _aside(lambda: choose_for(notebook, wish.cluster or ""))
        return schema.Choice(cluster=wish.cluster, runs=wish.cluster is not None)

    # ------------------------------------------------------------ who watches

    def join(self, browser: Browser) -> None:
        """Tell a browser of all clusters from now on."""
        self._browsers[browser] = None
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look())
        browser.tell(self._news())

    def leave(self, browser: Browser) -> None:
        """Tell a browser nothing more."""
        selected = self._browsers.pop(browser, None)
        if selected is not None:
            selected.leave(browser)
        if not self._browsers and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def select(self, browser: Browser, wish: Select) -> None:
        """Tell a browser everything of one cluster, and of no other."""
        before = self._browsers.get(browser)
        if before is not None:
            before.leave(browser)
        self._browsers[browser] = None
        if wish.cluster is not None:
            try:
                sight = await self._sight(wish.cluster)
            except NotRunning as error:
                browser.tell(schema.Refusal(reason=str(error)))
                return
            if browser in self._browsers:
                self._browsers[browser] = sight
                sight.join(browser, wish.interval, spans=wish.spans)

    def attend(self) -> None:
        """Begin to see whether clusters work, also while nobody watches."""
        self._attending = asyncio.ensure_future(self._attend())

    async def _attend(self) -> None:
        """Note activity while a cluster works: whoever stops idle servers has no browser."""
        while True:
            await self._find()
            for sight in self._sights.values():
                self._note_activity(sight)
            await asyncio.sleep(ATTENDED_EVERY)

    async def _look(self) -> None:
        """See clusters come and go, as long as somebody watches."""
        while True:
            folder = await _aside(lambda: runtime_folder().stat().st_mtime_ns)
            if folder != self._seen or any(sight.over for sight in self._sights.values()):
                self._seen = folder
                await self._find()
                self._tell_soon()
            await asyncio.sleep(_LOOK_EVERY)

    def _changed(self, sight: Sight) -> None:
        """Note that something of a cluster has changed."""
        self._note_activity(sight)
        self._tell_soon()

    def _note_activity(self, sight: Sight) -> None:
        if sight.cluster.busy:
            # A server is not idle whose clusters work: cullers look at this.
            activity = self._settings.setdefault("last_activity_times", {})
            activity["ipcluster_ext"] = datetime.fromtimestamp(sight.now(), UTC)

    def _tell_soon(self) -> None:
        if self._telling is None and self._browsers:
            self._telling = asyncio.get_running_loop().call_later(TOLD_EVERY, self._tell)

    def _tell(self) -> None:
        self._telling = None
        message = self._news()
        for browser in list(self._browsers):
            browser.tell(message)

    def _news(self) -> ClustersNow:
        return ClustersNow(at=Sight.now(), clusters=self._clusters())

    async def close(self) -> None:
        """Let go of all clusters; they go on."""
        for task in (self._looking, self._attending):
            if task is not None:
                task.cancel()
        for sight in self._sights.values():
            await sight.close()
        self._sights.clear()


async def _aside(call: Callable[[], T]) -> T:
    """Call something that waits, on another thread."""
    return await asyncio.to_thread(call)
