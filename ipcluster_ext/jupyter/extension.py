"""What Jupyter Server calls: where the extension is, and that it is to begin."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server.serverapp import ServerApp


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Name the module that Jupyter Server loads."""
    return [{"module": "ipcluster_ext"}]


def _load_jupyter_server_extension(server: "ServerApp") -> None:
    """Add the routes to a server that is about to start."""
    from ipcluster_ext.jupyter.manager import Manager  # imported where a server runs only
    from ipcluster_ext.jupyter.routes import routes

    settings: dict[str, Any] = server.web_app.settings
    manager = settings["ipcluster_ext"] = Manager(settings, server.kernel_manager)
    later: Callable[..., object] = server.io_loop.call_later
    later(0, manager.attend)
    add_handlers: Callable[..., None] = server.web_app.add_handlers
    add_handlers(".*$", routes(settings["base_url"]))
    server.log.info("ipcluster_ext: clusters of engines are below ipcluster-ext/")
