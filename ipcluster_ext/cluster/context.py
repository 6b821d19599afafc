"""A cluster as a context manager: its client inside, nothing left after."""

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipcluster_ext import Client


class Context(ABC):
    """``with cluster as client`` and ``async with cluster as client``.

    Entering starts everything, connects and waits for the engines; leaving closes that client and
    stops everything, however the block ended.
    """

    _entered: "Client | None" = None

    @abstractmethod
    async def start_and_connect(self) -> "Client":
        """Start everything, connect, and wait for the engines."""

    @abstractmethod
    def start_and_connect_sync(self) -> "Client":
        """As `start_and_connect`, blocking."""

    @abstractmethod
    async def stop_cluster(self) -> None:
        """End every process and delete every file of the cluster."""

    @abstractmethod
    def stop_cluster_sync(self) -> None:
        """As `stop_cluster`, blocking."""

    def __enter__(self) -> "Client":
        self._entered = self.start_and_connect_sync()
        return self._entered

    def __exit__(self, *_raised: object) -> None:
        try:
            self._close_entered()
        finally:
            self.stop_cluster_sync()

    async def __aenter__(self) -> "Client":
        self._entered = await self.start_and_connect()
        return self._entered

    async def __aexit__(self, *_raised: object) -> None:
        try:
            self._close_entered()
        finally:
            await asyncio.shield(self.stop_cluster())

    def _close_entered(self) -> None:
        client, self._entered = self._entered, None
        if client is not None:
            client.close()
