"""``profile``: list, show, create and check the recipes that clusters are made from."""

import argparse
import json
import re
import sys
import textwrap
from pathlib import Path

from ipcluster_ext.cli.tables import table
from ipcluster_ext.cluster.launchers.registry import LOCAL, example, listing, missing
from ipcluster_ext.cluster.profiles import (
    Profile,
    Recipe,
    create,
    find,
    load,
    names,
    own_folder,
    read,
)
from ipcluster_ext.errors import ClusterError


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the others."""
    profile = commands.add_parser("profile", help="named recipes for clusters")
    actions = profile.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="which there are")
    listing.set_defaults(run=_list)
    showing = actions.add_parser("show", help="the file of one, and where it is")
    showing.add_argument("name")
    showing.set_defaults(run=_show)
    making = actions.add_parser("create", help="write one to begin with")
    making.add_argument("name")
    making.add_argument("-n", type=int, help="how many engines")
    making.add_argument("--description", default="", help="a line for people")
    making.add_argument("--launcher", default=LOCAL, help="for engines of this launcher")
    making.set_defaults(run=_create)
    checking = actions.add_parser("check", help="tell whether they can be used")
    checking.add_argument("name", nargs="*", help="names or files; all if none is given")
    checking.set_defaults(run=_check)
    launchers = actions.add_parser("launchers", help="what can start engines, and its options")
    launchers.set_defaults(run=_launchers)


def _list(options: argparse.Namespace) -> int:
    del options
    found = names()
    if not found:
        _say(f"no profiles; 'ipcluster-ext profile create NAME' makes one in {own_folder()}")
        return 0
    _say(table(["NAME", "LAUNCHER", ">N", "DESCRIPTION"], [_row(name) for name in found]))
    return 0


def _row(name: str) -> tuple[object, ...]:
    try:
        profile = load(name)
    except ClusterError as error:
        return name, "-", "-", f"cannot be used: {error}"
    return name, profile.launcher, profile.n or "auto", profile.description


def _show(options: argparse.Namespace) -> int:
    path = find(options.name)
    _say(f"# {path}\n{path.read_text(encoding='utf-8').rstrip()}")
    return 0


def _create(options: argparse.Namespace) -> int:
    text = "" if options.launcher == LOCAL else _filled(example(options.launcher), options)
    path = create(options.name, n=options.n, description=options.description, text=text)
    _say(f"wrote {path}\nstart it with: ipcluster-ext start {options.name}")
    return 0


def _filled(text: str, options: argparse.Namespace) -> str:
    """Put into an example what was said."""
    if options.n is not None:
        text = re.sub(r"^(# )?n = \d+", f"n = {options.n}", text, count=1, flags=re.MULTILINE)
    if options.description:
        line = f"description = {json.dumps(options.description)}"
        text = re.sub(r"^description = .*$", lambda _: line, text, count=1, flags=re.MULTILINE)
    return text


def _check(options: argparse.Namespace) -> int:
    failed = 0
    for name in options.name or names():
        try:
            _read(name)
        except ClusterError as error:
            failed = 1
            _say(f"{name}: {error}")
        else:
            _say("\n".join([f"{name}: good", *(f"{name}: but {each}" for each in _missing(name))]))
    return failed


def _missing(name: str) -> list[str]:
    """Return what is missing here to use a profile's launchers."""
    profile = _read(name)
    sets = Recipe(**profile.options).plan(profile.n).sets
    return [each for engines in sets for each in missing(engines.launcher, engines.options)]


def _launchers(options: argparse.Namespace) -> int:
    del options
    for each in listing():
        _say(f"{each.name}: {each.about}")
        if each.options:
            _say(
                textwrap.fill(
                    ", ".join(each.options), 96, initial_indent="  ", subsequent_indent="  "
                )
            )
    return 0


def _read(name: str) -> Profile:
    """Read a profile, by its name or its file."""
    return read(Path(name)) if name.endswith(".toml") else load(name)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
