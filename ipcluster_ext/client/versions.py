"""Versions of Python and packages of all who work together, and where they differ."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from ipcluster_ext.client.base import Base
from ipcluster_ext.client.connection import NOBODY
from ipcluster_ext.client.direct import DirectView
from ipcluster_ext.protocol.messages import Cancel
from ipcluster_ext.protocol.versions import PACKAGES, versions_of

_warned_of: set[tuple[str, ...]] = set()
"""The differences that this process has been warned of."""


class Versions(dict[str, Any]):
    """Versions by name, of ``'client'``, ``'hub'`` and each of the ``'engines'``.

    Of an engine that did not answer in time there is None.

    Examples
    --------
    >>> versions = rc.versions()
    >>> versions["client"]["python"] == versions["engines"][0]["python"]
    True
    >>> versions.mismatches
    {}
    """

    @property
    def everybody(self) -> dict[str, Mapping[str, str]]:
        """The versions of all who answered, by what they are called."""
        engines = {
            f"engine {engine}": versions
            for engine, versions in self["engines"].items()
            if versions is not None
        }
        return {"client": self["client"], "hub": self["hub"], **engines}

    @property
    def mismatches(self) -> dict[str, dict[str, list[str]]]:
        """Where versions differ: for each name, who has which; ``''`` means not installed.

        The hub matters only for this package: it never opens what it passes on.
        """
        found: dict[str, dict[str, list[str]]] = {}
        everybody = self.everybody
        names = {name for versions in everybody.values() for name in versions}
        for name in sorted(names):
            having: dict[str, list[str]] = {}
            for who, versions in everybody.items():
                if who != "hub" or name == "ipcluster-ext":
                    having.setdefault(versions.get(name, ""), []).append(who)
            if len(having) > 1:
                found[name] = having
        return found

    def __str__(self) -> str:
        lines = [
            f"{who}: " + ", ".join(f"{name} {version}" for name, version in versions.items())
            for who, versions in self.everybody.items()
        ]
        return "\n".join(lines)


class Versioned(Base):
    """The part of a client that compares versions."""

    def versions(self, packages: Iterable[str] = (), *, timeout: float = 10.0) -> Versions:
        """Return the versions of Python and packages of this client, the hub and the engines.

        What differs is warned of, once.

        Parameters
        ----------
        packages
            Which packages, beside those that matter to most.
        timeout
            How long to wait for engines that are busy, in seconds.

        Returns
        -------
        Versions by name; see `Versions`.

        Examples
        --------
        >>> sorted(rc.versions(["tqdm"]))
        ['client', 'engines', 'hub']
        """
        names = tuple(dict.fromkeys((*PACKAGES, *packages)))
        engines = self.ids
        answers = [DirectView(self, engine).apply_async(versions_of, names) for engine in engines]
        for answer in answers:
            answer.wait(timeout)
        late = [answer.task_at(0) for answer in answers if not answer.done()]
        if late:
            self.connection.say([Cancel(late, NOBODY)])
        found = Versions(
            client=versions_of(names),
            hub=self.connection.hub_versions,
            engines={
                engine: answer.get() if answer.done() and answer.successful() else None
                for engine, answer in zip(engines, answers, strict=True)
            },
        )
        warn_of(found)
        return found


def warn_of(versions: Versions) -> None:
    """Warn of what differs, unless this process was warned of it before."""
    for name, having in versions.mismatches.items():
        key = (name, *sorted(having))
        if key in _warned_of:
            continue
        _warned_of.add(key)
        parts = [
            f"{', '.join(who)}: {version or 'not installed'}" for version, who in having.items()
        ]
        text = f"versions of {name} differ ({'; '.join(parts)}); results may differ, or not travel"
        warnings.warn(text, RuntimeWarning, stacklevel=3)
