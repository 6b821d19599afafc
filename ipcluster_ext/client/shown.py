"""What an answer shows of itself while it comes: to whoever waits for it, and as a cell's value."""

from typing import Any

from ipcluster_ext.client.awaited import ALL_COMPLETED, Awaited, ReturnWhen
from ipcluster_ext.client.progress import forms_of, show_live, watch
from ipcluster_ext.client.watching import WatchedAnswer
from ipcluster_ext.display.frontend import shows_widgets


class Shown(Awaited):
    """An answer that shows how far it is; parameters as for `Answer`."""

    def wait_interactive(
        self,
        interval: float = 0.1,
        timeout: float | None = -1,
        widget: bool | None = None,  # noqa: FBT001 - ipyparallel's signature
        return_when: ReturnWhen = ALL_COMPLETED,
        *,
        file: Any = None,
    ) -> bool:
        """Wait with a progress bar; where nobody could see one move, with a few lines.

        Parameters
        ----------
        interval
            Seconds between two looks.
        timeout
            In seconds; None or a negative number for ever.
        widget
            Whether to show a widget, as notebooks can; found out if not given.
        return_when
            As for `wait`.
        file
            Where a bar of text goes; ``sys.stderr`` if not given.

        Returns
        -------
        Whether the answer is there.

        Examples
        --------
        >>> import io
        >>> lv.map_async(abs, range(10)).wait_interactive(file=io.StringIO())
        True
        """
        return watch(
            WatchedAnswer(self),
            lambda span: self._wait_when(span, return_when),
            interval=interval,
            timeout=None if timeout is None or timeout < 0 else timeout,
            widget=widget,
            file=file,
        )

    def _ipython_display_(self) -> None:
        """Show how far it is, live, to whoever sees widgets; leave others to its other forms."""
        if self.done() or not shows_widgets():
            raise NotImplementedError
        show_live(self)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return how far it is, as text and HTML."""
        del include, exclude
        return forms_of(self)
