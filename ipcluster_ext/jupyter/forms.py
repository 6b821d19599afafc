"""What the form for a new cluster offers, and the cluster that is made of what is filled in.

A field of the form is made from each option of a launcher: its kind from the option's type, its
explanation from the docstring. Those are shown first that stand in the launcher's own example.
"""

import asyncio
import re
import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect

from ipcluster_ext.cluster import profiles as recipes
from ipcluster_ext.cluster.cluster import Cluster
from ipcluster_ext.cluster.launchers import registry
from ipcluster_ext.cluster.launchers.contract import Options, WrongOption
from ipcluster_ext.cluster.sets import LOCAL, SSH
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.jupyter import schema

_CHECKED_WITHIN = 3.0
"""A launcher that cannot say in so many seconds what is missing is offered as if nothing were."""
_SECTION = re.compile(r"^Attributes\n-+\n(.*?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(\w[\w, ]*)\n((?:    .*(?:\n|\Z))+)", re.MULTILINE)
_ELSEWHERE = "As for every launcher"


# ------------------------------------------------------------ launchers


async def launchers() -> list[schema.Launcher]:
    """Return all launchers, and what is missing here to use each; the local one first."""
    first = schema.Launcher(name=LOCAL, about="Engines on this host.")
    others = registry.names()[1:]
    return [first, *await asyncio.gather(*(_launcher(name) for name in others))]


async def _launcher(name: str) -> schema.Launcher:
    try:
        found = await asyncio.to_thread(registry.find, name)
    except ClusterError as error:
        return schema.Launcher(name=name, about="", missing=str(error))
    about = (found.__doc__ or "").partition("\n")[0]
    checking = asyncio.to_thread(registry.missing, name, {})
    try:
        faults = await asyncio.wait_for(checking, _CHECKED_WITHIN)
    except TimeoutError:
        faults = []
    except ClusterError as error:
        faults = [str(error)]
    missing = faults[0] if faults else ""
    return schema.Launcher(name=name, about=about, missing=missing, fields=fields_of(name))


def fields_of(name: str) -> list[schema.Field]:
    """Return the options of a launcher that fit into a form, those first that many need.

    Raises
    ------
    ClusterError
        There is no such launcher.
    """
    kind = registry.find(name).Options
    usual = _usual(registry.example(name))
    helps = _helps(kind)
    found = []
    for option in msgspec.structs.fields(kind):
        is_what = _kind(inspect.type_info(option.type))
        if is_what is None:
            continue
        made = option.default_factory
        found.append(
            schema.Field(
                name=option.name,
                kind=is_what[0],
                value=option.default if made is msgspec.NODEFAULT else made(),
                help=helps.get(option.name, ""),
                choices=is_what[1],
                usual=option.name in usual,
            )
        )
    own = {each for each in kind.__struct_fields__ if each not in Options.__struct_fields__}
    return sorted(found, key=lambda field: (*_rank(field, usual), field.name not in own))


def _rank(field: schema.Field, usual: list[str]) -> tuple[bool, int]:
    return not field.usual, usual.index(field.name) if field.usual else 0


def _usual(example: str) -> list[str]:
    """Return the options that are set in the example of a launcher's profile."""
    content = tomllib.loads(example)
    return list(content.get("launcher_options", {}))


def _kind(option: inspect.Type) -> tuple[schema.FieldKind, list[str]] | None:
    """Return of what kind a field is, and what can be chosen; None if it fits into no form."""
    match option:
        case inspect.BoolType():
            return "flag", []
        case inspect.IntType():
            return "integer", []
        case inspect.FloatType():
            return "number", []
        case inspect.StrType():
            return "text", []
        case inspect.LiteralType(values):
            return "choice", [str(value) for value in values]
        case inspect.DictType(inspect.StrType(), inspect.StrType()):
            return "map", []
        case inspect.ListType(inspect.StrType()):
            return "list", []
        case inspect.ListType(inspect.UnionType(types)) if any(
            isinstance(each, inspect.StrType) for each in types
        ):
            return "list", []
    return None


