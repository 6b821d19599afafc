"""What README.md shows is what happens."""

import re
import tomllib

import pytest

from ipcluster_ext.cluster.launchers.registry import options_of
from ipcluster_ext.cluster.profiles import parse
from tests.examples.running import ROOT, output_of

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.compile(r"^(?P<expression>\S.*?)  # → (?P<value>.*)$", re.MULTILINE)


def blocks(language: str) -> list[str]:
    """Return README.md's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_the_shortest_cell_prints_what_stands_below_it() -> None:
    cell, *_ = blocks("python")
    (shown,) = blocks("text")

    assert output_of("-c", cell) == shown.splitlines()


def test_every_expression_of_the_tour_has_the_value_beside_it() -> None:
    _, *cells = blocks("python")
    tour = "\n".join(cells)

    printing = SHOWN.sub(r"print(repr(\g<expression>))", tour)
    assert output_of("-c", printing) == [found["value"] for found in SHOWN.finditer(tour)]


def test_the_profile_that_it_shows_is_one() -> None:
    (shown,) = blocks("toml")

    profile = parse(tomllib.loads(shown), name="pair", source="README.md")
    assert (profile.launcher, profile.n) == ("ssh", 8)
    options_of(profile.launcher, profile.launcher_options or {})


def test_every_command_of_the_shell_that_it_names_exists() -> None:
    said = output_of("-m", "ipcluster_ext", "--help")

    named = set(re.findall(r"(?:^|`)ipcluster-ext ([a-z]+)", README, re.MULTILINE))
    there = {words[0] for line in said if (words := line.split())}
    assert named - there == set()
    assert {"start", "doctor"} <= named


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md"])
def test_links_between_files_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_make_target_that_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    there = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert named - there == set()
    assert {"demo", "test"} <= named


def test_every_file_of_a_room_that_architecture_names_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| ([a-z]+) \| (.*) \| (.*) \|$", text, re.MULTILINE)
    rooms = {room: cells for room, *cells in table if (ROOT / "ipcluster_ext" / room).is_dir()}

    named = [(room, name) for room in rooms for name in re.findall(r"`(\w+)`", str(rooms[room]))]
    paths = [ROOT / "ipcluster_ext" / room / name for room, name in named]
    missing = [path for path in paths if not (path.is_dir() or path.with_suffix(".py").exists())]
    assert missing == []
    assert {"core", "protocol", "transport", "hub", "engine", "agent", "client"} <= set(rooms)


def test_every_file_that_architecture_names_by_its_room_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = {path.name for path in (ROOT / "ipcluster_ext").iterdir() if path.is_dir()}

    found = re.findall(r"`([a-z]+)\.(\w+)[\w.]*`", text)
    named = [(room, name) for room, name in found if room in rooms and name != "json"]
    paths = [ROOT / "ipcluster_ext" / room / name for room, name in named]
    # `core.Hub` names a class, which stands at the beginning of its own file
    missing = [path for path in paths if not path.with_name(f"{path.name.lower()}.py").exists()]
    assert missing == []
    assert len(named) > 10
