"""The chart as a cluster would have it: Helm's own objects, and the folders that its pod would
see.
"""

import base64
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tests.need import absent

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "helm/alert-relay"
TOOLS = ROOT / ".venv-ship/bin"
RELEASE = "live"
Object = dict[str, object]


def tool(name: str) -> str:
    """A program of .venv-ship."""
    path = TOOLS / name
    if not path.exists():
        absent(f"{name} is not installed: .ci/ship-tools")
    return str(path)


@dataclass
class Rendered:
    """What a release comes to."""

    objects: list[Object]
    notes: str
    faults: list[str]

    def of(self, kind: str) -> list[Object]:
        """All objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str, ending: str = "") -> Object:
        """The only object of a kind whose name ends so."""
        (found,) = (
            each for each in self.of(kind) if text(each, "metadata", "name").endswith(ending)
        )
        return found

    def workload(self) -> Object:
        """What runs the relay's pods."""
        (found,) = (*self.of("StatefulSet"), *self.of("Deployment"))
        return found

    def spec(self) -> Object:
        """The relay's pod."""
        return table(self.workload(), "spec", "template", "spec")

    def container(self) -> Object:
        """The relay's container."""
        return next(
            each for each in tables(self.spec(), "containers") if each["name"] == "alert-relay"
        )

    def arguments(self) -> list[str]:
        """The relay's flags."""
        return [str(each) for each in cast(list[object], self.container()["args"])]

    def lay_out(self, folder: Path) -> Path:
        """Writes what the pod finds in /etc/alert-relay, as far as this release makes it. Returns
        relay.yml.
        """
        config = next(each for each in tables(self.spec(), "volumes") if each["name"] == "config")
        for source in tables(config, "projected", "sources"):
            ((kind, reference),) = cast(dict[str, Object], source).items()
            held = self.files("Secret" if kind == "secret" else "ConfigMap", str(reference["name"]))
            for item in tables(reference, "items"):
                if str(item["key"]) in held:
                    path = folder / str(item["path"])
                    path.parent.mkdir(exist_ok=True)
                    path.write_text(held[str(item["key"])])
        return folder / "relay.yml"

    def files(self, kind: str, name: str) -> dict[str, str]:
        """The keys of a Secret or ConfigMap of this release, in clear; empty when it is somebody
        else's.
        """
        for each in self.of(kind):
            if text(each, "metadata", "name") == name:
                data = cast(dict[str, str], each.get("data") or {})
                if kind == "Secret":
                    data = {key: base64.b64decode(value).decode() for key, value in data.items()}
                return data | cast(dict[str, str], each.get("stringData") or {})
        return {}


def table(thing: Object, *path: str) -> Object:
    """The mapping at a path."""
    for part in path:
        thing = cast(Object, thing[part])
    return thing


def tables(thing: Object, *path: str) -> list[Object]:
    """The list of mappings at a path."""
    return cast(list[Object], table(thing, *path))


def text(thing: Object, *path: str) -> str:
    """The text at a path."""
    return cast(str, table(thing, *path[:-1])[path[-1]])


def _steps(*values: Object) -> list[dict[str, object]]:
    """An install with the first values, then an upgrade with each of the others; the last may have
    failed.
    """
    order = {"chart": str(CHART), "release": RELEASE, "values": values}
    done = subprocess.run(
        [tool("python"), ROOT / "tests/ship/render.py"],
        input=json.dumps(order), env=os.environ | {"HELM_DRIVER": "memory"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results: list[dict[str, object]] = json.loads(done.stdout)
    return results


def render(*values: Object) -> Rendered:
    """What the last of the steps comes to; all have to succeed."""
    return every_step(*values)[-1]


def every_step(*values: Object) -> list[Rendered]:
    """What the release comes to after each of the steps; all have to succeed."""
    done = _steps(*values)
    assert "error" not in done[-1], done[-1]["error"]
    return [
        Rendered(
            cast(list[Object], each["objects"]), str(each["notes"]), cast(list[str], each["faults"])
        )
        for each in done
    ]


def refusal(values: Object) -> str:
    """Why Helm does not install this."""
    last = _steps(values)[-1]
    assert "error" in last, "it was installed"
    return str(last["error"])
