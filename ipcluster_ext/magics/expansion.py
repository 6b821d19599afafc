"""Which lines of ``%px`` are filled in: those that IPython's notation was meant in.

IPython's magics replace ``$name`` and ``{expression}`` by values of the notebook. In Python code
most braces are Python's own: in ``{1: 2}``, which the replacement would make ``2``, or in
``f"{x}"``, which asks for the engine's ``x``.
"""

import ast

_MARKS = frozenset("${")


def is_to_be_filled_in(line: str) -> bool:
    """Tell whether a line asks for values of the notebook.

    Parameters
    ----------
    line
        What follows ``%px``.

    Returns
    -------
    True if it is no Python as it stands (as with ``$name``), if it has the set of a single value
    (``{name}``), or such a notation in a plain string; False if all its braces are Python's.
    """
    if not _MARKS & set(line):
        return False
    try:
        tree = ast.parse(line)
    except (SyntaxError, ValueError):  # ValueError: a null byte
        return True
    return any(map(_asks, _outside_of_f_strings(tree)))


def _asks(node: ast.AST) -> bool:
    if isinstance(node, ast.Set):
        return len(node.elts) == 1 and not isinstance(node.elts[0], ast.Starred | ast.Constant)
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and not _MARKS.isdisjoint(node.value)
    )


def _outside_of_f_strings(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.JoinedStr):
        return []
    found = [node]
    for child in ast.iter_child_nodes(node):
        found += _outside_of_f_strings(child)
    return found
