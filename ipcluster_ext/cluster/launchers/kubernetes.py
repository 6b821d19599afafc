"""Engines in pods of Kubernetes, one for each agent; needs the package ``kubernetes``.

No Kubernetes can be had where this is developed: tested against a small server that speaks the
few calls of its API that are made here.
"""

import base64
import json
import logging
import re
import secrets
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta, field

from ipcluster_ext.cluster.launchers import contract, jobscript, pods
from ipcluster_ext.cluster.launchers.contract import Launcher, Order, Process, Scripted, WrongOption
from ipcluster_ext.cluster.launchers.jobs import SUBMITTED, Cadence, Sight
from ipcluster_ext.cluster.launchers.kubeapi import call, connect
from ipcluster_ext.cluster.launchers.local import UNKNOWN_CODE
from ipcluster_ext.errors import ClusterError

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_LINES = 100
_CANCELLED = Sight("ended", "was deleted")

log = logging.getLogger(__name__)


class KubernetesOptions(contract.Options, frozen=True):
    """What the Kubernetes launcher can be told.

    Attributes
    ----------
    image
        The image of the pods: with Python, and this package in the same version.
    python
        The Python of that image.
    environment
        Variables for the agents there.
    namespace
        Where to make the pods; that of the context, or of the pod that this runs in, if empty.
    context
        Which of the contexts in the kubeconfig to use; its current one if empty.
    engines_per_agent
        How many engines share a pod.
    cpus_per_engine
        How many processors each engine needs.
    memory
        How much each pod needs, and may use: ``"8G"``.
    gpus
        How many GPUs each pod needs, as ``gpu_resource``.
    gpu_resource
        What Kubernetes calls a GPU.
    time
        How long a pod may stay: ``"[days-]hours:minutes[:seconds]"``.
    manifest
        What is to be otherwise in each pod, or besides: merged into its manifest. The container is
        called ``agent``.
    timeout
        How long a call of the API may take, in seconds.
    look_every
        How often to ask how the pods fare, in seconds, once they have been there for a while.
    """

    image: str = ""
    python: str = "python3"
    namespace: str = ""
    context: str = ""
    engines_per_agent: Annotated[int, Meta(ge=1)] = 1
    cpus_per_engine: Annotated[float, Meta(gt=0.0)] = 1.0
    memory: str = ""
    gpus: Annotated[int, Meta(ge=0)] = 0
    gpu_resource: str = "nvidia.com/gpu"
    time: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)
    timeout: Annotated[float, Meta(gt=0.0)] = 30.0
    look_every: Annotated[float, Meta(ge=1.0)] = 5.0


