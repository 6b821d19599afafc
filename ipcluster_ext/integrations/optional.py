"""What works only with a package that is not ours to require; errors name what to install."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipcluster_ext.client.becoming import Becoming
    from ipcluster_ext.client.targets import Targets
    from ipcluster_ext.client.view import View


def register_joblib_backend(
    name: str = "ipcluster_ext",
    make_default: bool = False,  # noqa: FBT001, FBT002 - ipyparallel's signature
    view: "View | None" = None,
) -> None:
    """Let joblib, and so scikit-learn, run its tasks on engines.

    Parameters
    ----------
    name
        What joblib's users call the backend. One registered as ``'ipcluster_ext'`` is found as
        ``'ipyparallel'`` as well, and the other way round.
    make_default
        Whether joblib uses it where no backend is asked for.
    view
        Whose engines to use, under its flags. If not given, those of the client that this process
        opened last, or else of this user's youngest cluster; if there is none, one is started for
        each use and stopped afterwards.

    Raises
    ------
    ImportError
        joblib is not installed.

    Examples
    --------
    >>> from joblib import Parallel, delayed, parallel_config
    >>> ipp.register_joblib_backend()
    >>> with parallel_config("ipcluster_ext", view=lv):
    ...     Parallel()(delayed(pow)(2, n) for n in range(5))
    [1, 2, 4, 8, 16]
    """
    try:
        from ipcluster_ext.integrations.joblib import register
    except ModuleNotFoundError as error:
        raise _advised(error, "joblib", extra="joblib") from None
    register(name, make_default=make_default, view=view)


def become_dask(
    client: "Becoming",
    targets: "Targets" = "all",
    port: int = 0,
    nanny: bool = False,  # noqa: FBT001, FBT002 - ipyparallel's signature
    scheduler_args: dict[str, Any] | None = None,
    **worker_args: Any,
) -> Any:  # noqa: ANN401 - Dask is not typed
    """Start Dask on a client's engines; see `Client.become_dask`.

    Examples
    --------
    >>> dask_client = ipp.become_dask(rc)
    >>> dask_client.submit(abs, -1).result()
    1
    >>> ipp.stop_dask(rc)
    """
    try:
        from ipcluster_ext.integrations import dask
    except ModuleNotFoundError as error:
        raise _advised(error, "dask", "distributed", extra="dask") from None
    return dask.become_dask(
        client,
        targets,
        port=port,
        nanny=nanny,
        scheduler_args=scheduler_args,
        worker_args=worker_args,
    )


def stop_dask(client: "Becoming", targets: "Targets" = "all") -> None:
    """Stop Dask on a client's engines; see `Client.stop_dask`.

    Examples
    --------
    >>> dask_client = ipp.become_dask(rc, targets=[0])
    >>> ipp.stop_dask(rc)
    >>> dask_client.status
    'closed'
    """
    dask = sys.modules.get("ipcluster_ext.integrations.dask")
    if dask is not None:  # else nothing was started
        dask.stop_dask(client, targets)


def _advised(error: ModuleNotFoundError, *packages: str, extra: str) -> ImportError:
    """Add what to install to an error, if it is one of these packages that is missing."""
    if (error.name or "").partition(".")[0] not in packages:
        return error
    return ImportError(
        f"{error}; install it with: pip install 'ipcluster-ext[{extra}]'", name=error.name
    )
