"""What users see of the package: its public names, and the parts of their classes."""

from typing import Any

import ipcluster_ext as ipp

PUBLIC = sorted(name for name in ipp.__all__ if not name.startswith("_"))


def visible(kind: type) -> list[str]:
    """Return the public names of a class that its instances show their users."""
    hides = any("__dir__" in vars(base) for base in kind.__mro__[:-1])
    shown = dir(_bare(kind)) if hides else dir(kind)
    names = [name for name in shown if not name.startswith("_")]
    return [name for name in names if home(kind, name).startswith("ipcluster_ext")]


def home(kind: type, name: str) -> str:
    """Return the module of the class from which a class has a name."""
    return next((base.__module__ for base in kind.__mro__ if name in vars(base)), "")


def _bare(kind: Any) -> object:
    return kind.__new__(kind)