def _helps(kind: type[Options]) -> dict[str, str]:
    """Return what docstrings say of each option, the launcher's own before what all share."""
    said: dict[str, str] = {}
    for each in kind.__mro__:
        section = _SECTION.search(_dedented(each.__doc__ or "")) if each is not object else None
        for names, text in _ENTRY.findall(section[1]) if section is not None else ():
            plain = re.sub(r"`+|\"", "", " ".join(text.split()))
            for name in names.split(", "):
                if not plain.startswith(_ELSEWHERE):
                    said.setdefault(name, plain)
    return said


def _dedented(text: str) -> str:
    first, _, rest = text.partition("\n")
    return f"{first}\n{re.sub(r'^    ', '', rest, flags=re.MULTILINE)}"


# ------------------------------------------------------------ profiles


def profiles() -> list[schema.Profile]:
    """Return all recipes, those that cannot be used included."""
    found = []
    for name in recipes.names():
        try:
            profile = recipes.load(name)
        except ClusterError as error:
            found.append(schema.Profile(name=name, error=str(error)))
            continue
        options, beyond = _shown(told_by(profile))
        found.append(
            schema.Profile(
                name=name,
                description=profile.description,
                launcher=profile.launcher,
                n=profile.n,
                options=options,
                beyond=beyond,
            )
        )
    return found


def told_by(profile: recipes.Profile) -> dict[str, Any]:
    """Return all that a profile tells its launcher."""
    hosts = {} if profile.hosts is None else {"hosts": profile.hosts}
    return {**(profile.launcher_options or {}), **hosts}


def _shown(told: Mapping[str, Any]) -> tuple[dict[str, schema.OptionValue], list[str]]:
    """Return the options that fit into a form, and the names of those that do not."""
    options: dict[str, schema.OptionValue] = {}
    for name, value in told.items():
        try:
            options[name] = msgspec.convert(_short(value), schema.OptionValue)
        except msgspec.ValidationError:
            continue  # a table in a list, or in a table
    return options, [name for name in told if name not in options]


def _short(value: object) -> object:
    """Write hosts in a line each where that says all."""
    if not isinstance(value, list):
        return value
    return [
        ":".join(str(part) for part in each.values())
        if isinstance(each, dict) and list(each) in (["host"], ["host", "n"])
        else each
        for each in value
    ]


# ------------------------------------------------------------ a new cluster


def cluster_of(wish: schema.New) -> Cluster:
    """Return the cluster that is wished, all of it looked through; nothing runs yet.

    That goes as far as launchers can tell by themselves: a batch system may refuse yet what its
    job script asks for.

    Raises
    ------
    WrongOption
        The launcher cannot be told that.
    ClusterError
        The profile cannot be used, or there is no such launcher.
    """
    launcher, told = _told(wish)
    given: dict[str, Any] = {}
    if wish.options is not None and launcher != LOCAL:
        given["launcher_options"] = dict(told)
        if launcher == SSH:
            given["hosts"] = given["launcher_options"].pop("hosts", [])
    cluster = Cluster(
        wish.n,
        profile=wish.profile or "",
        launcher=wish.launcher,
        cluster_id=wish.id or "",
        shutdown_atexit=False,
        **given,
    )
    if launcher != LOCAL:
        registry.look_through(launcher, told, cluster.n)
    return cluster


def _told(wish: schema.New) -> tuple[str, dict[str, Any]]:
    """Return which launcher is meant, and all that it is told.

    Raises
    ------
    WrongOption
        That is the local one, which can be told nothing.
    ClusterError
        The profile cannot be used.
    """
    profile = _meant(wish.profile)
    launcher = wish.launcher or profile.launcher
    before = told_by(profile) if launcher == profile.launcher else {}
    told = {**before, **(wish.options or {})}
    if launcher == LOCAL and told:
        msg = f"launcher {LOCAL!r} has no options; say which launcher is meant"
        raise WrongOption(msg, next(iter(told)))
    return launcher, told


def _meant(name: str | None) -> recipes.Profile:
    """Return the profile that counts, also where none is named."""
    if not name and recipes.DEFAULT not in recipes.names():
        return recipes.Profile()
    return recipes.load(name or recipes.DEFAULT)
