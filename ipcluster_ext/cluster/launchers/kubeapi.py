"""The way to the API of Kubernetes, and what it says when it refuses; imported when needed."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ipcluster_ext.errors import ClusterError

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

_INSTALL = "the package 'kubernetes' is missing: pip install ipcluster-ext[kubernetes]"
_GONE = 404
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_USUAL = "default"

T = TypeVar("T")


def call(ask: Callable[[], T]) -> T | None:
    """Call the API; None if what it is about is not there.

    Raises
    ------
    ClusterError
        It refuses, or does not answer.
    """
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        return ask()
    except ApiException as error:
        if error.status == _GONE:
            return None
        msg = f"Kubernetes refuses: {_message(error.body) or error.reason}"
    except HTTPError as error:
        msg = f"Kubernetes does not answer: {error}"
    except ValueError as error:  # the package checks what it is told, and what is answered
        msg = f"the package 'kubernetes' cannot read that: {error}"
    raise ClusterError(msg)


def _message(body: object) -> str:
    """Return what stands in the API's answer to a call that it refuses."""
    with suppress(TypeError, ValueError, AttributeError):
        return str(json.loads(body)["message"])  # type: ignore[arg-type]
    return ""


def connect(context: str) -> "tuple[CoreV1Api, str]":
    """Return the API of the Kubernetes that is configured, and the usual namespace there.

    Parameters
    ----------
    context
        Of the kubeconfig; if empty the current one, or the Kubernetes that this runs in.

    Raises
    ------
    ClusterError
        There is no package for it, or nothing is configured.
    """
    try:
        from kubernetes import client, config
    except ImportError:
        raise ClusterError(_INSTALL) from None
    settings = client.Configuration()
    settings.retries = False  # whoever asks will ask again
    try:
        if not context and _is_inside():
            config.load_incluster_config(client_configuration=settings)
            namespace = (_ACCOUNT / "namespace").read_text().strip()
        else:
            config.load_kube_config(context=context or None, client_configuration=settings)
            known, current = config.list_kube_config_contexts()
            chosen = [each for each in known if each["name"] == context] or [current]
            namespace = chosen[0]["context"].get("namespace", _USUAL)
    except config.ConfigException as error:
        msg = f"no Kubernetes is configured here: {error}; kubectl get pods has to work"
        raise ClusterError(msg) from None
    return client.CoreV1Api(client.ApiClient(settings)), namespace


def _is_inside() -> bool:
    """Tell whether this runs in a pod that may use the API."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and (_ACCOUNT / "token").exists()
