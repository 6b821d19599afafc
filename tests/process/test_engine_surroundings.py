import os
import random
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.display.frontend import shell
from tests.support.waiting import wait_until


class TestTheWorkingFolder:
    NAMES = ("random.py", "queue.py", "tokenize.py", "socket.py", "code.py", "token.py")

    def test_hides_no_module_of_the_standard_library(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in self.NAMES:
            (tmp_path / name).write_text("raise RuntimeError('the wrong module')")
        (tmp_path / "mine.py").write_text("answer = 42")
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))

        with ipp.Cluster(n=1) as client:
            assert client[0].apply_sync(import_all, [*self.NAMES, "mine.py"]) == str(tmp_path)

    def test_that_is_gone_is_no_obstacle_to_engines_that_come_back(self, tmp_path: Path) -> None:
        folder = tmp_path / "gone"
        folder.mkdir()
        with ipp.Cluster(n=1, cwd=str(folder)) as client:
            before = client[0].apply_sync(os.getpid)
            folder.rmdir()
            client.restart_engines(0)

            wait_until(lambda: client[0].apply_async(os.getpid).get(10) != before)


def import_all(files: list[str]) -> str:
    """Import modules by their files' names; return the working folder."""
    import importlib

    for file in files:
        importlib.import_module(file.removesuffix(".py"))
    return str(Path.cwd())


class TestEachEngine:
    def test_has_its_own_chance(self) -> None:
        with ipp.Cluster(n=4) as client:
            assert len(set(client[:].apply_sync(draw))) == 4

    def test_is_no_notebook_that_could_show_widgets(self) -> None:
        with ipp.Cluster(n=1) as client:
            assert client[0].apply_sync(lambda: shell() is None)


def draw() -> tuple[float, float]:
    """Draw from both generators that people use unseeded."""
    import numpy as np

    return random.random(), float(np.random.rand())
