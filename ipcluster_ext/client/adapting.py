"""Engines as there is work: what the hub is told of their number."""

from ipcluster_ext.client.scaling import Scaling
from ipcluster_ext.client.steer import steered
from ipcluster_ext.protocol.bounds import IDLE_TIMEOUT, bounds_of
from ipcluster_ext.protocol.messages import Steer


class Adapting(Scaling):
    """The part of a client that leaves it to the hub how many engines there are."""

    def adapt(
        self,
        minimum: int | None = 0,
        maximum: int = 1,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        """Have the hub start engines as there is work, and stop those that have none.

        More are started when tasks have had to wait for a second, and would not be through in
        five; those that have had nothing to do for long are stopped, with what is in their
        namespaces. This goes on when the client is gone, until `scale` says how many there are to
        be, or ``adapt(None)`` that it is enough.

        Parameters
        ----------
        minimum, maximum
            How many engines there are to be at least, and at most; None for `minimum` to leave
            their number as it is from now on.
        idle_timeout
            After how many seconds without work one is stopped.

        Raises
        ------
        ValueError
            There can be no such numbers.
        EngineError
            The hub refused.

        Examples
        --------
        >>> rc.adapt(2, 4)
        >>> rc.ids
        [0, 1]
        >>> rc.adapt(None)
        """
        bounds = None if minimum is None else bounds_of(minimum, maximum, idle_timeout)
        steered(self.connection.request(lambda number: Steer(number, "adapt", bounds=bounds)))
