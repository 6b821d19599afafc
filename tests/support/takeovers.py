"""A hub that is killed, and the one that follows it."""

import signal

import psutil

import ipcluster_ext as ipp
from tests.support.waiting import wait_until

_PATIENCE = 60.0


def hub_of(client: ipp.Client) -> psutil.Process:
    """Return the hub's process, of which the client may not have heard yet."""
    agent = psutil.Process(client.cluster.agent_pid if client.cluster else 0)
    found: list[psutil.Process] = []

    def is_there() -> bool:
        found[:] = [p for p in agent.children() if is_hub(p)]
        return bool(found)

    wait_until(is_there)
    return found[0]


def is_hub(process: psutil.Process) -> bool:
    """Tell whether a process, which may have ended by now, is a hub."""
    try:
        return "ipcluster_ext.hub" in process.cmdline()
    except psutil.Error:
        return False


def kill_hub(client: ipp.Client) -> int:
    """Kill the hub, wait for its end, and return which process it was."""
    hub = hub_of(client)
    hub.send_signal(signal.SIGKILL)
    hub.wait(_PATIENCE)
    return hub.pid


def wait_for_another(client: ipp.Client, before: int) -> None:
    """Wait until a client knows the next hub."""
    wait_until(lambda: client.hub_pid != before, _PATIENCE)
