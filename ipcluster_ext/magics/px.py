"""The magics of one suffix: ``%px``, ``%%px``, ``%pxresult``, ``%pxconfig`` and ``%autopx``."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from textwrap import indent
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand

from ipcluster_ext.client.joining import say, use_cluster
from ipcluster_ext.display import frontend
from ipcluster_ext.errors import ClusterError, NoSuchEngine, OptionError, StartupError
from ipcluster_ext.magics.aim import Aim, client_of
from ipcluster_ext.magics.autopx import AutoPx
from ipcluster_ext.magics.expansion import is_to_be_filled_in
from ipcluster_ext.magics.naming import engines_text
from ipcluster_ext.magics.options import (
    CELL,
    CONFIG,
    RESULT,
    OptionLine,
    Said,
    UnreadableOptions,
)
from ipcluster_ext.magics.running import attend, conclude
from ipcluster_ext.magics.settings import Settings
from ipcluster_ext.magics.stopping import STOPPED_WAITING, held_back, short

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from ipcluster_ext import AsyncResult, DirectView

F = TypeVar("F", bound=Callable[..., object])
_DEBUG = "--debug"
_FRAMES_TO_USER = 2
"""From a magic to the code that uses it: IPython's frame is between."""
_LINES = {
    "cell": OptionLine("%%px", CELL),
    "result": OptionLine("%pxresult", RESULT),
    "config": OptionLine("%pxconfig", CONFIG),
}


def _explained(kind: str) -> Callable[[F], F]:
    """Add its options to a magic's docstring, which is its help."""

    def explain(magic: F) -> F:
        options = indent(_LINES[kind].help(), "        ")
        magic.__doc__ = (
            f"{(magic.__doc__ or '').rstrip()}\n\n        Options\n        -------\n{options}\n"
        )
        return magic

    return explain


