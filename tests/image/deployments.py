"""The files of docs/ that describe deployments, parsed."""
import re

import yaml

from conftest import ROOT
from engine import podman

KUBERNETES = ["kubernetes.yaml", "kubernetes-postgresql.yaml"]


def kubernetes(name):
    """The objects of a file, by kind."""
    return {item["kind"]: item for item in yaml.safe_load_all((ROOT / "docs" / name).read_text())}


def compose():
    return yaml.safe_load((ROOT / "docs/compose.yaml").read_text())


def pod_of(name):
    return kubernetes(name)["StatefulSet"]["spec"]["template"]["spec"]


def environments():
    """(where, the variables of a daemon) of all files."""
    for name in KUBERNETES:
        yield name, {entry["name"]: entry.get("value") for entry in pod_of(name)["containers"][0]["env"]}
    for service in ["sower-1", "sower-2"]:
        yield f"compose.yaml: {service}", compose()["services"][service]["environment"]


def variables_of_the_daemon():
    """The variables that the daemon in the image knows, from its --help."""
    text = podman("run", "--rm", "--network=none", "localhost/sower:13", "--help")
    return {"SOWERD_" + name.upper().replace("-", "_") for name in re.findall(r"^  --([a-z-]+)", text, re.M)}


def longest_stop(environment):
    """The seconds that a daemon with these variables may take to stop, by docs/operations.md."""
    return int(environment["SOWERD_DRAIN_SECONDS"]) + int(environment.get("SOWERD_LAME_DUCK_SECONDS", 0)) + 10
