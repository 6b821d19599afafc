"""Pods of a Kubernetes that is played by a small server: none can be had here."""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipcluster_ext.cluster.launchers import pods
from ipcluster_ext.cluster.launchers.jobs import Sight
from ipcluster_ext.errors import ClusterError
from tests.batch.kubernetes_api import Kubernetes, serving
from tests.batch.orders import SECRET, PretendOrder, environments, launcher, over
from tests.support.waiting import wait_until

pytest.importorskip("kubernetes", reason="the package kubernetes is not installed")

from ipcluster_ext.cluster.launchers.kubernetes import KubernetesLauncher

LOCATION = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
GIVEN = {"image": "registry.example.org/python:3", "python": sys.executable}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubernetes]:
    folder = tmp_path / "kubernetes"
    folder.mkdir()
    with serving(folder) as (kubernetes, config):
        # read when the package is imported; by that it may have been another test's
        monkeypatch.setattr(
            "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config)
        )
        monkeypatch.setenv("KUBECONFIG", str(config))
        yield kubernetes


def test_every_few_engines_have_a_pod_and_all_read_one_secret(
    order: PretendOrder, api: Kubernetes
) -> None:
    started = launcher(KubernetesLauncher, order, engines_per_agent=2, **GIVEN).start(4)
    there = order.until_there(2)

    assert [pod.count for pod in started] == [2, 2]
    assert [(said["count"], said["mode"]) for said in there] == [(2, "600")] * 2
    assert len(api.secrets) == 1
    wait_until(lambda: all(pod.state() == "runs on worker-1" for pod in started))
    order.let_go(0)
    wait_until(lambda: over(*started), 20)
    assert [(pod.poll(), pod.state()) for pod in started] == [(0, "has ended")] * 2
    assert (api.pods, api.secrets) == ({}, {})


def test_what_does_not_divide_has_a_pod_of_its_own(order: PretendOrder, api: Kubernetes) -> None:
    started = launcher(KubernetesLauncher, order, engines_per_agent=2, **GIVEN).start(5)
    there = order.until_there(3)

    assert [pod.count for pod in started] == [2, 2, 1]
    assert sorted(said["count"] for said in there) == [1, 2, 2]
    assert len(api.secrets) == 2
    order.let_go(0)
    wait_until(lambda: over(*started), 20)
    assert api.secrets == {}


def test_keys_are_in_the_secret_only(order: PretendOrder, api: Kubernetes) -> None:
    kubernetes = launcher(KubernetesLauncher, order, **GIVEN)

    (pod,) = kubernetes.start(1)
    order.until_there(1)

    assert SECRET not in json.dumps(api.pods) + kubernetes.script(1)
    assert not any(SECRET.encode() in each for each in environments())
    order.let_go()
    wait_until(lambda: over(pod), 20)


def test_a_pod_that_is_deleted_lets_its_agent_end_in_good_order(
    order: PretendOrder, api: Kubernetes
) -> None:
    first, second = launcher(KubernetesLauncher, order, **GIVEN).start(2)
    order.until_there(2)

    first.terminate()
    wait_until(lambda: over(first), 20)
    assert (first.state(), second.poll(), len(api.secrets)) == ("was deleted", None, 1)
    second.kill()
    wait_until(lambda: over(second), 20)

    assert order.left == ["was told to end"]
    assert (api.pods, api.secrets) == ({}, {})


def test_a_pod_that_somebody_else_deletes_has_ended(order: PretendOrder, api: Kubernetes) -> None:
    (pod,) = launcher(KubernetesLauncher, order, **GIVEN).start(1)
    order.until_there(1)

    api.delete("pods", pod.pod, at_once=True)
    wait_until(lambda: over(pod), 20)

    assert (pod.poll(), pod.state()) == (-255, "was deleted")


def test_a_pod_that_fails_says_how_and_shows_its_last_words(
    order: PretendOrder, api: Kubernetes
) -> None:
    (pod,) = launcher(KubernetesLauncher, order, **GIVEN).start(1)
    order.until_there(1)

    order.let_go(3)
    wait_until(lambda: over(pod), 20)

    assert (pod.poll(), pod.state()) == (3, "has ended with exit code 3")
    assert pod.logs() == "some last words\n"
    assert (api.pods, api.secrets) == ({}, {})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"image": "registry.example.org/missing"},
            "cannot begin: its image cannot be had (Back-off pulling image)",
        ),
        (
            {"cpus_per_engine": 64.0},
            "waits for a node (0/3 nodes are available: 3 Insufficient cpu.)",
        ),
    ],
)
def test_a_pod_that_cannot_begin_says_why(
    given: dict[str, object], said: str, order: PretendOrder, api: Kubernetes
) -> None:
    (pod,) = launcher(KubernetesLauncher, order, **{**GIVEN, **given}).start(1)

    wait_until(lambda: pod.state() == said)

    assert pod.poll() is None
    pod.terminate()
    wait_until(lambda: over(pod), 20)
    assert (api.pods, api.secrets) == ({}, {})


