from pathlib import Path

from ipcluster_ext.cluster.paths import engine_path

STDLIB = "/opt/python/lib/python3.11"


def chosen(*path: str, cwd: Path) -> list[str]:
    return engine_path(path, cwd=str(cwd), stdlib=STDLIB)


def folders(parent: Path, *names: str) -> list[str]:
    for name in names:
        (parent / name).mkdir(parents=True)
    return [str(parent / name) for name in names]


def test_the_users_folders_keep_their_order(tmp_path: Path) -> None:
    b, a = folders(tmp_path, "b", "a")

    assert chosen(b, a, cwd=tmp_path) == [b, a]


def test_an_empty_entry_and_a_dot_mean_the_working_folder_once(tmp_path: Path) -> None:
    (a,) = folders(tmp_path, "a")

    assert chosen("", a, ".", cwd=tmp_path) == [str(tmp_path), a]


def test_a_relative_entry_is_made_absolute(tmp_path: Path) -> None:
    (a,) = folders(tmp_path, "a")

    assert chosen("a", cwd=tmp_path) == [a]


def test_what_every_python_here_has_is_left_out(tmp_path: Path) -> None:
    own = folders(tmp_path, "lib/site-packages", "lib/dist-packages", "stdlib/lib-dynload")

    assert engine_path(own, cwd=str(tmp_path), stdlib=str(tmp_path / "stdlib")) == []


def test_what_is_no_folder_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "modules.zip").touch()

    assert chosen(str(tmp_path / "modules.zip"), str(tmp_path / "gone"), cwd=tmp_path) == []
