"""What engines do for the magics."""


def complete_here(code: str, cursor: int) -> tuple[int, list[str]]:
    """Return what could stand at a place in code, by the names of this process's IPython.

    Parameters
    ----------
    code
        The code.
    cursor
        The place.

    Returns
    -------
    Where what is completed begins, and what could stand there instead.
    """
    from IPython.core.completer import provisionalcompleter, rectify_completions
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or shell.Completer is None:
        return cursor, []
    with provisionalcompleter():
        found = list(rectify_completions(code, shell.Completer.completions(code, cursor)))
    begin = found[0].start if found else cursor
    return begin, [completion.text for completion in found]
