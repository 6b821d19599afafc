"""What ``ssh`` is told, and what its end means: words only, nothing is started here."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from ipcluster_ext.cluster.launchers.contract import Options, WrongOption

OWN_FAILURE, NO_PROGRAM, NOT_EXECUTABLE = 255, 127, 126
"""Exit codes: of ``ssh`` itself, and of a shell that finds or starts no program."""

_HOST = re.compile(r"(?:[A-Za-z0-9_.][\w.-]*@)?[A-Za-z0-9_.:\[][\w.:%\]-]*", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Host(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A host on which engines are to run.

    Attributes
    ----------
    host
        Its name, as one tells it ``ssh``: ``"n1"``, ``"ann@n1"``, or what stands in its
        configuration.
    n
        How many engines; a part of those that are asked for in all, if not given.
    python
        The Python there; that of the launcher's options if empty.
    cwd
        The engines' working folder there; as elsewhere if empty.
    environment
        Variables to set there, beside those for all hosts.
    """

    host: str
    n: int | None = None
    python: str = ""
    cwd: str = ""
    environment: dict[str, str] = {}


class SshOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the launcher ``ssh`` can be told.

    Attributes
    ----------
    hosts
        Where engines are to run: ``"n1"``, ``"n1:4"`` for four of them, ``"ann@n1:4"``; or a table
        each, as ``{host = "n1", n = 4, python = "…", cwd = "…", environment = {…}}``.
    cwd
        The engines' working folder on all of them; this host's if not given. Where it is not
        there, they work in the user's home.
    tunnel
        Whether the connection to the hub goes through ``ssh``, too: ``"never"``, ``"always"``, or
        where a host cannot reach it otherwise.
    connect_timeout
        How long a host may take to answer, in seconds.
    config
        Another configuration file of ``ssh``, its ``-F``.
    port
        Where the hosts listen for it, its ``-p``; 22, or what its configuration says, if 0.
    user
        Who one is there, its ``-l``; as here, or as its configuration says, if empty.
    identity
        The file with the private key, its ``-i``.
    jump
        Through which host the way leads, its ``-J``.
    arguments
        Further arguments of it.
    program
        The program itself.
    """

    hosts: list[str | Host] = msgspec.field(default_factory=list)
    cwd: str = ""
    tunnel: Literal["auto", "always", "never"] = "auto"
    connect_timeout: int = 10
    config: str = ""
    port: int = 0
    user: str = ""
    identity: str = ""
    jump: str = ""
    arguments: list[str] = msgspec.field(default_factory=list)
    program: str = "ssh"


class Tunnel(NamedTuple):
    """A way for the far host to the hub, through ``ssh``.

    Attributes
    ----------
    port
        Where it begins, on that host's own ``127.0.0.1``, for clients; that for engines is next.
    doors
        Where it ends, as seen from here: an address, and a port for either.
    """

    port: int
    doors: tuple[str, int, int]

    @property
    def ports(self) -> tuple[int, int]:
        """Where it begins, for clients and for engines."""
        return self.port, self.port + 1


class Verdict(NamedTuple):
    """Why a connection ended: for people, and whether another would fare no better."""

    reason: str
    hopeless: bool


# ------------------------------------------------------------ hosts


def hosts_of(given: Sequence[str | Host]) -> list[Host]:
    """Return the hosts that are named, each in its long form.

    Raises
    ------
    WrongOption
        There is none, one is named twice, or something cannot be a host's name or number.
    """
    hosts = [_host(each) for each in given]
    if not hosts:
        msg = 'launcher "ssh" needs hosts, as in hosts = ["n1", "n2:4"]'
        raise WrongOption(msg, "hosts")
    names = [host.host for host in hosts]
    for name in names:
        if names.count(name) > 1:
            msg = f"host {name!r} is named {names.count(name)} times; name it once, with a number"
            raise WrongOption(msg, "hosts")
    return hosts


def _host(given: str | Host) -> Host:
    host = given
    if isinstance(host, str):
        name, colon, number = host.rpartition(":")
        if colon and (not number.isdecimal() or ":" in name):
            msg = f"{host!r} is no host; write 'name' or 'user@name', and ':4' for four engines"
            raise WrongOption(msg, "hosts")
        host = Host(host=name, n=int(number)) if colon else Host(host=number)
    if not _HOST.fullmatch(host.host):
        msg = f"{host.host!r} cannot be a host's name"
        raise WrongOption(msg, "hosts")
    if host.n is not None and host.n < 1:
        msg = f"host {host.host!r} cannot have {host.n} engines; leave it out"
        raise WrongOption(msg, "hosts")
    for name, value in host.environment.items():
        check_variable(name, value)
    return host


def check_variable(name: str, value: str) -> None:
    """Refuse what cannot be set in an environment.

    Raises
    ------
    WrongOption
        Says what.
    """
    if not _VARIABLE.fullmatch(name):
        msg = f"{name!r} cannot be the name of an environment variable"
        raise WrongOption(msg, "environment")
    if "\0" in value or "\n" in value:
        msg = f"environment variable {name!r} cannot have lines or NUL in it"
        raise WrongOption(msg, "environment")


def shares(hosts: Sequence[Host], count: int) -> list[int]:
    """Share engines among hosts: those with a number get it, the rest is spread evenly.

    Parameters
    ----------
    hosts
        The hosts.
    count
        How many engines in all.

    Raises
    ------
    WrongOption
        There are more numbers than engines, or more engines than places.
    """
    fixed = sum(host.n or 0 for host in hosts)
    free = [place for place, host in enumerate(hosts) if host.n is None]
    left = count - fixed
    if left < 0 or (left and not free):
        msg = f"{count} engines are asked for, and the hosts' own numbers make {fixed}"
        raise WrongOption(msg, "hosts")
    each, more = divmod(left, len(free)) if free else (0, 0)
    spread = {place: each + (number < more) for number, place in enumerate(free)}
    return [spread[place] if host.n is None else host.n for place, host in enumerate(hosts)]


def total(hosts: Sequence[Host], *, each: int) -> int:
    """Return how many engines there are if nobody says so: ``each`` where no number stands."""
    return sum(each if host.n is None else host.n for host in hosts)


# ------------------------------------------------------------ arguments


def arguments(options: SshOptions, host: str, command: str, tunnel: Tunnel | None) -> list[str]:
    """Return the arguments with which ``ssh`` is started, its own name first.

    What the user says comes first: of two settings ``ssh`` heeds the first.

    Parameters
    ----------
    options
        What the launcher was told.
    host
        Where to go.
    command
        What to run there, quoted for a shell.
    tunnel
        The way back for the hub, None for none.
    """
    said = _chosen(options)
    settings = {
        "BatchMode": "yes",
        "ConnectTimeout": str(options.connect_timeout),
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
        "ClearAllForwardings": "yes",
    }
    if tunnel is not None:
        del settings["ClearAllForwardings"]
        settings["ExitOnForwardFailure"] = "yes"
    for name, value in settings.items():
        said += ["-o", f"{name}={value}"]
    if tunnel is not None:
        address, *ports = tunnel.doors
        for begin, end in zip(tunnel.ports, ports, strict=True):
            said += ["-R", f"127.0.0.1:{begin}:{address}:{end}"]
    return [*said, "-T", "-x", "--", host, command]


def question(options: SshOptions, host: str) -> list[str]:
    """Return the arguments with which ``ssh`` says what it would do to reach a host."""
    return [*_chosen(options), "-G", "--", host]


def _chosen(options: SshOptions) -> list[str]:
    """Return the program, and what the user wants it told."""
    said = [options.program]
    for flag, value in (
        ("-F", options.config),
        ("-p", str(options.port) if options.port else ""),
        ("-l", options.user),
        ("-i", options.identity),
        ("-J", options.jump),
    ):
        said += [flag, value] if value else []
    return [*said, *options.arguments]


class Route(NamedTuple):
    """How ``ssh`` reaches a host.

    Attributes
    ----------
    name
        The host's name or address, as the system knows it.
    direct
        Whether it connects there itself, and not by way of another host or program.
    """

    name: str
    direct: bool


def route(said: str, host: str) -> Route:
    """Read how a host is reached.

    Parameters
    ----------
    said
        What ``ssh`` answered to `question`; nothing if it did not.
    host
        The host, as the user calls it.
    """
    known = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
    proxies = (known.get(key, "none") for key in ("proxyjump", "proxycommand"))
    name = known.get("hostname") or host.rpartition("@")[2]
    return Route(name, all(proxy == "none" for proxy in proxies))


def command_line(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """Write a command for the shell of the other host, which splits it into words again."""
    variables = [f"{name}={value}" for name, value in environment.items()]
    words = ["exec", *(["env", *variables] if variables else []), *argv]
    return " ".join(_word(word) for word in words)


def _word(word: str) -> str:
    """Quote a word; a ``~/`` that it begins with still means the home of that host's user."""
    return f"~/{shlex.quote(word[2:])}" if word.startswith("~/") else shlex.quote(word)


