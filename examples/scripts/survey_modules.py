"""Read Python modules and measure them: what `stdlib_survey.py` has its engines do.

Nothing here knows of a cluster. Engines import this file, as they import any module that lies
where the script's own imports are found.
"""

import ast
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FUNCTIONS = {ast.FunctionDef, ast.AsyncFunctionDef}
SCOPES = {*FUNCTIONS, ast.ClassDef}
LOOPS = {ast.For, ast.AsyncFor, ast.While}
BLOCKS = {*SCOPES, *LOOPS, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.Match}
BRANCHES = {*LOOPS, ast.If, ast.IfExp, ast.ExceptHandler, ast.comprehension, ast.match_case}
TEST_FOLDERS = frozenset({"test", "tests", "idle_test"})


@dataclass(frozen=True)
class Figures:
    """What a module measures.

    Attributes
    ----------
    module, package
        Its dotted name, and the first part of that.
    lines, functions, classes
        How many it has.
    nesting
        How many blocks (functions, loops, conditions, ...) its deepest statement is in.
    complexity
        Its functions' complexities after McCabe, added up: one for each, and one for each branch.
    hardest, hardest_complexity
        The function that is the most complex, and how complex that one is.
    """

    module: str
    package: str
    lines: int
    functions: int
    classes: int
    nesting: int
    complexity: int
    hardest: str
    hardest_complexity: int

    @property
    def is_test(self) -> bool:
        """Whether it is part of a test suite."""
        return not TEST_FOLDERS.isdisjoint(self.module.split("."))


def library_files() -> list[Path]:
    """Return the files of the standard library, the largest first.

    Whoever is free takes the next one; with the small ones at the end, all finish together.
    """
    root = Path(sysconfig.get_path("stdlib"))
    files = [
        path
        for path in root.rglob("*.py")
        if not {"site-packages", "dist-packages"} & set(path.parts)
    ]
    return sorted(files, key=lambda path: path.stat().st_size, reverse=True)


def measure(path: Path) -> Figures:
    """Measure a module of the standard library.

    Raises
    ------
    SyntaxError
        It is not Python; the library's tests contain such files on purpose.
    """
    parts = path.relative_to(sysconfig.get_path("stdlib")).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return measure_source(path.read_bytes(), name)


def measure_source(source: bytes, module: str) -> Figures:
    """Measure a module, given its text; a `SyntaxError` says that it is not Python."""
    kinds: Counter[type] = Counter()
    complexity: Counter[str] = Counter()
    nesting = 0
    for node, depth, function in _walk(_parse(source, module)):
        kinds[type(node)] += 1
        complexity[function] += _branches(node)
        nesting = max(nesting, depth)
    hardest, worst = max(complexity.items(), key=lambda entry: entry[1])
    return Figures(
        module=module,
        package=module.partition(".")[0],
        lines=source.count(b"\n"),
        functions=sum(kinds[kind] for kind in FUNCTIONS),
        classes=kinds[ast.ClassDef],
        nesting=nesting,
        complexity=complexity.total(),
        hardest=hardest,
        hardest_complexity=worst,
    )


def _parse(source: bytes, module: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old code warns of its odd string escapes
        return ast.parse(source, filename=module)


def _walk(tree: ast.Module) -> Iterator[tuple[ast.AST, int, str]]:
    """Yield each node, the number of blocks that it is in, and the function that it is in."""
    stack: list[tuple[ast.AST, int, str]] = [(tree, 0, "")]
    while stack:
        node, depth, scope = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            scope = f"{scope}.{node.name}".lstrip(".")
        yield node, depth, scope
        inside = depth + (type(node) in BLOCKS)
        for child in ast.iter_child_nodes(node):
            is_elif = isinstance(node, ast.If) and [child] == node.orelse
            stack.append((child, depth if is_elif else inside, scope))


def _branches(node: ast.AST) -> int:
    """Return by how much a node makes its function more complex; a function begins with one."""
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    return type(node) in BRANCHES or type(node) in FUNCTIONS
