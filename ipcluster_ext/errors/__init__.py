"""Every error a caller can meet, in one tree.

::

    IpclusterError                   also called IPythonError
    ├── ProtocolError                bytes on the wire that are not ours
    │   └── VersionMismatch          two ends speak different versions
    ├── PythonMismatch               two ends run different versions of Python
    ├── SerializationError           a function, argument or result cannot travel
    ├── ClusterError
    │   ├── StartupError             a process did not come up
    │   └── ClusterStopped           the cluster is not running (any more)
    ├── ClientError
    │   ├── HubGone                  the hub does not answer
    │   ├── ClientClosed             the client was closed by its owner
    │   ├── ForkedClientError        the client belongs to the parent process
    │   ├── OptionError              an option that does not exist (TypeError, KeyError)
    │   ├── ForeignTask              another client's task, where only one's own will do
    │   └── UnknownTask              no such task is known
    ├── OutsideTask                  something that only tasks can do (RuntimeError)
    ├── SoftTimeLimit                raised inside a task that takes too long (TimeoutError)
    └── KernelError                  what became of a task
        ├── EngineError
        │   ├── EngineLost           the engine died with the task
        │   │   └── PoisonTask       and so did others before it
        │   ├── NoSuchEngine         an engine id that is not there
        │   └── NoEnginesRegistered  nobody could ever run it
        ├── TaskAborted              cancelled before it began
        ├── TaskInterrupted          stopped while it ran
        ├── TaskTimeout              it took too long (TimeoutError)
        │   └── TaskExpired          it had not begun in time
        ├── TaskRejectError          an engine would not run it
        ├── UnmetDependency          what it needs is not there
        │   └── ImpossibleDependency     and never will be
        │       ├── InvalidDependency    what it names does not exist
        │       └── DependencyTimeout    or not in time
        └── RemoteError              it raised; also an instance of the user's own type
            └── CompositeError       several did (`protocol.composite`, with
                                     what can be done with errors beside)

Constructors take facts and build the sentence; the facts stay as attributes. Errors without facts
take the sentence. Each branch has a file here: `base`, `cluster`, `client`, `task`, `remote`; all
are imported from this room itself, by the names that stand above.
"""

from builtins import TimeoutError as TimeoutError  # noqa: A004 - ipyparallel exports it, too

from ipcluster_ext.errors.base import (
    Facts,
    IpclusterError,
    IPythonError,
    ProtocolError,
    PythonMismatch,
    SerializationError,
    VersionMismatch,
)
from ipcluster_ext.errors.client import (
    ClientClosed,
    ClientError,
    ForeignTask,
    ForkedClientError,
    HubGone,
    OptionError,
    UnknownTask,
)
from ipcluster_ext.errors.cluster import (
    ClusterError,
    ClusterStopped,
    StartupError,
    StartupWarning,
)
from ipcluster_ext.errors.remote import (
    RemoteError,
    remember_facts,
    show_with,
)
from ipcluster_ext.errors.task import (
    DependencyTimeout,
    EngineError,
    EngineLost,
    ImpossibleDependency,
    InvalidDependency,
    KernelError,
    NoEnginesRegistered,
    NoSuchEngine,
    OutsideTask,
    PoisonTask,
    SoftTimeLimit,
    TaskAborted,
    TaskExpired,
    TaskInterrupted,
    TaskRejectError,
    TaskTimeout,
    UnmetDependency,
)

__all__ = [
    "ClientClosed",
    "ClientError",
    "ClusterError",
    "ClusterStopped",
    "DependencyTimeout",
    "EngineError",
    "EngineLost",
    "Facts",
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
    "remember_facts",
    "show_with",
]
