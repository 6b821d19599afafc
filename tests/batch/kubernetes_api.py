"""A stand-in for the API of Kubernetes: the few calls that the launcher makes, over real HTTP.

It checks what comes as strictly as these tests need it, keeps secrets and pods, and runs the
command of a pod on this machine, with its secret mounted in a folder. A pod whose image is called
``missing`` never begins, and one that asks for more than eight processors finds no node.
"""

import base64
import json
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-the-user"
NAMESPACE = "jupyter"
_PATH = re.compile(r"/api/v1/namespaces/([a-z0-9-]+)/(pods|secrets)(?:/([a-z0-9-]+))?(/log)?")
_MOST = 8


class Kubernetes:
    """What there is in the cluster of this API.

    Parameters
    ----------
    folder
        For what is mounted in pods, and what they write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.broken = ""
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def create(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make a secret, or a pod."""
        name = body["metadata"]["name"]
        if kind == "secrets":
            self.secrets[name] = body
            return body
        pod = {**body, "status": {"phase": "Pending"}}
        self.pods[name] = pod
        (container,) = body["spec"]["containers"]
        if container["image"].endswith("missing"):
            waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
            pod["status"]["containerStatuses"] = [_container({"waiting": waiting})]
        elif float(container["resources"]["requests"]["cpu"]) > _MOST:
            pod["status"]["conditions"] = [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/3 nodes are available: 3 Insufficient cpu.",
                }
            ]
        else:
            self._run(name, pod, container)
        return pod

    def _run(self, name: str, pod: dict[str, Any], container: dict[str, Any]) -> None:
        mounted = Path(tempfile.mkdtemp(dir=self.folder))
        secret = pod["spec"]["volumes"][0]["secret"]["secretName"]
        for file, value in self.secrets[secret]["data"].items():
            (mounted / file).write_bytes(base64.b64decode(value))
            (mounted / file).chmod(0o644)
        place = container["volumeMounts"][0]["mountPath"]
        command = [word.replace(place, str(mounted)) for word in container["command"]]
        environment = {each["name"]: each["value"] for each in container["env"]}
        with (self.folder / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/bin:/bin", "TMPDIR": str(mounted), **environment},
                start_new_session=True,
            )
        pod["status"] = {"phase": "Running"}
        pod["spec"]["nodeName"] = "worker-1"

    def pod(self, name: str) -> dict[str, Any] | None:
        """Return a pod as it is now."""
        pod = self.pods.get(name)
        code = self._running[name].poll() if name in self._running else None
        if pod is not None and code is not None:
            shown = code if code >= 0 else 128 - code
            ended = {"exitCode": shown, "reason": "Error" if code else "Completed"}
            pod["status"] = {
                "phase": "Failed" if code else "Succeeded",
                "containerStatuses": [_container({"terminated": ended})],
            }
        return pod

    def delete(self, kind: str, name: str, *, at_once: bool) -> bool:
        """Delete a secret, or a pod once it has ended; False if there is none."""
        if kind == "secrets":
            return self.secrets.pop(name, None) is not None
        if name in self._running:
            self._running[name].send_signal(signal.SIGKILL if at_once else signal.SIGTERM)
            self._running.pop(name).wait(20)
        return self.pods.pop(name, None) is not None


class _Handler(BaseHTTPRequestHandler):
    kubernetes: Kubernetes

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, verb: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        self.kubernetes.calls.append(f"{verb} {parts.path}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._say(401, _status(401, "Unauthorized"))
        elif self.kubernetes.broken:
            self._say(500, _status(500, self.kubernetes.broken))
        elif found := _PATH.fullmatch(parts.path):
            namespace, kind, name, log = found.groups()
            if namespace != NAMESPACE:
                self._say(403, _status(403, f'pods is forbidden in the namespace "{namespace}"'))
            elif log:
                self._text((self.kubernetes.folder / f"{name}.log").read_bytes())
            else:
                query = parse_qs(parts.query)
                self._serve(verb, kind, name or "", query, json.loads(body or b"{}"))
        else:
            self._say(404, _status(404, "the server could not find the requested resource"))

    def _serve(
        self, verb: str, kind: str, name: str, query: dict[str, list[str]], body: dict[str, Any]
    ) -> None:
        kubernetes = self.kubernetes
        if verb == "POST":
            self._say(201, kubernetes.create(kind, body))
        elif verb == "DELETE":
            at_once = "0" in query.get("gracePeriodSeconds", [])
            done = kubernetes.delete(kind, name, at_once=at_once)
            self._say(200 if done else 404, _status(200 if done else 404, f'"{name}" not found'))
        elif name:
            pod = kubernetes.pod(name)
            self._say(200 if pod else 404, pod or _status(404, f'"{name}" not found'))
        else:
            wanted = query.get("labelSelector", ["="])[0].split("=")
            items = [
                pod
                for each in list(kubernetes.pods)
                if (pod := kubernetes.pod(each))
                and (not wanted[0] or pod["metadata"]["labels"].get(wanted[0]) == wanted[1])
            ]
            self._say(200, {"kind": "PodList", "apiVersion": "v1", "items": items})

    def _say(self, code: int, body: dict[str, Any]) -> None:
        self._send(code, "application/json", json.dumps(body).encode())

    def _text(self, text: bytes) -> None:
        self._send(200, "text/plain", text)

    def _send(self, code: int, kind: str, data: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _container(state: dict[str, Any]) -> dict[str, Any]:
    facts = {"name": "agent", "image": "python:3", "imageID": "", "restartCount": 0}
    return {**facts, "ready": False, "state": state}


def _status(code: int, message: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Kubernetes, Path]]:
    """Serve the API; yield what there is behind it, and a kubeconfig that leads to it."""
    kubernetes = Kubernetes(folder)
    handler = type("Handler", (_Handler,), {"kubernetes": kubernetes})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    config = folder / "kubeconfig"
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "clusters": [{"name": "c", "cluster": {"server": address}}],
                "users": [{"name": "u", "user": {"token": TOKEN}}],
                "contexts": [
                    {
                        "name": "here",
                        "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE},
                    },
                    {"name": "other", "context": {"cluster": "c", "user": "u"}},
                ],
            }
        )
    )
    try:
        yield kubernetes, config
    finally:
        for name in list(kubernetes.pods):
            kubernetes.delete("pods", name, at_once=True)
        server.shutdown()
        server.server_close()
        thread.join()
