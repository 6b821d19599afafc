"""Planted bugs: a module is imported with one piece of its text replaced by another."""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[2] / "ipcluster_ext"


class Mutant(NamedTuple):
    """A planted bug.

    Attributes
    ----------
    file
        In which file of the package.
    old, new
        The text, which is there once, and what it becomes.
    seed
        A seed that finds it.
    """

    name: str
    file: str
    old: str
    new: str
    seed: int | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return PACKAGE / self.file

    def text(self) -> str:
        """Return the changed text of the file.

        Raises
        ------
        LookupError
            The old text is not there, or not once: the mutant has to be kept up to date.
        """
        text = self.path.read_text()
        if text.count(self.old) != 1:
            msg = f"mutant {self.name}: its text is {text.count(self.old)} times in {self.file}"
            raise LookupError(msg)
        return text.replace(self.old, self.new)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, mutant: Mutant) -> None:
        super().__init__(name, str(mutant.path))
        self._text = mutant.text()

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        parts = Path("ipcluster_ext", mutant.file).with_suffix("").parts
        self._name = ".".join(parts)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != self._name:
            return None
        loader = _Loader(fullname, self._mutant)
        return importlib.util.spec_from_file_location(fullname, loader.path, loader=loader)


def plant(mutant: Mutant) -> None:
    """Have this process import the changed module; it must not have been imported yet."""
    finder = _Finder(mutant)
    assert finder._name not in sys.modules  # noqa: SLF001
    sys.meta_path.insert(0, finder)