class KubernetesLauncher(Scripted, Launcher):
    """Engines in pods of Kubernetes."""

    Options = KubernetesOptions
    EXAMPLE: ClassVar[str] = """\
description = "Engines in pods of Kubernetes"
launcher = "kubernetes"
n = 8

[launcher_options]
image = "registry.example.org/science/python:latest"  # with this package
engines_per_agent = 4       # engines that share a pod
memory = "8G"               # for each pod
# namespace = "jupyter"
# cpus_per_engine = 1.0
# gpus = 1                  # for each pod
# time = "8:00:00"          # hours first

# [launcher_options.manifest.spec]   # merged into each pod
# serviceAccountName = "engines"
# nodeSelector = { pool = "batch" }
"""

    def __init__(self, options: Any, order: Order) -> None:  # noqa: ANN401 - of `Options`
        super().__init__(options, order)
        self._opened: tuple[CoreV1Api, str] | None = None
        self._pods: dict[str, Pod] = {}
        self._cadence = Cadence(options.look_every)

    def start(self, count: int) -> list[Process]:
        """Make a pod for every few engines.

        Raises
        ------
        ClusterError
            Kubernetes refuses them or does not answer, or an option is wrong; nothing of this
            call stays behind.
        """
        each = self.options.engines_per_agent
        whole, rest = divmod(count, each)
        started: list[Pod] = []
        try:
            for agents, engines in ((whole, each), (1 if rest else 0, rest)):
                if agents:
                    self._make(agents, engines, started)
        except ClusterError:
            for pod in started:
                pod.terminate()
            raise
        return list(started)

    def script(self, count: int) -> str:
        """Return the manifest of a pod, for people to look at."""
        engines = min(count, self.options.engines_per_agent)
        return json.dumps(self._manifest("ipx-pod", "ipx-keys", engines), indent=2)

    def resume(self, kept: dict[str, Any]) -> Process | None:
        """Take hold of a pod that another launcher has made; None if it is gone."""
        api, namespace = self.api()
        name = kept["pod"]
        if call(lambda: api.read_namespaced_pod(name, namespace, **self.patience)) is None:
            return None
        self._pods[name] = Pod(self, name, secret=kept["secret"], count=kept["count"])
        return self._pods[name]

    def check(self) -> list[str]:
        """Return what is missing: the package, a way to Kubernetes, an image."""
        try:
            api, namespace = self.api()
            self.script(1)
            call(lambda: api.list_namespaced_pod(namespace, limit=1, **self.patience))
        except ClusterError as error:
            return [str(error)]
        return []

    # ------------------------------------------------------------ the API

    @property
    def patience(self) -> dict[str, float]:
        """What bounds a call of the API."""
        return {"_request_timeout": self.options.timeout}

    def api(self) -> "tuple[CoreV1Api, str]":
        """Return the API, and the namespace to use.

        Raises
        ------
        ClusterError
            There is no package for it, or no way to any Kubernetes.
        """
        if self._opened is None:
            api, usual = connect(self.options.context)
            self._opened = api, self.options.namespace or usual
        return self._opened

    def look(self) -> None:
        """Learn how all pods fare, unless that was done a moment ago."""
        living = {name: pod for name, pod in self._pods.items() if not pod.ended}
        if not living or not self._cadence.due(time.monotonic()):
            return
        api, namespace = self.api()
        chosen = f"{pods.LABEL}={self.order.cluster}"
        try:
            listed = call(
                lambda: api.list_namespaced_pod(namespace, label_selector=chosen, **self.patience)
            )
        except ClusterError as error:
            log.warning("cluster %s: %s", self.order.cluster, error)
            return
        plain = api.api_client.sanitize_for_serialization(listed) or {}
        seen = {each["metadata"]["name"]: pods.sight(each) for each in plain.get("items") or []}
        for name, pod in living.items():
            pod.see(seen.get(name))
            if pod.ended:
                self.remove(pod)

    def remove(self, pod: "Pod", *, force: bool = False) -> None:
        """Delete a pod, and the keys that nobody needs any more.

        Parameters
        ----------
        pod
            It is told to end if it runs.
        force
            At once.
        """
        api, namespace = self.api()
        grace = {"grace_period_seconds": 0} if force else {}
        self._cadence.hurry(time.monotonic())
        with suppress(ClusterError):  # whatever is left here, its cluster's label names it
            call(lambda: api.delete_namespaced_pod(pod.pod, namespace, **grace, **self.patience))
        if not any(not each.ended for each in self._pods.values() if each.secret == pod.secret):
            self._remove_keys(pod.secret)

    def tail(self, name: str) -> str:
        """Return the last lines that a pod wrote, empty if they cannot be had."""
        api, namespace = self.api()
        try:
            said = call(
                lambda: api.read_namespaced_pod_log(
                    name, namespace, tail_lines=_LINES, **self.patience
                )
            )
        except ClusterError:
            return ""
        return said or ""

    def _remove_keys(self, secret: str) -> None:
        api, namespace = self.api()
        with suppress(ClusterError):
            call(lambda: api.delete_namespaced_secret(secret, namespace, **self.patience))

    # ------------------------------------------------------------ making pods

    def _make(self, agents: int, engines: int, started: "list[Pod]") -> None:
        """Make the keys, and so many pods, which are put among those that were started."""
        api, namespace = self.api()
        base = f"ipx-{self.order.cluster[:12]}-{secrets.token_hex(3)}".lower()
        wanted = [self._manifest(f"{base}-{number}", base, engines) for number in range(agents)]
        keys = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": base, "labels": {pods.LABEL: self.order.cluster}},
            "data": {pods.CONFIG: base64.b64encode(self.order.config(engines)).decode()},
        }
        made = call(lambda: api.create_namespaced_secret(namespace, keys, **self.patience))
        if made is None:
            msg = f"Kubernetes has no namespace {namespace!r}"
            raise ClusterError(msg)
        try:
            for body in wanted:
                self._create(body)
                pod = Pod(self, body["metadata"]["name"], secret=base, count=engines)
                self._pods[pod.pod] = pod
                started.append(pod)
        except ClusterError:
            self._remove_keys(base)
            raise
        self._cadence.hurry(time.monotonic())

    def _create(self, body: dict[str, Any]) -> None:
        api, namespace = self.api()
        call(lambda: api.create_namespaced_pod(namespace, body, **self.patience))

    def _manifest(self, name: str, secret: str, engines: int) -> dict[str, Any]:
        options = self.options
        if not options.image:
            msg = "the Kubernetes launcher needs 'image', which has Python and this package"
            raise WrongOption(msg, "image")
        if not _NAME.fullmatch(name):
            msg = f"a pod cannot be called {name!r}"
            raise ClusterError(msg)
        jobscript.exports(options.environment)
        more = options.manifest
        if options.time:
            limit = {"spec": {"activeDeadlineSeconds": jobscript.seconds(options.time)}}
            more = pods.merged(limit, more)
        return pods.manifest(
            name,
            cluster=self.order.cluster,
            secret=secret,
            image=jobscript.word(options.image, option="image"),
            agent=_without_config(self.order.argv(options.python)),
            resources=self._resources(engines),
            more=more,
            environment=options.environment,
        )

    def _resources(self, engines: int) -> dict[str, str]:
        options = self.options
        needed = {"cpu": f"{engines * options.cpus_per_engine:g}"}
        if options.memory:
            needed["memory"] = f"{jobscript.mebibytes(options.memory)}Mi"
        if options.gpus:
            name = jobscript.word(options.gpu_resource, option="gpu_resource")
            needed[name] = str(options.gpus)
        return needed


