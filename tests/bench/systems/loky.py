"""loky's executor, the one joblib uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import loky

from tests.bench.systems.executors import ExecutorSystem

if TYPE_CHECKING:
    from concurrent.futures import Executor


class Loky(ExecutorSystem):
    """A fresh executor, not the reusable one: nothing is shared between measurements."""

    def _executor(self, count: int) -> Executor:
        return cast("Executor", loky.ProcessPoolExecutor(max_workers=count))

    def joblib_backend(self) -> tuple[str, dict[str, Any]]:
        """Return joblib's own: it starts workers of its own, as ours has none before a task."""
        return "loky", {}
