"""The JSON contract, as both sides have written it down, is the same."""

import re
import types
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest

from ipcluster_ext.cluster.launchers import registry
from ipcluster_ext.jupyter import forms, schema
from ipcluster_ext.protocol.feed import EngineState

SOURCES = Path(__file__).parents[3] / "labextension" / "src"
CONTRACT = SOURCES / "contract.ts"
OPTION_TEXT = SOURCES / "optionText.ts"

TWINS: dict[str, type[msgspec.Struct]] = {
    "ICluster": schema.Cluster,
    "IEngine": schema.Engine,
    "IWork": schema.Work,
    "IProfile": schema.Profile,
    "IField": schema.Field,
    "ILauncher": schema.Launcher,
    "IProfiles": schema.Profiles,
    "ILog": schema.Log,
    "IConsole": schema.Console,
    "IChoice": schema.Choice,
    "INew": schema.New,
    "IClustersNow": schema.ClustersNow,
    "IStatusNow": schema.StatusNow,
    "ISpansNow": schema.SpansNow,
    "ITended": schema.Tended,
    "IRefusal": schema.Refusal,
    "ISelect": schema.Select,
}
CHOICES = {
    "FIELD_KINDS": schema.FieldKind,
    "CLUSTER_STATES": schema.ClusterState,
    "ENGINE_STATES": EngineState,
    "ENGINE_ACTIONS": schema.EngineAction,
    "WORK_ACTIONS": schema.WorkAction,
}
_NAMES = {
    schema.ClusterState: "ClusterState",
    EngineState: "EngineState",
    schema.FieldKind: "FieldKind",
    schema.OptionValue: "OptionValue",
}
_PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
_STRUCTS = {struct: name for name, struct in TWINS.items()}


@pytest.fixture(scope="module")
def contract() -> str:
    """Return what the browser's side says, without its comments."""
    return re.sub(r"/\*.*?\*/", "", CONTRACT.read_text(), flags=re.DOTALL)


def fields_of(interface: str, contract: str) -> dict[str, str]:
    """Return the fields of an interface in TypeScript."""
    found = re.search(rf"interface {interface} \{{(.*?)\n\}}", contract, re.DOTALL)
    assert found is not None, f"there is no {interface}"
    return dict(re.findall(r"readonly (\w+\??): ([^;]+);", found[1]))


def written(kind: Any) -> str:
    """Write a type of Python's as TypeScript has it."""
    if get_origin(kind) is Annotated:
        return written(get_args(kind)[0])
    if kind in _NAMES:
        return _NAMES[kind]
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _STRUCTS:
        return _STRUCTS[kind]
    if get_origin(kind) is dict:
        return f"Readonly<Record<string, {written(get_args(kind)[1])}>>"
    if get_origin(kind) is list:
        return f"readonly {written(get_args(kind)[0])}[]"
    if get_origin(kind) is types.UnionType or str(get_origin(kind)) == "typing.Union":
        return " | ".join(written(part) for part in get_args(kind))
    raise AssertionError(kind)


def expected(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return the fields of a type of Python's, as TypeScript has them."""
    hints = get_type_hints(struct, include_extras=True)
    fields = {}
    if struct.__struct_config__.tag is not None:
        fields["type"] = f"'{struct.__struct_config__.tag}'"
    for field in msgspec.structs.fields(struct):
        kind = written(hints[field.name])
        if struct is schema.New:  # what is not given is left out
            fields[f"{field.encode_name}?"] = kind.removesuffix(" | null")
        else:
            fields[field.encode_name] = kind
    return fields


@pytest.mark.parametrize("interface", TWINS)
def test_every_type_has_the_same_fields_in_both_languages(interface: str, contract: str) -> None:
    assert fields_of(interface, contract) == expected(TWINS[interface])


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_has_the_same_values_in_both_languages(name: str, contract: str) -> None:
    found = re.search(rf"const {name} = \[(.*?)\]", contract, re.DOTALL)
    assert found is not None

    assert re.findall(r"'(\w+)'", found[1]) == list(get_args(CHOICES[name]))


def test_no_interface_of_the_browser_is_without_its_twin(contract: str) -> None:
    assert set(re.findall(r"export interface (\w+)", contract)) == set(TWINS)


def test_literals_are_those_of_the_wire() -> None:
    assert get_origin(EngineState) is Literal


def test_every_option_of_our_launchers_has_a_name_for_people() -> None:
    names = OPTION_TEXT.read_text().partition("const LABELS")[2]
    launchers = registry.names()[1:]
    options = {field.name for launcher in launchers for field in forms.fields_of(launcher)}

    assert set(re.findall(r"^  (\w+): trans =>", names, re.MULTILINE)) == options
