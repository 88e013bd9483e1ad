"""docs/kubernetes*.yaml: valid, only options that exist, and a pod that works with a volume and a Secret as the kubelet makes them."""
import os
import shutil
import subprocess
import time

import pytest

from conftest import ROOT, TOOLS
from deployments import KUBERNETES, environments, kubernetes, longest_stop, pod_of, variables_of_the_daemon
from engine import podman
from tokens import Token, write_tokens


def test_the_objects_are_valid():
    """Against the schemas of Kubernetes; unknown fields are errors."""
    command = [TOOLS / "kubernetes-validate", "--strict", *(ROOT / "docs" / name for name in KUBERNETES)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and done.stdout.count("passed") == 5, done.stdout


def test_every_variable_is_an_option_of_the_daemon():
    known = variables_of_the_daemon()
    for where, variables in environments():
        ours = {name for name in variables if name.startswith("SOWERD_")}
        assert len(ours) > 3 and ours <= known, (where, ours - known)


@pytest.mark.parametrize("name", KUBERNETES)
def test_there_is_time_to_stop(name):
    environment = next(variables for where, variables in environments() if where == name)
    assert pod_of(name)["terminationGracePeriodSeconds"] >= longest_stop(environment)


@pytest.mark.parametrize("name", KUBERNETES)
def test_services_and_sets_select_the_pods(name):
    objects = kubernetes(name)
    labels = objects["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert objects["Service"]["spec"]["selector"] == objects["StatefulSet"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["StatefulSet"]["spec"]["serviceName"] == objects["Service"]["metadata"]["name"]
    if "PodDisruptionBudget" in objects:
        assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels


def test_both_files_describe_the_same_daemon():
    """Apart from the database, the number of pods, and the time in which the other pod takes over."""
    one, two = (pod_of(name) for name in KUBERNETES)
    first, second = one["containers"][0], two["containers"][0]
    names = lambda container: {entry["name"] for entry in container["env"]}
    assert names(second) - names(first) == {"SOWERD_LEDGER", "PGPASSWORD", "SOWERD_LAME_DUCK_SECONDS"} and names(first) < names(second)
    for key in first.keys() - {"env"}:
        assert first[key] == second[key]
    assert one["securityContext"] == two["securityContext"]


def as_options(pod, claim, secret):
    """The options of podman for a pod with this folder as its volume, and this one as its Secret."""
    outer, container = pod["securityContext"], pod["containers"][0]
    inner, folders = container["securityContext"], {"state": f"{claim}:", "secret": f"{secret}:"}
    assert outer["runAsNonRoot"] and inner["readOnlyRootFilesystem"] and inner["capabilities"] == {"drop": ["ALL"]}
    assert inner["allowPrivilegeEscalation"] is False and outer["seccompProfile"] == {"type": "RuntimeDefault"}
    memory = container["resources"]["limits"]["memory"].removesuffix("i").lower()
    options = [f"--user={outer['runAsUser']}:{outer['runAsGroup']}", f"--group-add={outer['fsGroup']}", f"--memory={memory}",
               "--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges"]
    options += [f"--env={entry['name']}={entry['value']}" for entry in container["env"]]
    for mount in container["volumeMounts"]:
        options += ["--volume", folders[mount["name"]] + mount["mountPath"] + (":ro" if mount.get("readOnly") else "")]
    return options


class Secret:
    """A folder with a Secret as the kubelet writes it: links to files in a folder that is replaced as a whole."""

    def __init__(self, folder, group, mode):
        self.folder, self.group, self.mode, self.number = folder, group, mode | 0o040, 0  # fsGroup may read

    def write(self, *tokens):
        self.number += 1
        new = self.folder / f"..{self.number}"
        new.mkdir()
        write_tokens(new / "tokens", *tokens)
        (new / "root.key").write_bytes(bytes(range(32)))
        for path in [new, *new.iterdir()]:
            os.chown(path, 0, self.group)
            path.chmod(0o755 if path == new else self.mode)
        (self.folder / "..data_tmp").symlink_to(new.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")
        for name in ["tokens", "root.key"]:
            if self.number == 1:
                (self.folder / name).symlink_to(f"..data/{name}")
        for old in self.folder.glob(f"..{self.number - 1}"):
            shutil.rmtree(old)


@pytest.fixture
def pod(start, outside):
    """A pod of kubernetes.yaml with a token, on a volume and a Secret. Returns (container, Secret, token, its volume)."""
    spec = pod_of("kubernetes.yaml")
    group = spec["securityContext"]["fsGroup"]
    claim, folder = outside / "claim", outside / "secret"
    for path, mode in [(claim, 0o2775), (folder, 0o755)]:  # 2775: what the kubelet does with fsGroup
        path.mkdir()
        os.chown(path, 0, group)
        path.chmod(mode)
    secret, token = Secret(folder, group, next(volume["secret"]["defaultMode"] for volume in spec["volumes"])), Token("admin")
    secret.write(token)
    return start(*as_options(spec, claim, folder)), secret, token, claim


def draw(container, token):
    connection = container.connect()
    headers = {**token.headers, "Host": "sower.default.svc"}
    connection.request("GET", "/v1/tensor?experiment=image&name=w&shape=4,6&init=normal", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_pod_works(pod):
    container, _, token, claim = pod
    spec = pod_of("kubernetes.yaml")
    assert spec["containers"][0]["ports"] == [{"name": "http", "containerPort": 7697}]
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
        get = spec["containers"][0][probe]["httpGet"]
        assert get["port"] == "http" and container.get(get["path"])[0] == 200
    assert container.get("/v1/ledger")[0] == 401 and draw(container, token) == 200
    begin = time.monotonic()
    podman("stop", "--time", spec["terminationGracePeriodSeconds"], container.id)
    assert container.exit_status() == 0 and time.monotonic() - begin < spec["terminationGracePeriodSeconds"]
    assert (claim / "state/ledger.sqlite").exists()


def test_a_changed_secret_is_read_on_sighup(pod):
    container, secret, old, _ = pod
    new = Token("new")
    assert (draw(container, old), draw(container, new)) == (200, 401)
    secret.write(new)
    container.run("sh", "-c", "kill -HUP 1")
    container.wait_for("reloaded")
    assert (draw(container, old), draw(container, new)) == (401, 200)