class Px:
    """The magics of one suffix.

    Parameters
    ----------
    shell
        The IPython that they belong to.
    suffix
        What their names end with.
    view
        The engines that they address; found when they are needed if not given.
    """

    def __init__(
        self, shell: "InteractiveShell", suffix: str = "", view: "DirectView | None" = None
    ) -> None:
        self.suffix = suffix
        self.aim = Aim(view)
        self._shell: Any = shell  # IPython is only partly typed
        self._settings = Settings()
        self._auto = AutoPx(suffix, list(self.lines))
        self._last: AsyncResult | None = None

    @property
    def lines(self) -> Mapping[str, Callable[[str], object]]:
        """The line magics, by name."""
        named = {
            f"px{self.suffix}": self.px,
            f"pxresult{self.suffix}": self.pxresult,
            f"pxconfig{self.suffix}": self.pxconfig,
            f"autopx{self.suffix}": self.autopx,
        }
        return named if self.suffix else {**named, "result": self.pxresult}

    @property
    def cells(self) -> Mapping[str, Callable[[str, str], object]]:
        """The cell magics, by name."""
        return {f"px{self.suffix}": self.cell}

    def option_line(self, magic: str) -> OptionLine | None:
        """Return which options a magic takes, by its name with its ``%``; None if it takes none."""
        kind = {
            f"%%px{self.suffix}": "cell",
            f"%pxresult{self.suffix}": "result",
            f"%pxconfig{self.suffix}": "config",
        }.get(magic)
        return None if kind is None else _LINES[kind]

    # ------------------------------------------------------------ magics

    @no_var_expand
    def px(self, line: str) -> object:
        """Run a line of code on the engines.

        ``%px <code>`` runs the rest of the line on each engine, as if it were a cell of its own:
        IPython's magics work there, too (``%px %matplotlib inline``). What it prints and displays
        is shown with the engine's number; so is the value of an expression. What ``%pxconfig`` says
        holds; of the options, ``--debug`` alone may stand before the code.

        ``$name`` and ``{expression}`` are replaced by values of this notebook, as in IPython's
        other magics; ``{{`` stands for a brace. Braces that are Python's own, those of dicts, of
        f-strings, of comprehensions and of sets of several things, are left as they are, and so
        is the code of a ``%%px`` cell.

        Returns
        -------
        None if it waits, else the ``AsyncResult``.

        Examples
        --------
        ::

            %px import os
            %px os.getpid()
            %px seed = {my_seed}
        """
        option, _, rest = line.partition(" ")
        debug = option == _DEBUG and bool(rest.strip())
        code = rest if debug else line
        if is_to_be_filled_in(code):
            code = self._shell.var_expand(code, _FRAMES_TO_USER)
        with _for_users():
            return self._run(code, Said(debug=True) if debug else Said())

    @_explained("cell")
    def cell(self, line: str, cell: str) -> object:
        """Run a cell on the engines.

        The code below the first line runs on each engine, in the engine's own namespace. What it
        prints and displays is shown while it runs, with the engine's number. Other cell magics
        may follow: ``%%timeit`` in the second line times the rest on each engine.

        If no cluster is in use yet, this notebook's, or else the user's youngest that runs, is
        connected to, or one is started; a line says which. The stop button interrupts what the
        cell runs on the engines; a second time, it only ends the waiting.

        In the options ``$name`` and ``{expression}`` are replaced by values of this notebook, as
        in IPython's other magics. The code is left as it is.

        Returns
        -------
        None if it waits, else the ``AsyncResult``.

        Examples
        --------
        ::

            %%px --targets ::2 --label warm-up
            import numpy
            numpy.zeros(5)
        """
        with _for_users():
            said = _LINES["cell"].read(line)
            return self._run(cell, said)

    @_explained("result")
    def pxresult(self, line: str) -> None:
        """Show the last result of ``%px`` or ``%%px`` again; wait for it if need be.

        Examples
        --------
        ::

            %%px --noblock
            print("working")

            %pxresult --group-outputs=engine
        """
        with _for_users():
            said = _LINES["result"].read(line)
            result = self._last
            if result is None:
                msg = f"nothing has run yet with %px{self.suffix}"
                raise UsageError(msg)
            self._store(said, result)
            try:
                result.display_outputs(said.group_outputs or "type")
            except KeyboardInterrupt:
                raise short(STOPPED_WAITING) from None
            conclude(result, shown=False, debug=False)

    @_explained("config")
    def pxconfig(self, line: str) -> None:
        """Set how ``%px``, and ``%%px`` where it does not say otherwise, run code.

        Without options it says how that is. Nothing is started or connected to.

        Examples
        --------
        ::

            %pxconfig --targets ::2 --progress-after 0
            %pxconfig --cluster fit
        """
        with _for_users():
            said = _LINES["config"].read(line)
            if said == Said():
                say(self._described())
                return
            if said.cluster:
                use_cluster(said.cluster)
            self.aim.configure(block=said.block, targets=said.targets)
            self._settings = self._settings.but(said)

    def autopx(self, line: str) -> None:
        """Send every cell from now on to the engines, or no more, by turns.

        Cells that begin with one of these magics are carried out here, as ever. It is easily
        forgotten that it is on: ``%%px`` shows where a cell runs.

        Examples
        --------
        ::

            %autopx
            x = 5        # in the next cell, and so on the engines

            %autopx
        """
        if line.strip():
            msg = f"%autopx{self.suffix} takes no options: it turns itself on and off"
            raise UsageError(msg)
        name = f"%autopx{self.suffix}"
        if self._auto.turn(self._shell):
            say(f"{name}: cells run on the engines from now on; {name} ends that")
        else:
            say(f"{name}: cells run here again")

    def unload(self) -> None:
        """Change cells no more."""
        self._auto.turn_off(self._shell)

    # ------------------------------------------------------------ running

    def _run(self, code: str, said: Said) -> object:
        settings = self._settings.but(said)
        try:
            view = self.aim.view(profile=said.profile, count=said.engines)
        except KeyboardInterrupt:
            raise short("stopped before the code was sent") from None
        result, stopped = _submitted(view, code, said)
        self._last = result
        self._store(said, result)
        if settings.verbose:
            say(f"running on {engines_text(result.engines)}")
        waits = said.local or (view.block if said.block is None else said.block)
        if not waits:
            if said.stream or (settings.stream and frontend.shell() is not None):
                result.stream_output(said.group_outputs or "order").follow()
            return result
        attend(
            client_of(view),
            result,
            settings,
            group_by=said.group_outputs,
            here=(lambda: self._run_here(code)) if said.local else None,
            stopped=stopped,
        )
        return None

    def _run_here(self, code: str) -> BaseException | None:
        """Run the cell in this process, which shows what it raises."""
        outcome: Any = self._shell.run_cell(code)
        error: BaseException | None = outcome.error_before_exec or outcome.error_in_exec
        return error

    def _store(self, said: Said, result: "AsyncResult") -> None:
        if said.out:
            self._shell.user_ns[said.out] = result

    def _described(self) -> str:
        """Say how code runs that does not say it itself."""
        view = self.aim.now()
        if view is None:
            where = "of no cluster yet: the first %px finds or starts one"
        else:
            where = f"of cluster {client_of(view).cluster_id}, which has {len(client_of(view))}"
        block = "--block" if self.aim.block else "--noblock"
        return (
            f"%px{self.suffix} runs on engines {where}\n"
            f"%pxconfig{self.suffix} {block} --targets {self.aim.targets_text} {self._settings}"
        )


def _submitted(view: "DirectView", code: str, said: Said) -> "tuple[AsyncResult, bool]":
    """Have code run on the engines; return the answer, and whether an interrupt came meanwhile."""
    targets = said.targets
    if targets is None and said.engines is not None:
        targets = client_of(view).ids[: said.engines]
    sent: list[AsyncResult] = []
    try:
        with held_back():
            sent.append(
                view.execute(
                    code, silent=False, targets=targets, block=False, label=said.label or None
                )
            )
    except KeyboardInterrupt:
        if not sent:
            raise
        return sent[0], True
    return sent[0], False


@contextmanager
def _for_users() -> Iterator[None]:
    """Have mistakes in what was typed shown as such: in one line, without our frames."""
    try:
        yield
    except StartupError:
        raise
    except (OptionError, UnreadableOptions, NoSuchEngine, ClusterError) as error:
        raise UsageError(str(error)) from None
