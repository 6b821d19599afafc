"""Which way leads to hosts that ssh reaches: asked of ``ssh`` itself, and of the system."""

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ipcluster_ext.cluster.launchers.contract import Origins
from ipcluster_ext.cluster.launchers.lookups import AT_ONCE, addresses
from ipcluster_ext.cluster.launchers.sshwords import SshOptions, question, route

ANSWERS_WITHIN = 5.0
"""How long ``ssh`` may take to say what it would do, in seconds; it asks nobody for that."""


def origins_of(options: SshOptions, hosts: Sequence[str]) -> Origins:
    """Return from where the agents of hosts come.

    With a tunnel they come through ``ssh``, and so from this host. Those that are reached by way
    of another host, and that the system has no address of, may come from anywhere.

    Parameters
    ----------
    options
        What ``ssh`` is told.
    hosts
        The hosts, as the user calls them.
    """
    if options.tunnel == "always":
        return Origins(dict.fromkeys(hosts, "127.0.0.1"))
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        routes = list(pool.map(lambda host: route(_answer(options, host), host), hosts))
    known = dict(zip(hosts, addresses([each.name for each in routes]), strict=True))
    asked = zip(hosts, routes, strict=True)
    hidden = [host for host, each in asked if not each.direct and not known[host]]
    for host in hidden:
        del known[host]
    return Origins(known, ", ".join(hidden))


def _answer(options: SshOptions, host: str) -> str:
    """Return what ``ssh`` would do to reach a host, nothing if it does not say."""
    try:
        asked = subprocess.run(
            question(options, host),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWERS_WITHIN,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if asked.returncode else asked.stdout