class Pod(Process):
    """A pod with an agent.

    Parameters
    ----------
    launcher
        Whose it is.
    pod
        Its name.
    secret
        The name of the secret with its keys.
    count
        How many engines are to come of it.
    """

    polite = True

    def __init__(self, launcher: KubernetesLauncher, pod: str, *, secret: str, count: int) -> None:
        self.name = f"pod {pod}"
        self.count = count
        self.pod = pod
        self.secret = secret
        self.queued = True
        self._launcher = launcher
        self._sight = SUBMITTED
        self._cancelled = False
        self._last_words: str | None = None

    @property
    def ended(self) -> bool:
        """Whether it has ended, as far as is known."""
        return self._sight.phase == "ended"

    def see(self, sight: Sight | None) -> None:
        """Take notice of how it fares, None if there is no such pod any more."""
        self._sight = sight or _CANCELLED
        self.queued = self._sight.phase == "waits"
        self.in_order = self._sight.code == 0 and not self._cancelled
        if self.ended and self._cancelled:
            self._sight = Sight("ended", "was deleted", self._sight.code)
        if sight is not None and self.ended:
            self._last_words = self._launcher.tail(self.pod)

    def poll(self) -> int | None:
        """Return its exit code, None while it waits or runs; -255 if nobody knows that."""
        self._launcher.look()
        if not self.ended:
            return None
        return UNKNOWN_CODE if self._sight.code is None else self._sight.code

    def state(self) -> str:
        """Return what Kubernetes says of it."""
        self._launcher.look()
        return self._sight.text

    def send_signal(self, signum: int) -> None:
        """Delete it, if that is what the signal means; if it has ended, do nothing.

        Raises
        ------
        ClusterError
            It is another signal: Kubernetes can send none.
        """
        if self.ended:
            return
        if signum not in {signal.SIGTERM, signal.SIGKILL}:
            msg = f"Kubernetes cannot send signal {signum} to a pod; it can delete it"
            raise ClusterError(msg)
        self._end(force=signum == signal.SIGKILL)

    def terminate(self) -> None:
        """Delete it, which tells its agent to end in good order."""
        self._end(force=False)

    def kill(self) -> None:
        """Delete it at once."""
        self._end(force=True)

    def logs(self) -> str:
        """Return the last lines that it wrote."""
        if self._last_words is None:
            return self._launcher.tail(self.pod)
        return self._last_words

    def keep(self) -> dict[str, Any]:
        """Return its name, and that of its secret."""
        return {"pod": self.pod, "secret": self.secret, "count": self.count}

    def _end(self, *, force: bool) -> None:
        if not self.ended:
            self._cancelled = True
            self._launcher.remove(self, force=force)


def _without_config(arguments: list[str]) -> list[str]:
    """Return how an agent is started, but for its configuration."""
    return arguments[:-2] if arguments[-2:] == ["--config", "-"] else arguments
