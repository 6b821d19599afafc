"""The cluster that is made of what is filled in, and the fields that are made of options."""

from pathlib import Path
from typing import Any

import pytest

from ipcluster_ext.cluster.launchers import registry
from ipcluster_ext.cluster.launchers.contract import WrongOption
from ipcluster_ext.jupyter import forms, schema


@pytest.fixture(autouse=True)
def profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder in which profiles can be put."""
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    folder = tmp_path / "ipcluster_ext" / "profiles"
    folder.mkdir(parents=True)
    return folder


def told(wish: schema.New) -> dict[str, object]:
    """Return what the launcher of a cluster is told."""
    (engines,) = forms.cluster_of(wish)._plan.sets  # noqa: SLF001 - what it tells only its foreman
    return {"launcher": engines.launcher, "n": engines.n, **engines.options}


def test_an_option_is_as_filled_in_and_the_others_as_the_profile_has_them(profiles: Path) -> None:
    (profiles / "lab.toml").write_text(
        'n = 3\nhosts = [{host = "n1", cwd = "/data"}]\n[launcher_options]\nport = 22\nuser = "ann"'
    )

    kept = told(schema.New(profile="lab", options={"port": 2222}))
    moved = told(schema.New(profile="lab", options={"hosts": ["n2:3"]}))

    assert kept == {
        "launcher": "ssh", "n": 3, "port": 2222, "user": "ann",
        "hosts": [{"host": "n1", "cwd": "/data"}],
    }  # fmt: skip
    assert moved == {"launcher": "ssh", "n": 3, "port": 22, "user": "ann", "hosts": ["n2:3"]}


def test_another_launcher_is_told_nothing_of_the_profile(profiles: Path) -> None:
    (profiles / "lab.toml").write_text('n = 3\nhosts = ["n1"]\n[launcher_options]\nport = 22')

    assert told(schema.New(profile="lab", launcher="slurm", options={"queue": "short"})) == {
        "launcher": "slurm", "n": 3, "queue": "short"
    }  # fmt: skip


def test_engines_of_this_host_are_meant_although_the_default_profile_says_otherwise(
    profiles: Path,
) -> None:
    (profiles / "default.toml").write_text('launcher = "slurm"\nn = 3')

    assert forms.cluster_of(schema.New(n=2, launcher="local", options={})).launchers == []
    assert forms.cluster_of(schema.New(n=2)).launchers == ["slurm"]


def test_hosts_are_looked_at_also_where_the_number_of_engines_is_given() -> None:
    with pytest.raises(WrongOption, match="'n1:x' is no host") as caught:
        forms.cluster_of(schema.New(n=2, launcher="ssh", options={"hosts": ["n1:x"]}))

    assert caught.value.option == "hosts"


@pytest.mark.parametrize(
    ("launcher", "options", "option", "reason"),
    [
        ("slurm", {"time": "soon"}, "time", "has to be like '8:00'"),
        ("slurm", {"memory": "much"}, "memory", "has to be like '800M'"),
        ("slurm", {"queue": "short; rm -rf ~"}, "queue", "use letters, digits"),
        ("pbs", {"template": "#!/bin/sh"}, "template", "has to contain @{command}"),
        ("lsf", {"template": "@{comand} @{command}"}, "template", "no value for @{comand}"),
        ("sge", {"directives": ["-l a\nrm"]}, "directives", "one line of printable"),
        ("sge", {"folder": "jobs"}, "folder", "has to be an absolute path"),
        ("htcondor", {"mode": "mpi"}, "mode", "cannot be"),
        ("htcondor", {"queue": "short"}, "queue", "HTCondor has no queues"),
        ("slurm", {"environment": {"1X": "y"}}, "environment", "cannot be set by a shell"),
        ("kubernetes", {}, "image", "needs 'image'"),
        ("mpi", {"environment": {"a b": "y"}}, "environment", "cannot be set by a shell"),
        ("ssh", {"hosts": ["n1:4"]}, "hosts", "2 engines are asked for"),
        ("ssh", {"hosts": ["n1"], "environment": {"a b": "y"}}, "environment", "cannot be"),
    ],
)
def test_what_only_the_start_would_refuse_is_refused_before_it(
    launcher: str, options: dict[str, Any], option: str, reason: str
) -> None:
    with pytest.raises(WrongOption) as caught:
        forms.cluster_of(schema.New(n=2, launcher=launcher, options=options))

    assert (caught.value.option, reason in str(caught.value)) == (option, True)


def test_what_a_profile_says_wrongly_is_refused_in_its_place_too(profiles: Path) -> None:
    (profiles / "lab.toml").write_text(
        'launcher = "slurm"\nn = 3\n[launcher_options]\ntime = "long"'
    )

    with pytest.raises(WrongOption, match="time = 'long' has to be like") as caught:
        forms.cluster_of(schema.New(profile="lab"))

    assert caught.value.option == "time"
    assert forms.cluster_of(schema.New(profile="lab", options={"time": "8:00"})).n == 3


@pytest.mark.parametrize("launcher", registry.names()[1:])
def test_every_field_is_explained_and_is_what_the_launcher_takes(launcher: str) -> None:
    fields = forms.fields_of(launcher)
    values = {field.name: field.value for field in fields}

    assert [field.name for field in fields if not field.help] == []
    assert registry.options_of(launcher, values) == registry.options_of(launcher, {})
    assert sorted(values) == sorted(set(values))
