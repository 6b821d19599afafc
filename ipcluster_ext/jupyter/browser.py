"""Whom the server tells: one browser that watches."""

from typing import Protocol

from ipcluster_ext.jupyter.schema import ToBrowser


class Browser(Protocol):
    """One browser that watches."""

    def tell(self, message: ToBrowser) -> int:
        """Send it a message; return how many bytes that is."""
