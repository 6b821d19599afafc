"""The routes: each parses, asks the manager, and writes JSON. Everything is checked first.

Whoever is not known to the server gets 403 (or the login page), whoever may not do it 403; a body
or an id that cannot be understood gets 400 with the reason, a cluster that does not run 404, and
what cannot be done at the moment 409.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

import msgspec
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from ipcluster_ext.cluster.launchers.contract import WrongOption
from ipcluster_ext.errors import IpclusterError
from ipcluster_ext.jupyter.manager import Manager
from ipcluster_ext.jupyter.notebooks import NotRunning
from ipcluster_ext.jupyter.schema import Act, Choose, New, Restart, Scale, Tend
from ipcluster_ext.jupyter.socket import FeedSocket

RESOURCE = "ipcluster_ext"
"""What an authorizer is asked about: read for GET, write for everything else."""
_CLUSTER = r"(?P<cluster>[A-Za-z0-9][A-Za-z0-9_-]{0,15})"
_ENGINE = r"(?P<engine>\d{1,6})"
_WORK = r"(?P<work>\d{1,9})"
_KERNEL = r"(?P<kernel>[A-Za-z0-9][A-Za-z0-9_-]{0,63})"

Body = TypeVar("Body", bound=msgspec.Struct)
Verb = Callable[..., Awaitable[None]]


def _answering(verb: Verb) -> Verb:
    """Have errors that name a reason come as JSON with a status of their own."""

    @wraps(verb)
    async def answered(self: "Handler", *args: str, **kwargs: str) -> None:
        try:
            await verb(self, *args, **kwargs)
        except NotRunning as error:
            self.refuse(404, str(error))
        except WrongOption as error:
            self.refuse(400, str(error), option=error.option)
        except (IpclusterError, ValueError, TimeoutError, OSError) as error:
            self.refuse(409, str(error))

    return answered


class Handler(APIHandler):
    """What all routes share."""

    auth_resource = RESOURCE

    @property
    def manager(self) -> Manager:
        """The clusters of this server."""
        manager: Manager = self.settings["ipcluster_ext"]
        return manager

    def body(self, kind: type[Body]) -> Body:
        """Return the request's body as a value of a type.

        Raises
        ------
        tornado.web.HTTPError
            400: it is not one; says why.
        """
        try:
            return msgspec.json.decode(self.request.body or b"{}", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise web.HTTPError(400, reason="Bad Request", log_message=str(error)) from error

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write the reason of an error as JSON."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = getattr(error, "log_message", None) or self._reason
        self.refuse(status_code, str(message))

    def refuse(self, status: int, reason: str, **where: str) -> None:
        """Answer with an error, its reason, and what it is about if that is known."""
        self.set_status(status)
        self.finish_json({"message": reason, **where})

    def answer(self, value: object, status: int = 200) -> None:
        """Answer with a value."""
        self.set_status(status)
        self.finish_json(value)

    def done(self) -> None:
        """Answer that it is done, and nothing else."""
        self.set_status(204)
        self.finish()

    def finish_json(self, value: object) -> None:
        """End the answer."""
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(value))


class ClustersHandler(Handler):
    """All clusters, and new ones."""

    @web.authenticated
    @authorized
    @_answering
    async def get(self) -> None:
        """Answer with all clusters."""
        self.answer(await self.manager.clusters())

    @web.authenticated
    @authorized
    @_answering
    async def post(self) -> None:
        """Start a cluster; answer when that has begun."""
        self.answer(await self.manager.start(self.body(New)), 201)


class ClusterHandler(Handler):
    """One cluster."""

    @web.authenticated
    @authorized
    @_answering
    async def get(self, cluster: str) -> None:
        """Answer with it."""
        self.answer(await self.manager.cluster(cluster))

    @web.authenticated
    @authorized
    @_answering
    async def delete(self, cluster: str) -> None:
        """Stop it, also while it starts; one that could not start is forgotten."""
        await self.manager.stop(cluster)
        self.done()


class ScaleHandler(Handler):
    """How many engines a cluster has."""

    @web.authenticated
    @authorized
    @_answering
    async def post(self, cluster: str) -> None:
        """Have so many."""
        await self.manager.scale(cluster, self.body(Scale))
        self.done()


class RestartHandler(Handler):
    """New processes for engines."""

    @web.authenticated
    @authorized
    @_answering
    async def post(self, cluster: str) -> None:
        """Restart them."""
        await self.manager.restart(cluster, self.body(Restart))
        self.done()


class EnginesHandler(Handler):
    """The engines of a cluster."""

    @web.authenticated
    @authorized
    @_answering
    async def get(self, cluster: str) -> None:
        """Answer with all of them."""
        self.answer(await self.manager.engines(cluster))


class EngineHandler(Handler):
    """One engine."""

    @web.authenticated
    @authorized
    @_answering
    async def post(self, cluster: str, engine: str) -> None:
        """Interrupt, restart, stop or retire it."""
        await self.manager.act(cluster, int(engine), self.body(Act))
        self.done()


class EngineLogHandler(Handler):
    """What an engine's process has written."""

    @web.authenticated
    @authorized
    @_answering
    async def get(self, cluster: str, engine: str) -> None:
        """Answer with the last lines."""
        self.answer(await self.manager.engine_log(cluster, int(engine)))