# ------------------------------------------------------------ ends


def verdict(*, host: str, python: str, code: int, said: str, up: bool) -> Verdict:
    """Say why a connection ended.

    Parameters
    ----------
    host
        Which host.
    python
        The Python that was to run there.
    code
        The exit code of ``ssh``.
    said
        What ``ssh`` and the agent wrote.
    up
        Whether the agent had met the hub.
    """
    last = said.strip().rpartition("\n")[2]
    if up:
        return Verdict(f"the connection ended: {_ended(code, last)}", hopeless=False)
    if code == OWN_FAILURE:
        return _refusal(host, said, last)
    if code == NO_PROGRAM:
        reason = f"there is no Python {python!r} there; python= of the launcher names another"
        return Verdict(reason, hopeless=True)
    if code == NOT_EXECUTABLE:
        return Verdict(f"{python!r} there cannot be executed ({last})", hopeless=True)
    if "No module named" in said and "ipcluster_ext" in said:
        reason = (
            f"Python {python!r} there has no package ipcluster_ext; install it: "
            f"ssh {host} {shlex.quote(python)} -m pip install ipcluster-ext"
        )
        return Verdict(reason, hopeless=True)
    return Verdict(f"the agent ended: {_ended(code, last)}", "refused this agent" in said)


_REFUSALS: tuple[tuple[str, str, bool], ...] = (
    (
        "host key verification failed",
        (
            "its host key is not known here, or is not the one that is known; connect once by "
            "hand (ssh {host}), or correct the file known_hosts"
        ),
        True,
    ),
    (
        "permission denied",
        (
            "it does not let this user in without a password ({last}); 'ssh -o BatchMode=yes "
            "{host} true' has to succeed: see ssh-copy-id and ssh-agent"
        ),
        True,
    ),
    ("could not resolve hostname", "there is no host of that name ({last})", False),
    ("forwarding failed", "the tunnel cannot be opened there ({last})", False),
)


def _refusal(host: str, said: str, last: str) -> Verdict:
    """Say why ``ssh`` did not come as far as to a shell there."""
    lowered = said.lower()
    for sign, reason, hopeless in _REFUSALS:
        if sign in lowered:
            return Verdict(reason.format(host=host, last=last), hopeless)
    return Verdict(f"it cannot be reached ({last or 'ssh says nothing'})", hopeless=False)


def _ended(code: int, last: str) -> str:
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    return f"{how} ({last})" if last else how
