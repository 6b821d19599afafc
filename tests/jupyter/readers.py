"""Authorizers: one lets everybody read, and nobody do anything else; one nobody even that."""

from typing import Any

from jupyter_server.auth.authorizer import Authorizer


class Readers(Authorizer):
    """Lets everybody read."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Tell whether somebody may do something."""
        del handler, user
        return action == "read" or resource != "ipcluster_ext"


class Nobody(Authorizer):
    """Lets nobody do anything with clusters."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Tell whether somebody may do something."""
        del handler, user, action
        return resource != "ipcluster_ext"
