import sys

import pytest

from ipcluster_ext.transport.processes import name_of_this


@pytest.mark.parametrize(
    ("notebook", "script", "name"),
    [
        ("/home/me/study.ipynb", "/env/ipykernel_launcher.py", "study.ipynb"),
        ("", "/home/me/fit.py", "fit.py"),
        ("", "/env/site-packages/survey/__main__.py", "survey"),
        ("", "-c", "-c"),
        ("", "", "python"),
    ],
)
def test_a_process_is_called_after_its_notebook_or_what_it_runs(
    monkeypatch: pytest.MonkeyPatch, notebook: str, script: str, name: str
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", notebook)
    monkeypatch.setattr(sys, "argv", [script])

    assert name_of_this() == name
