"""Interactive parallel computing for Jupyter.

>>> import ipcluster_ext as ipp
>>> with ipp.Cluster(n=4) as rc:
...     rc.load_balanced_view().map_sync(abs, [-1, -2, -3])
[1, 2, 3]

Names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipcluster_ext.client.balanced import LoadBalancedView
    from ipcluster_ext.client.client import Client
    from ipcluster_ext.client.dependency import Dependency
    from ipcluster_ext.client.direct import BroadcastView, DirectView
    from ipcluster_ext.client.executor import Executor, ViewExecutor
    from ipcluster_ext.client.feed import StatusFeed
    from ipcluster_ext.client.fetching import AsyncHubResult
    from ipcluster_ext.client.functional import ParallelFunction, RemoteFunction, parallel, remote
    from ipcluster_ext.client.joining import connect, use_cluster
    from ipcluster_ext.client.lazy import LazyMapIterator
    from ipcluster_ext.client.maps import AsyncMapResult
    from ipcluster_ext.client.metadata import Metadata
    from ipcluster_ext.client.options import Retry
    from ipcluster_ext.client.partition import Map, RoundRobinMap
    from ipcluster_ext.client.picture import ClusterStatus
    from ipcluster_ext.client.remote import RemoteValue
    from ipcluster_ext.client.replies import ExecuteReply
    from ipcluster_ext.client.requirements import depend, dependent, interactive, require
    from ipcluster_ext.client.result import AsyncResult
    from ipcluster_ext.client.serialize import (
        deserialize_object,
        pack_apply_message,
        serialize_object,
        unpack_apply_message,
    )
    from ipcluster_ext.client.stream import AsyncStream
    from ipcluster_ext.client.waiting import as_completed, wait
    from ipcluster_ext.cluster.cluster import Cluster
    from ipcluster_ext.cluster.managing import ClusterManager
    from ipcluster_ext.engine.context import (
        bind_kernel,
        current_task,
        get_client,
        progress,
        publish,
    )
    from ipcluster_ext.engine.deliveries import deliver_comm as deliver_comm
    from ipcluster_ext.engine.lookup import complete_here as complete_here
    from ipcluster_ext.engine.lookup import inspect_here as inspect_here
    from ipcluster_ext.engine.lookup import list_variables_here as list_variables_here
    from ipcluster_ext.errors import (
        ClientClosed,
        ClientError,
        ClusterError,
        ClusterStopped,
        DependencyTimeout,
        EngineError,
        EngineLost,
        ForeignTask,
        ForkedClientError,
        HubGone,
        ImpossibleDependency,
        InvalidDependency,
        IpclusterError,
        IPythonError,
        KernelError,
        NoEnginesRegistered,
        NoSuchEngine,
        OptionError,
        OutsideTask,
        PoisonTask,
        ProtocolError,
        PythonMismatch,
        RemoteError,
        SerializationError,
        SoftTimeLimit,
        StartupError,
        StartupWarning,
        TaskAborted,
        TaskExpired,
        TaskInterrupted,
        TaskRejectError,
        TaskTimeout,
        TimeoutError,  # noqa: A004 - ipyparallel exports it, too
        UnknownTask,
        UnmetDependency,
        VersionMismatch,
    )
    from ipcluster_ext.integrations.optional import (
        become_dask,
        register_joblib_backend,
        stop_dask,
    )
    from ipcluster_ext.magics.extension import activate_magics as activate_magics
    from ipcluster_ext.magics.extension import load_ipython_extension as load_ipython_extension
    from ipcluster_ext.magics.extension import unload_ipython_extension as unload_ipython_extension
    from ipcluster_ext.protocol.composite import (
        AlreadyDisplayedError,
        CompositeError,
        collect_exceptions,
        unwrap_exception,
        wrap_exception,
    )
    from ipcluster_ext.protocol.foreman import EngineSet
    from ipcluster_ext.protocol.postmortem import FramesGone
    from ipcluster_ext.protocol.standins import Reference

_HOMES = {
    "jupyter.extension": ("_jupyter_server_extension_points", "_load_jupyter_server_extension"),
    "client.serialize": (
        "deserialize_object",
        "pack_apply_message",
        "serialize_object",
        "unpack_apply_message",
    ),
    "client.dependency": ("Dependency",),
    "client.functional": ("ParallelFunction", "RemoteFunction", "parallel", "remote"),
    "client.lazy": ("LazyMapIterator",),
    "client.metadata": ("Metadata",),
    "client.options": ("Retry",),
    "client.partition": ("Map", "RoundRobinMap"),
    "client.remote": ("RemoteValue",),
    "client.requirements": ("depend", "dependent", "interactive", "require"),
    "client.stream": ("AsyncStream",),
    "client.waiting": ("as_completed", "wait"),
    "protocol.foreman": ("EngineSet",),
    "protocol.standins": ("Reference",),
    "client.balanced": ("LoadBalancedView",),
    "client.client": ("Client",),
    "client.joining": ("connect", "use_cluster"),
    "client.direct": ("BroadcastView", "DirectView"),
    "client.executor": ("Executor", "ViewExecutor"),
    "client.fetching": ("AsyncHubResult",),
    "client.records": ("TaskRecord",),
    "client.maps": ("AsyncMapResult",),
    "client.feed": ("StatusFeed",),
    "client.picture": ("ClusterStatus",),
    "client.replies": ("ExecuteReply",),
    "client.result": ("AsyncResult",),
    "cluster.cluster": ("Cluster",),
    "cluster.managing": ("ClusterManager",),
    "engine.context": ("bind_kernel", "current_task", "get_client", "progress", "publish"),
    "engine.deliveries": ("deliver_comm",),
    "engine.lookup": ("complete_here", "inspect_here", "list_variables_here"),
    "errors": (
        "ClientClosed",
        "ClientError",
        "ClusterError",
        "ClusterStopped",
        "DependencyTimeout",
        "EngineError",
        "EngineLost",
        "ForeignTask",
        "ForkedClientError",
        "HubGone",
        "IPythonError",
        "ImpossibleDependency",
        "InvalidDependency",
        "IpclusterError",
        "KernelError",
        "NoEnginesRegistered",
        "NoSuchEngine",
        "OptionError",
        "OutsideTask",
        "PoisonTask",
        "ProtocolError",
        "PythonMismatch",
        "RemoteError",
        "SerializationError",
        "SoftTimeLimit",
        "StartupError",
        "StartupWarning",
        "TaskAborted",
        "TaskExpired",
        "TaskInterrupted",
        "TaskRejectError",
        "TaskTimeout",
        "TimeoutError",
        "UnknownTask",
        "UnmetDependency",
        "VersionMismatch",
    ),
    "protocol.composite": (
        "AlreadyDisplayedError",
        "CompositeError",
        "collect_exceptions",
        "unwrap_exception",
        "wrap_exception",
    ),
    "protocol.postmortem": ("FramesGone",),
    "magics.extension": (
        "activate_magics",
        "load_ipython_extension",
        "unload_ipython_extension",
    ),
    "integrations.optional": ("become_dask", "register_joblib_backend", "stop_dask"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AlreadyDisplayedError",
    "AsyncHubResult",
    "AsyncMapResult",
    "AsyncResult",
    "AsyncStream",
    "BroadcastView",
    "Client",
    "ClientClosed",
    "ClientError",
    "Cluster",
    "ClusterError",
    "ClusterManager",
    "ClusterStatus",
    "ClusterStopped",
    "CompositeError",
    "Dependency",
    "DependencyTimeout",
    "DirectView",
    "EngineError",
    "EngineLost",
    "EngineSet",
    "ExecuteReply",
    "Executor",
    "ForeignTask",
    "ForkedClientError",
    "FramesGone",
    "HubGone",
    "IPythonError",
    "ImpossibleDependency",
    "InvalidDependency",
    "IpclusterError",
    "KernelError",
    "LazyMapIterator",
    "LoadBalancedView",
    "Map",
    "Metadata",
    "NoEnginesRegistered",
    "NoSuchEngine",
    "OptionError",
    "OutsideTask",
    "ParallelFunction",
    "PoisonTask",
    "ProtocolError",
    "PythonMismatch",
    "Reference",
    "RemoteError",
    "RemoteFunction",
    "RemoteValue",
    "Retry",
    "RoundRobinMap",
    "SerializationError",
    "SoftTimeLimit",
    "StartupError",
    "StartupWarning",
    "StatusFeed",
    "TaskAborted",
    "TaskExpired",
    "TaskInterrupted",
    "TaskRecord",
    "TaskRejectError",
    "TaskTimeout",
    "TimeoutError",
    "UnknownTask",
    "UnmetDependency",
    "VersionMismatch",
    "ViewExecutor",
    "as_completed",
    "become_dask",
    "bind_kernel",
    "collect_exceptions",
    "connect",
    "current_task",
    "depend",
    "dependent",
    "deserialize_object",
    "get_client",
    "interactive",
    "pack_apply_message",
    "parallel",
    "progress",
    "publish",
    "register_joblib_backend",
    "remote",
    "require",
    "serialize_object",
    "stop_dask",
    "unpack_apply_message",
    "unwrap_exception",
    "use_cluster",
    "wait",
    "wrap_exception",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("ipcluster-ext")
    if name == "error":
        return import_module(f"{__name__}.error")
    home = _HOME_OF.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
