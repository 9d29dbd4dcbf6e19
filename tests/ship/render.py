"""Renders a chart with Helm itself, against a stand-in for a cluster's API. Runs in .venv-ship,
called by `charts.py`.

Standard input: {"chart": folder, "release": name, "values": [those of each step]}; the first step
installs, the others upgrade. Standard output: for each step {"objects": [...], "notes": text,
"faults": what Kubernetes' schemas say of the objects}, or {"error": text} as the last.
"""

import asyncio
import json
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import yaml
from helm_sdkpy import Configuration, HelmError, Install, Upgrade
from kubernetes_validate import SchemaNotFoundError, ValidationError, validate

NAMESPACE, KUBERNETES = "default", "1.36"
KINDS = {
    "v1": ["ConfigMap", "Pod", "Secret", "Service", "ServiceAccount"],
    "apps/v1": ["Deployment", "StatefulSet"],
    "networking.k8s.io/v1": ["Ingress", "NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
    "monitoring.coreos.com/v1": ["PrometheusRule", "ServiceMonitor"],
}


def plural(kind: str) -> str:
    """As the API's paths write it."""
    name = kind.lower()
    return (
        f"{name[:-1]}ies"
        if name.endswith("y")
        else f"{name}es"
        if name.endswith("s")
        else f"{name}s"
    )


def discovery() -> dict[str, object]:
    """What the API answers to a client that asks what there is."""
    groups = [version for version in KINDS if "/" in version]
    named = [{"groupVersion": version, "version": "v1"} for version in groups]
    answers: dict[str, object] = {
        "/version": {"major": "1", "minor": KUBERNETES[2:], "gitVersion": f"v{KUBERNETES}.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "groups": [
                {
                    "name": each["groupVersion"].partition("/")[0],
                    "versions": [each],
                    "preferredVersion": each,
                }
                for each in named
            ],
        },
    }
    for version, kinds in KINDS.items():
        resources = [
            {
                "name": plural(kind),
                "kind": kind,
                "namespaced": True,
                "verbs": ["create", "get", "patch"],
            }
            for kind in kinds
        ]
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        answers[path] = {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
    return answers


class Api(BaseHTTPRequestHandler):
    """Keeps what is created, and shows it again."""

    protocol_version = "HTTP/1.1"
    answers = discovery()

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        """Discovery, or an object that was created."""
        path = self.path.partition("?")[0]
        if path in self.answers:
            self._say(200, self.answers[path])
        else:
            self._say(
                404, {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            )

    def do_POST(self) -> None:
        """Creates."""
        made = cast(dict[str, dict[str, str]], self._body())
        self.answers[f"{self.path.partition('?')[0]}/{made['metadata']['name']}"] = made
        self._say(201, made)

    def do_PATCH(self) -> None:
        """Takes any patch and changes nothing: what Helm sends is read from its manifest."""
        self._body()
        self._say(200, self.answers[self.path.partition("?")[0]])

    def do_DELETE(self) -> None:
        """Deletes."""
        self._say(200, self.answers.pop(self.path.partition("?")[0]))

    def _body(self) -> object:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _say(self, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def kubeconfig(address: str, path: Path) -> None:
    """Points Helm at the stand-in."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": address}}],
        "users": [{"name": "me", "user": {}}],
    }
    path.write_text(json.dumps(config))


def outcome(release: dict[str, object]) -> dict[str, object]:
    """What Helm would have in the cluster after a step; its test pods are among the objects."""
    hooks = cast(list[dict[str, str]], release.get("hooks") or [])
    texts = [cast(str, release["manifest"]), *(hook["manifest"] for hook in hooks)]
    objects = [each for text in texts for each in yaml.safe_load_all(text) if each]
    notes = cast(dict[str, str], release["info"])["notes"]
    return {
        "objects": objects,
        "notes": notes,
        "faults": [fault for each in objects for fault in faults(each)],
    }


def faults(thing: dict[str, object]) -> list[str]:
    """What the schema of its kind says; kinds that Kubernetes does not have itself are passed
    over.
    """
    try:
        validate(thing, KUBERNETES, strict=True)
    except SchemaNotFoundError:
        return (
            []
            if "monitoring.coreos.com" in str(thing["apiVersion"])
            else [f"no such kind: {thing['kind']}"]
        )
    except ValidationError as error:
        return [f"{thing['kind']}: {error.message} at {list(error.path)}"]
    return []


async def main() -> None:
    """One chart, one release, all steps."""
    order = json.load(sys.stdin)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    results: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "kubeconfig")
        kubeconfig(f"http://127.0.0.1:{server.server_port}", config)
        helm = Configuration(namespace=NAMESPACE, kubeconfig=str(config))
        try:
            for number, values in enumerate(order["values"]):
                action = Upgrade(helm) if number else Install(helm)
                results.append(
                    outcome(
                        await action.run(
                            order["release"], order["chart"], values=values, wait=False
                        )
                    )
                )
        except HelmError as error:
            results.append({"error": str(error)})
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