def test_what_kubernetes_refuses_is_refused_with_its_words(
    order: PretendOrder, api: Kubernetes
) -> None:
    elsewhere = launcher(KubernetesLauncher, order, namespace="elsewhere", **GIVEN)

    with pytest.raises(ClusterError, match='pods is forbidden in the namespace "elsewhere"'):
        elsewhere.start(1)
    assert elsewhere.check() == [
        'Kubernetes refuses: pods is forbidden in the namespace "elsewhere"'
    ]
    assert (api.pods, api.secrets) == ({}, {})


def test_a_kubernetes_that_does_not_answer_ends_no_pod(
    order: PretendOrder, api: Kubernetes, caplog: pytest.LogCaptureFixture
) -> None:
    (pod,) = launcher(KubernetesLauncher, order, **GIVEN).start(1)
    order.until_there(1)
    api.broken = "etcdserver: leader changed"

    wait_until(lambda: pod.poll() is not None or "leader changed" in caplog.text)

    assert pod.poll() is None
    api.broken = ""
    pod.terminate()
    wait_until(lambda: over(pod), 20)


def test_another_launcher_finds_the_pods_of_one_that_is_gone(
    order: PretendOrder, api: Kubernetes
) -> None:
    (before,) = launcher(KubernetesLauncher, order, **GIVEN).start(1)
    order.until_there(1)

    found = launcher(KubernetesLauncher, order, **GIVEN).resume(before.keep())
    gone = launcher(KubernetesLauncher, order, **GIVEN).resume({**before.keep(), "pod": "x"})

    assert gone is None
    wait_until(lambda: found.state() == "runs on worker-1")
    found.send_signal(signal.SIGTERM)
    wait_until(lambda: over(found), 20)
    assert order.left == ["was told to end"]
    assert (api.pods, api.secrets) == ({}, {})


def test_no_other_signal_can_be_sent(order: PretendOrder, api: Kubernetes) -> None:
    (pod,) = launcher(KubernetesLauncher, order, **GIVEN).start(1)

    with pytest.raises(ClusterError, match="Kubernetes cannot send signal 10"):
        pod.send_signal(signal.SIGUSR1)
    assert list(api.pods) == [pod.pod]


def test_what_is_missing_is_told(order: PretendOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOCATION, "/nowhere")
    (unconfigured,) = launcher(KubernetesLauncher, order, **GIVEN).check()
    monkeypatch.setitem(sys.modules, "kubernetes", None)

    assert "no Kubernetes is configured here" in unconfigured
    assert launcher(KubernetesLauncher, order, **GIVEN).check() == [
        "the package 'kubernetes' is missing: pip install ipcluster-ext[kubernetes]"
    ]


def test_an_image_has_to_be_named(order: PretendOrder, api: Kubernetes) -> None:
    with pytest.raises(ClusterError, match="needs 'image'"):
        launcher(KubernetesLauncher, order).start(1)
    assert (api.pods, api.secrets) == ({}, {})


def test_a_manifest_can_be_shown_and_be_otherwise(order: PretendOrder) -> None:
    more = {
        "metadata": {"annotations": {"a": "b"}},
        "spec": {
            "nodeSelector": {"pool": "batch"},
            "containers": [{"name": "agent", "imagePullPolicy": "Always"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "mine"}}],
        },
    }
    given = {"gpus": 1, "memory": "8G", "time": "1:00:00", "engines_per_agent": 4, **GIVEN}
    kubernetes = launcher(KubernetesLauncher, order, manifest=more, **given)

    pod = json.loads(kubernetes.script(4))

    assert pod["metadata"]["annotations"] == {"a": "b"}
    assert pod["metadata"]["labels"][pods.LABEL] == order.cluster
    spec = pod["spec"]
    assert (spec["nodeSelector"], spec["activeDeadlineSeconds"]) == ({"pool": "batch"}, 3600)
    assert [volume["name"] for volume in spec["volumes"]] == ["keys", "data"]
    (container,) = spec["containers"]
    assert container["imagePullPolicy"] == "Always"
    assert container["resources"]["limits"] == {
        "cpu": "4",
        "memory": "8192Mi",
        "nvidia.com/gpu": "1",
    }


def test_how_pods_end_is_told_in_words() -> None:
    def ended(**end: object) -> dict[str, object]:
        statuses = [{"state": {"terminated": end}}]
        return {"status": {"phase": "Failed", "containerStatuses": statuses}}

    evicted = {"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low"}}

    assert pods.sight(ended(exitCode=137, reason="OOMKilled")) == Sight(
        "ended", "has ended with exit code 137 (it used more memory than it may)", -9
    )
    assert pods.sight(evicted) == Sight("ended", "has ended (The node was low)")
    assert pods.sight({"status": {"phase": "Unknown"}}) == Sight(
        "runs", "is on a node that cannot be reached"
    )
    assert pods.sight({}) == Sight("waits", "is being started")
