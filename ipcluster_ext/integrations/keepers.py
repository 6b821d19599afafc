"""The engines that keep the arrays of a run, as its sender addresses them."""

from typing import Any

from ipcluster_ext.client.balanced import LoadBalancedView
from ipcluster_ext.client.direct import DirectView
from ipcluster_ext.integrations import arrays


class Keepers:
    """Every engine that a view's tasks may reach, as it was when the run began.

    What is said here reaches an engine before any task that is sent later. Nobody waits for an
    answer: an engine that is gone, or came later, has no array, and its tasks say so.

    Parameters
    ----------
    view
        The view.
    """

    def __init__(self, view: LoadBalancedView) -> None:
        self.connection = view.client.connection
        self.ids = view.client.ids if view.targets is None else view.targets
        self._everybody = DirectView(self)

    def keep(self, run: str, number: int, array: Any) -> None:  # noqa: ANN401 - numpy may not be installed
        """Have every engine keep an array."""
        self._everybody.apply_async(arrays.keep, run, number, array)

    def drop(self, run: str, numbers: list[int] | None) -> None:
        """Have every engine drop arrays of a run, all of them if None."""
        self._everybody.apply_async(arrays.drop, run, numbers)
