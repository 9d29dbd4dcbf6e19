"""Files that contain an alertmanager.yml in another one, and how to extract it."""

from relay.config.importing_routes import child, word
from relay.config.source import Node, Position, Source

_WRITE = "write it into a file of its own and import that"


def other_kind(source: Source) -> tuple[Position, str] | None:
    """Why a file is not an alertmanager.yml itself, and how to get at the one in it; None for all
    other files.
    """
    root = source.root
    kind, start = word(child(root, "kind")), source.position(())
    name = word(child(child(root, "metadata"), "name")) or "NAME"
    space = word(child(child(root, "metadata"), "namespace")) or "NAMESPACE"
    match kind:
        case "Secret":
            return start, _of_secret(root, name, space)
        case "ConfigMap":
            return start, f"a ConfigMap holds the alertmanager.yml under data: {_WRITE}"
        case "AlertmanagerConfig":
            return start, (
                "this is an AlertmanagerConfig: import what the operator makes of all of them: "
                f"kubectl -n {space} get secret alertmanager-main-generated -o "
                "jsonpath='{.data.alertmanager\\.yaml\\.gz}' | base64 -d | gunzip "
                ">alertmanager.yml "
                "(alertmanager-, the name of the Alertmanager, -generated)"
            )
        case _:
            return _of_helm(source)


def _of_helm(source: Source) -> tuple[Position, str] | None:
    root = source.root
    for keys in (("alertmanager", "config"), ("config",)):
        node = root
        for key in keys:
            node = child(node, key)
        if child(node, "receivers") is not None and child(root, "receivers") is None:
            path = ".".join(keys)
            return source.key_position(keys), (
                f"this is a file of Helm values, with the alertmanager.yml under {path}: "
                f"{_WRITE}, such as with yq .{path} FILE >alertmanager.yml"
            )
    return None


def _of_secret(root: Node | None, name: str, space: str) -> str:
    if child(root, "stringData") is not None:
        return f"a Secret holds the alertmanager.yml under stringData: {_WRITE}"
    return (
        "a Secret holds the alertmanager.yml in base64: "
        f"kubectl -n {space} get secret {name} -o jsonpath='{{.data.alertmanager\\.yaml}}' | "
        "base64 -d >alertmanager.yml, and import that"
    )
