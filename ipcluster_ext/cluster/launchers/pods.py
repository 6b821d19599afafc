"""What a pod for an agent is like, and what Kubernetes says of it: dictionaries only (pure)."""

from collections.abc import Mapping, Sequence
from typing import Any

from ipcluster_ext.cluster.launchers.jobs import Sight

LABEL = "ipcluster-ext/cluster"
"""The label by which the pods of a cluster are found."""
FOLDER = "/etc/ipcluster-ext"
"""Where a pod finds its secret."""
CONFIG = "agent.json"
_CONTAINER = "agent"
_START = (
    'umask 077; d=$(mktemp -d) && cat "$0" > "$d/agent.json" && exec "$@" --config "$d/agent.json"'
)
"""An agent reads its keys from a file of its own only; a mounted one is the system's."""
_STUCK = {
    "ErrImagePull": "its image cannot be had",
    "ImagePullBackOff": "its image cannot be had",
    "InvalidImageName": "its image cannot be called so",
    "ErrImageNeverPull": "its image is not there, and may not be fetched",
    "CreateContainerConfigError": "its container cannot be made",
    "CreateContainerError": "its container cannot be made",
    "RunContainerError": "its container cannot be started",
}
_SIGNALLED = 128


def manifest(
    name: str,
    *,
    cluster: str,
    secret: str,
    image: str,
    agent: Sequence[str],
    resources: Mapping[str, str],
    more: Mapping[str, Any],
    environment: Mapping[str, str],
) -> dict[str, Any]:
    """Return what to tell Kubernetes about a pod with an agent.

    Parameters
    ----------
    name, cluster, secret
        What the pod, its cluster and the secret with its keys are called.
    image
        With Python and this package.
    agent
        The arguments that start an agent, without its configuration.
    resources
        What the container needs, and may not exceed.
    more
        What is to be otherwise, or besides: merged into the pod.
    environment
        Variables for the agent.
    """
    container = {
        "name": _CONTAINER,
        "image": image,
        "command": ["/bin/sh", "-c", _START, f"{FOLDER}/{CONFIG}", *agent],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "resources": {"requests": dict(resources), "limits": dict(resources)},
        "volumeMounts": [{"name": "keys", "mountPath": FOLDER, "readOnly": True}],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/name": "ipcluster-ext", LABEL: cluster},
        },
        "spec": {
            "restartPolicy": "Never",
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "containers": [container],
            "volumes": [{"name": "keys", "secret": {"secretName": secret}}],
        },
    }
    return merged(pod, more)


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree with another laid over it.

    Tables are merged, and so are lists of tables that have names; what else there is replaces.
    """
    result = dict(base)
    for key, value in more.items():
        before = result.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[key] = merged(before, value)
        elif isinstance(before, list) and _named(before) and _named(value):
            result[key] = _merged_by_name(before, value)
        else:
            result[key] = value
    return result


def _named(value: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(value, list) and all(
        isinstance(each, Mapping) and "name" in each for each in value
    )


def _merged_by_name(
    before: Sequence[Mapping[str, Any]], more: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    given = {each["name"]: each for each in more}
    kept = [merged(each, given.pop(each["name"], {})) for each in before]
    return [*kept, *given.values()]


def sight(pod: Mapping[str, Any]) -> Sight:
    """Return how a pod fares.

    Parameters
    ----------
    pod
        As the API has it.
    """
    status = pod.get("status") or {}
    phase = status.get("phase", "Pending")
    states = [each.get("state") or {} for each in status.get("containerStatuses") or []]
    if phase == "Pending":
        return _waiting(status, states)
    if phase == "Running":
        node = (pod.get("spec") or {}).get("nodeName", "")
        return Sight("runs", f"runs on {node}" if node else "runs")
    if phase in {"Succeeded", "Failed"}:
        return _ended(status, states)
    return Sight("runs", "is on a node that cannot be reached")


def _waiting(status: Mapping[str, Any], states: Sequence[Mapping[str, Any]]) -> Sight:
    for state in states:
        waiting = state.get("waiting") or {}
        if (reason := waiting.get("reason", "")) in _STUCK:
            said = waiting.get("message") or reason
            return Sight("waits", f"cannot begin: {_STUCK[reason]} ({said})")
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            said = condition.get("message") or condition.get("reason", "")
            return Sight("waits", f"waits for a node ({said})" if said else "waits for a node")
    return Sight("waits", "is being started")


def _ended(status: Mapping[str, Any], states: Sequence[Mapping[str, Any]]) -> Sight:
    ends = [state["terminated"] for state in states if state.get("terminated")]
    end = ends[0] if ends else {}
    code = end.get("exitCode")
    why = status.get("message") or status.get("reason") or end.get("message")
    if end.get("reason") == "OOMKilled":
        why = "it used more memory than it may"
    if code == 0:
        return Sight("ended", "has ended", 0)
    known = None if code is None else (_SIGNALLED - code if code > _SIGNALLED else code)
    told = "has ended" if code is None else f"has ended with exit code {code}"
    return Sight("ended", f"{told} ({why})" if why else told, known)
