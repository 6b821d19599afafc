"""What a batch job's script says, and that nothing in it is more than it seems (pure).

A template is text with ``@{name}`` where values go; everything else stays as it is. Values are
quoted for the shell where the shell reads them, and checked where a batch system does.
"""

import re
import shlex
from collections.abc import Mapping

from ipcluster_ext.cluster.launchers.contract import WrongOption

_PLACE = re.compile(r"@\{([^}]*)\}")
_WORD = re.compile(r"[A-Za-z0-9_.@+%/][A-Za-z0-9_.,:@+=%/-]{0,254}")
_PATH = re.compile(r"/[A-Za-z0-9_.,@+=/-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TIME = re.compile(r"(?:(?P<d>\d{1,4})-)?(?P<h>\d{1,5}):(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?")
_MEMORY = re.compile(r"(\d{1,9})([MGT])i?B?")
_MEBIBYTES = {"M": 1, "G": 1024, "T": 1024 * 1024}
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60

SCRIPT = """\
#!/bin/bash
@{directives}
# Engines of ipcluster_ext's cluster @{cluster}: @{agents} x @{engines}.
umask 077
@{environment}
@{prologue}
(trap '' XCPU USR1 USR2; exec @{command}) &
agent=$! told=
# Whatever announces the end of this job, the agent shall end its engines in good order; some
# systems announce it to all processes at once, by signals that would be the end of them.
for signal in TERM INT XCPU USR1 USR2; do
  trap "told=$signal; kill -TERM $agent 2>/dev/null" "$signal"
done
wait "$agent"; code=$?
while kill -0 "$agent" 2>/dev/null; do wait "$agent"; code=$?; done
echo "$code $told" > @{code}
exit "$code"
"""


def fill(template: str, values: Mapping[str, str], *, source: str) -> str:
    """Put values into a template.

    Parameters
    ----------
    template
        Text with ``@{name}`` in it.
    values
        What to put there.
    source
        Whose template it is, for the error.

    Raises
    ------
    WrongOption
        It asks for something unknown, or leaves out ``@{command}``.
    """
    for name in _PLACE.findall(template):
        if name not in values:
            known = ", ".join(f"@{{{each}}}" for each in sorted(values))
            msg = f"{source} has no value for @{{{name}}} in its template; there are {known}"
            raise WrongOption(msg, "template")
    if "@{command}" not in template:
        msg = f"the template of {source} has to contain @{{command}}, which starts the engines"
        raise WrongOption(msg, "template")
    return _PLACE.sub(lambda place: values[place[1]], template)


def exports(environment: Mapping[str, str]) -> str:
    """Return the lines of a shell that set variables.

    Raises
    ------
    WrongOption
        A name cannot be a variable's, or a value cannot be one.
    """
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            msg = f"environment: {name!r} with the value {value!r} cannot be set by a shell"
            raise WrongOption(msg, "environment")
    return "\n".join(f"export {name}={shlex.quote(environment[name])}" for name in environment)


def word(value: str, *, option: str) -> str:
    """Return a value that a batch system takes for one word, and no shell for more.

    Raises
    ------
    WrongOption
        It is none.
    """
    if not _WORD.fullmatch(value):
        msg = (
            f"{option} = {value!r} cannot be: use letters, digits and any of _ . , : @ + = % / -, "
            "and do not begin with '-'"
        )
        raise WrongOption(msg, option)
    return value


def line(value: str, *, option: str) -> str:
    """Return a value that is one line of printable characters.

    Raises
    ------
    WrongOption
        It is not.
    """
    if not value.isprintable() or not value.strip():
        msg = f"{option}: {value!r} has to be one line of printable characters"
        raise WrongOption(msg, option)
    return value


def path(value: str) -> str:
    """Return a path that neither a shell nor a batch system takes for anything else.

    Raises
    ------
    WrongOption
        It has other characters in it.
    """
    if not _PATH.fullmatch(value):
        msg = (
            f"jobs cannot have their files in {value!r}, which has unusual characters in it; "
            "name another folder as 'folder'"
        )
        raise WrongOption(msg, "folder")
    return value


def seconds(time: str) -> int:
    """Read ``"[days-]hours:minutes[:seconds]"``.

    Raises
    ------
    WrongOption
        It is something else, or nothing at all.
    """
    found = _TIME.fullmatch(time)
    parts = {name: int(text or 0) for name, text in (found.groupdict() if found else {}).items()}
    span = sum(parts.get(key, 0) * of for key, of in zip("dhms", _SPANS, strict=True))
    if not span:
        msg = f"time = {time!r} has to be like '8:00', '1:30:00' or '2-12:00:00': hours first"
        raise WrongOption(msg, "time")
    return span


_SPANS = (_DAY, _HOUR, _MINUTE, 1)


def clock(span: int) -> str:
    """Write so many seconds as ``"HH:MM:SS"``."""
    return f"{span // _HOUR:02}:{span % _HOUR // _MINUTE:02}:{span % _MINUTE:02}"


def mebibytes(memory: str) -> int:
    """Read ``"800M"``, ``"8G"`` or ``"1T"``.

    Raises
    ------
    WrongOption
        It is something else.
    """
    found = _MEMORY.fullmatch(memory)
    if found is None or not int(found[1]):
        msg = f"memory = {memory!r} has to be like '800M', '8G' or '1T'"
        raise WrongOption(msg, "memory")
    return int(found[1]) * _MEBIBYTES[found[2]]
