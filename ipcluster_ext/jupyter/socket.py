"""The WebSocket: clusters as they change, and everything of the one that is selected."""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web, websocket

from ipcluster_ext.jupyter.schema import FromBrowser, Refusal, ToBrowser

if TYPE_CHECKING:
    from ipcluster_ext.jupyter.manager import Manager

LONGEST = 4096
"""No browser has more to say, in bytes."""


class FeedSocket(WebSocketMixin, websocket.WebSocketHandler, JupyterHandler):
    """One browser that watches."""

    auth_resource = "ipcluster_ext"

    async def pre_get(self) -> None:
        """Let nobody in who may not read.

        Raises
        ------
        tornado.web.HTTPError
            403.
        """
        user = self.current_user
        allowed = await ensure_async(
            self.authorizer.is_authorized(self, user, "read", self.auth_resource)
        )
        if not allowed:
            raise web.HTTPError(403)

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the socket."""
        await self.pre_get()
        await super().get(*args, **kwargs)

    @property
    def _manager(self) -> "Manager":
        manager: Manager = self.settings["ipcluster_ext"]
        return manager

    def open(self, *_args: str, **_kwargs: str) -> None:
        """Begin to tell."""
        super().open()
        self._tasks: set[asyncio.Task[None]] = set()
        self._manager.join(self)

    def on_message(self, message: str | bytes) -> None:
        """Hear which cluster is selected."""
        try:
            if len(message) > LONGEST:
                msg = f"a message of {len(message)} bytes is too long"
                raise msgspec.ValidationError(msg)
            wish = msgspec.json.decode(message, type=FromBrowser)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.tell(Refusal(reason=str(error)))
            return
        task = asyncio.ensure_future(self._manager.select(self, wish))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def on_close(self) -> None:
        """Stop telling."""
        super().on_close()
        self._manager.leave(self)

    def tell(self, message: ToBrowser) -> int:
        """Send a message, unless the browser is gone; return how many bytes that is."""
        text = msgspec.json.encode(message)
        if self.ws_connection is not None and not self.ws_connection.is_closing():
            self.write_message(text.decode())
        return len(text)