class ConsoleHandler(Handler):
    """A kernel that stands for an engine."""

    @web.authenticated
    @authorized
    @_answering
    async def post(self, cluster: str, engine: str) -> None:
        """Let the server have it."""
        self.answer(await self.manager.console(cluster, int(engine)), 201)


class LogHandler(Handler):
    """What a cluster's own processes have written."""

    @web.authenticated
    @authorized
    @_answering
    async def get(self, cluster: str) -> None:
        """Answer with the last lines of each."""
        self.answer(await self.manager.log(cluster))


class WorkHandler(Handler):
    """The work of a cluster."""

    @web.authenticated
    @authorized
    @_answering
    async def get(self, cluster: str) -> None:
        """Answer with all that is shown."""
        self.answer(await self.manager.work(cluster))


class TendHandler(Handler):
    """Work, whoever has submitted it."""

    @web.authenticated
    @authorized
    @_answering
    async def post(self, cluster: str, work: str) -> None:
        """Cancel it, interrupt it, or run again what failed."""
        self.answer(await self.manager.tend(cluster, int(work), self.body(Tend)))


class WorkErrorHandler(Handler):
    """What went wrong with work."""

    @web.authenticated
    @authorized
    @_answering
    async def get(self, cluster: str, work: str) -> None:
        """Answer with the traceback of the task that failed first."""
        self.answer(await self.manager.work_error(cluster, int(work)))


class NotebookHandler(Handler):
    """Which cluster a notebook uses where it names none, by the notebook's kernel."""

    @web.authenticated
    @authorized
    @_answering
    async def get(self, kernel: str) -> None:
        """Answer with what it has chosen."""
        self.answer(await self.manager.choice(kernel))

    @web.authenticated
    @authorized
    @_answering
    async def put(self, kernel: str) -> None:
        """Choose another one, or none."""
        self.answer(await self.manager.choose(kernel, self.body(Choose)))


class ProfilesHandler(Handler):
    """Recipes for clusters."""

    @web.authenticated
    @authorized
    @_answering
    async def get(self) -> None:
        """Answer with all of them."""
        self.answer(await self.manager.profiles())


ROUTES: dict[str, type[web.RequestHandler]] = {
    "clusters": ClustersHandler,
    f"clusters/{_CLUSTER}": ClusterHandler,
    f"clusters/{_CLUSTER}/scale": ScaleHandler,
    f"clusters/{_CLUSTER}/restart": RestartHandler,
    f"clusters/{_CLUSTER}/log": LogHandler,
    f"clusters/{_CLUSTER}/work": WorkHandler,
    f"clusters/{_CLUSTER}/work/{_WORK}": TendHandler,
    f"clusters/{_CLUSTER}/work/{_WORK}/error": WorkErrorHandler,
    f"clusters/{_CLUSTER}/engines": EnginesHandler,
    f"clusters/{_CLUSTER}/engines/{_ENGINE}": EngineHandler,
    f"clusters/{_CLUSTER}/engines/{_ENGINE}/log": EngineLogHandler,
    f"clusters/{_CLUSTER}/engines/{_ENGINE}/console": ConsoleHandler,
    f"notebooks/{_KERNEL}": NotebookHandler,
    "profiles": ProfilesHandler,
    "feed": FeedSocket,
}
"""What stands below ``ipcluster-ext/`` of the server."""


def routes(base_url: str) -> list[tuple[str, type[web.RequestHandler]]]:
    """Return the routes as tornado wants them."""
    return [
        (f"{url_path_join(base_url, 'ipcluster-ext')}/{path}", handler)
        for path, handler in ROUTES.items()
    ]
