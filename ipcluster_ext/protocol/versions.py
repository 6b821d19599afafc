"""Which versions of Python and of packages a process runs."""

import platform
from collections.abc import Iterable

PACKAGES = (
    "ipcluster-ext", "cloudpickle", "ipykernel", "ipython", "msgspec", "numpy", "pandas",
)  # fmt: skip
"""Those that matter to most: what values and functions are made of, and what carries them."""


def versions_of(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of packages in this process, by name.

    Packages that are not installed are left out.
    """
    from importlib.metadata import PackageNotFoundError, version  # dear, and seldom needed

    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
