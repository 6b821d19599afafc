"""Looking into engines while they compute, and entering them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from ipcluster_ext.client import there
from ipcluster_ext.client.balanced import LoadBalancedView
from ipcluster_ext.client.namespaces import NamespaceView

if TYPE_CHECKING:
    from ipcluster_ext import Client

PATIENCE = 10.0
"""After so many seconds an engine that looks nothing up is given up."""
_LABEL = "looking"


class LookingView(NamespaceView):
    """The part of a view of engines that asks what is in their namespaces.

    It is answered at once, whatever the engines do, unless they hold the interpreter's lock.
    """

    def _ask(
        self, function: Callable[..., Any], *args: Any, timeout: float | None, **kwargs: Any
    ) -> Any:
        """Ask each engine, beside its tasks; return a value, or a list for several engines."""
        engines, single = self._engines(self.now(), None)
        answers = []
        for engine in engines:
            view = LoadBalancedView(self.client, [engine])  # at once; a direct one takes its turn
            view.label = _LABEL
            answers.append(view.apply_async(function, *args, **kwargs))
        try:
            values = [answer.get(PATIENCE if timeout is None else timeout) for answer in answers]
        finally:
            for answer in answers:
                if not answer.done():
                    answer.abort()
        return values[0] if single else values

    def complete(
        self, code: str, cursor_pos: int | None = None, *, timeout: float | None = None
    ) -> Any:
        """Tell how a piece of code may go on, by the engines' namespaces, while they compute.

        Parameters
        ----------
        code
            The code.
        cursor_pos
            Up to where, in characters; its end if not given.
        timeout
            How long to wait, in seconds; 10 if not given.

        Returns
        -------
        A `Completion` with ``matches``, ``start`` and ``end``: that of the engine, or a list of
        them if the view has several.

        Raises
        ------
        TimeoutError
            An engine did not answer in time: its task holds the interpreter's lock.

        Examples
        --------
        >>> rc[0]["answer"] = 42
        >>> rc[0].complete("print(ans")
        Completion(matches=['answer'], start=6, end=9)
        """
        return self._ask(there.complete, code, cursor_pos, timeout=timeout)

    def inspect(
        self,
        code: str,
        cursor_pos: int | None = None,
        *,
        detail_level: int = 0,
        timeout: float | None = None,
    ) -> Any:
        """Tell what the name at a place in a piece of code is, while the engines compute.

        Parameters
        ----------
        code, cursor_pos, timeout
            As for `complete`.
        detail_level
            1 to have the source, too, as ``name??`` shows it.

        Returns
        -------
        An `Inspection` with ``found``, ``data`` and ``text``, or a list of them if the view has
        several engines.

        Raises
        ------
        TimeoutError
            As for `complete`.

        Examples
        --------
        >>> rc[0].inspect("len").found, rc[0].inspect("no_such_name").found
        (True, False)
        """
        return self._ask(there.inspect, code, cursor_pos, detail_level, timeout=timeout)

    def variables(self, *, timeout: float | None = None) -> Any:
        """Tell which names the engines have, while they compute.

        Parameters
        ----------
        timeout
            As for `complete`.

        Returns
        -------
        A list of `Variable`, by name, each with ``name``, ``type``, ``size``, ``nbytes`` and
        ``text``; a list of such lists if the view has several engines.

        Raises
        ------
        TimeoutError
            As for `complete`.

        Examples
        --------
        >>> dv.clear(block=True)
        [None, None]
        >>> rc[0]["words"] = ["a", "b"]
        >>> rc[0].variables()
        [Variable(name='words', type='list', size='2', nbytes=None, text="['a', 'b']")]
        """
        return self._ask(there.list_variables, timeout=timeout)

    def log(self, lines: int = 20, *, timeout: float | None = None) -> Any:
        r"""Return the last lines that the engines' processes have written beside their tasks.

        That is what comes from libraries that are not Python's, and from the engine itself. It
        stands in a file on the engine's host, wherever that is.

        Parameters
        ----------
        lines
            How many at most.
        timeout
            As for `complete`.

        Returns
        -------
        A list of lines, or a list of such lists if the view has several engines.

        Raises
        ------
        TimeoutError
            As for `complete`.

        Examples
        --------
        >>> import os
        >>> rc[0].apply_sync(os.write, 2, b"from a library\n")
        15
        >>> rc[0].log(1)
        ['from a library']
        """
        return self._ask(there.read_log, lines, timeout=timeout)

    def connection_file(self, *, may_end: bool = False, timeout: float | None = None) -> Any:
        """Return the file by which Jupyter's front ends enter an engine; it is opened if need be.

        ``jupyter console --existing`` with that file shares the engine's namespace. Its cells take
        their turn among the engine's tasks. The file is deleted with the engine. An engine of
        another host is entered through the hub: its file is one of this host, and ends with the
        client, too.

        Parameters
        ----------
        may_end
            Whether a front end may stop and restart the engine; see `bind_kernel`.
        timeout
            As for `complete`.

        Returns
        -------
        The path, or a list of them if the view has several engines.

        Raises
        ------
        TimeoutError
            As for `complete`.
        ClusterError
            The folder of the cluster's files cannot be used.
        RemoteError
            The engine is on another host and has keys for engines only.

        Examples
        --------
        >>> rc[0].connection_file().endswith("kernel-0.json")
        True
        """
        engines, single = self._engines(self.now(), None)
        opened = self._ask(there.open_kernel, timeout=timeout, may_end=may_end)
        found = zip(engines, [opened] if single else opened, strict=True)
        files = [self._file_here(engine, kernel) for engine, kernel in found]
        return files[0] if single else files

    def _file_here(self, engine: int, kernel: str | dict[str, Any]) -> str:
        """Return the file by which front ends of this host enter an engine that is open."""
        if isinstance(kernel, str):
            return kernel
        from ipcluster_ext.client.passage import passage  # most engines are entered directly

        return passage(cast("Client", self.client), int(engine), kernel)
