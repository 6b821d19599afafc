"""An authorizer that lets everybody read, and nobody do anything else."""

from typing import Any

from jupyter_server.auth.authorizer import Authorizer


class Readers(Authorizer):
    """Lets everybody read."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Tell whether somebody may do something."""
        del handler, user
        return action == "read" or resource != "ipcluster_ext"
