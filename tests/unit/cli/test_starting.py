import argparse
import tomllib
from pathlib import Path

import pytest

from ipcluster_ext.cli.main import main, parser
from ipcluster_ext.cluster import profiles
from ipcluster_ext.cluster.launchers.registry import LOCAL, example, names


def test_options_of_launchers_are_read_as_toml_or_else_as_text() -> None:
    words = ["port=2222", "tunnel=always", 'arguments=["-v"]', "python=~/a=b"]

    options = parser().parse_args(["start", *(f"--option={word}" for word in words)])

    assert dict(options.option) == {
        "port": 2222,
        "tunnel": "always",
        "arguments": ["-v"],
        "python": "~/a=b",
    }


def test_hosts_are_named_in_one_word() -> None:
    assert parser().parse_args(["start", "--hosts", "n1,ann@n2:4"]).hosts == ["n1", "ann@n2:4"]


def test_an_option_without_a_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["start", "--option", "port"])

    assert "an option is key=value" in capsys.readouterr().err


@pytest.mark.parametrize("launcher", [name for name in names() if name != LOCAL])
def test_the_example_of_each_launcher_is_a_profile(launcher: str) -> None:
    content = tomllib.loads(example(launcher))

    profile = profiles.parse(content, name="example", source="the example")

    assert profile.launcher == launcher


def test_a_profile_for_a_launcher_is_its_example_with_what_was_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    create = ["profile", "create", "pair", "--launcher", "ssh", "-n", "6", "--description", 'a "b"']

    assert main(create) == 0
    assert main(["profile", "check", "pair"]) == 0

    made = profiles.load("pair")
    assert (made.launcher, made.n, made.description) == ("ssh", 6, 'a "b"')
    assert "pair: good" in capsys.readouterr().out


def test_launchers_are_listed_with_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "launchers"]) == 0

    told = capsys.readouterr().out
    assert told.startswith("local: Engines on this host.\n")
    assert "connect_timeout" in told


def test_a_number_of_engines_is_a_number() -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parser().parse_args(["start", "-n", "many"])
