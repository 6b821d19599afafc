"""All errors under the name of the module that ipyparallel has them in."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipcluster_ext.errors import *  # noqa: F403 - this module is nothing but those names
    from ipcluster_ext.protocol.composite import *  # noqa: F403


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name means
    import ipcluster_ext

    found = getattr(ipcluster_ext, name, None)
    if isinstance(found, type) and issubclass(found, BaseException):
        return found
    if name in {"collect_exceptions", "wrap_exception", "unwrap_exception"}:
        return found
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
