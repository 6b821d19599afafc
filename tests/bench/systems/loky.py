"""loky's executor, the one joblib uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import loky

from tests.bench.systems.executors import ExecutorSystem

if TYPE_CHECKING:
    from concurrent.futures import Executor


class Loky(ExecutorSystem):
    """A fresh executor, not the reusable one: nothing is shared between measurements."""

    def _executor(self, count: int) -> Executor:
        return cast("Executor", loky.ProcessPoolExecutor(max_workers=count))
