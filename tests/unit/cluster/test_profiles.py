from pathlib import Path

import pytest

from ipcluster_ext.cluster import profiles
from ipcluster_ext.cluster.profiles import Profile
from ipcluster_ext.errors import ClusterError


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the test a folder of profiles of its own, as the user's."""
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path / "site"))
    return tmp_path / "jupyter" / "ipcluster_ext" / "profiles"


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


class TestAProfile:
    def test_is_what_its_file_says(self, config: Path) -> None:
        write(config, "laptop", "n = 3\nhwm = 1\nports = [1, 2]\n[resources]\ngpu = 1\n")

        assert profiles.load("laptop") == Profile(
            name="laptop", n=3, hwm=1, ports=(1, 2), resources={"gpu": 1.0}
        )

    def test_hides_those_of_its_name_in_folders_that_jupyter_names_later(
        self, config: Path, tmp_path: Path
    ) -> None:
        site = tmp_path / "site" / "ipcluster_ext" / "profiles"
        write(site, "shared", "n = 1")
        write(site, "big", "n = 64")
        write(config, "shared", "n = 2")

        assert profiles.names() == ["big", "shared"]
        assert [profiles.load(name).n for name in profiles.names()] == [64, 1]

    def test_has_a_working_folder_that_may_begin_at_home(
        self, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", "/home/ada")
        write(config, "data", 'cwd = "~/data"')

        assert profiles.load("data").cwd == "/home/ada/data"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("polcy = 'lru'", "unknown key 'polcy' (did you mean 'policy'?); keys: description, "),
            ("zebra = 1", "unknown key 'zebra'; keys: description, "),
            ("n = 'four'", "Expected `int | null`, got `str`, in `n`"),
            ("policy = 'fair'", "Invalid enum value 'fair', in `policy`"),
            ("[resources]\ngpu = 'one'", "got `str`, in `resources[...]`"),
            ("launcher = 'ssl'", "there is no launcher 'ssl' (did you mean 'ssh'?); launchers: "),
            ("launcher = 'ssh'", 'launcher "ssh" needs hosts'),
            ("hosts = ['n1:x']", "'n1:x' is no host"),
            (
                "[[engines]]\nn = 2\nqueue = 'a'",
                "launcher 'local' has no options, and so not queue",
            ),
            ("n = ", "is not TOML: "),
            ("name = 'other'", "unknown key 'name'"),
        ],
    )
    def test_that_is_wrong_names_its_file_the_place_and_what_may_stand_there(
        self, config: Path, text: str, said: str
    ) -> None:
        path = write(config, "bad", text)

        with pytest.raises(ClusterError) as caught:
            profiles.load("bad")

        assert str(caught.value).startswith(str(path))
        assert said in str(caught.value)

    def test_that_is_not_there_names_the_nearest(self, config: Path) -> None:
        write(config, "laptop", "")

        with pytest.raises(ClusterError, match=r"no profile 'labtop' \(did you mean 'laptop'\?\)"):
            profiles.load("labtop")

    @pytest.mark.parametrize("name", ["../secret", "", "a/b", ".hidden", "x" * 65, "-rf"])
    def test_cannot_be_called_what_is_no_name(self, name: str) -> None:
        with pytest.raises(ClusterError, match="cannot be a profile's name"):
            profiles.find(name)


class TestMakingOne:
    def test_writes_a_file_that_is_a_profile(self, config: Path) -> None:
        path = profiles.create("new", n=4, description='for "tests" \\ and\nmore')

        assert path == config / "new.toml"
        assert profiles.load("new") == Profile(
            name="new", n=4, description='for "tests" \\ and more'
        )

    def test_keeps_one_that_is_there(self, config: Path) -> None:
        path = write(config, "mine", "n = 7")

        with pytest.raises(ClusterError, match=f"already: {path}"):
            profiles.create("mine")

        assert path.read_text() == "n = 7"

    def test_names_every_key_in_its_comments(self) -> None:
        words = [line.lstrip("# [").split(" ")[0] for line in profiles.TEMPLATE.splitlines()]

        assert set(profiles.FIELDS) - {word.rstrip("]") for word in words} == {"n"}


class TestARecipe:
    def test_of_another_launcher_takes_no_hosts_from_the_profile(self, config: Path) -> None:
        write(config, "pair", 'hosts = ["n1:2"]\nhwm = 1')

        recipe = profiles.recipe("pair", launcher="local", n=3)

        assert (recipe.plan(recipe.n).here, recipe.hwm) == (3, 1)

    def test_of_the_same_launcher_takes_its_options_from_the_profile(self, config: Path) -> None:
        write(config, "pair", 'launcher = "ssh"\n[launcher_options]\nport = 2222\nhosts = ["n1"]')

        (engines,) = profiles.recipe("pair", hosts=["n2:1"]).plan(None).sets

        assert engines.options == {"port": 2222, "hosts": ["n2:1"]}

    def test_is_as_is_given_else_as_the_profile_says_else_as_usual(self, config: Path) -> None:
        write(config, "laptop", "n = 3\nhwm = 1")

        recipe = profiles.recipe("laptop", n=2, policy=None)

        assert (recipe.profile, recipe.n, recipe.hwm) == ("laptop", 2, 1)
        assert (recipe.policy, recipe.engine_timeout) == ("leastload", 60.0)

    def test_without_a_name_is_that_of_the_default_profile_if_there_is_one(
        self, config: Path
    ) -> None:
        without = profiles.recipe("")
        write(config, "default", "n = 5")

        assert (without.profile, without.n) == ("", None)
        assert [profiles.recipe(name).n for name in ("", "default")] == [5, 5]
