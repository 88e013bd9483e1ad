"""The Docker image, built on both versions of Debian and run: users, signals, volumes, health, content."""
import http.client
import json
import os
import pathlib
import re
import subprocess

import pytest

from conftest import ROOT
from engine import OPEN, PATIENCE, podman
from old_ledgers import make_old_ledger
from tokens import Token, write_tokens

VERSION = re.search(r'SOWER_VERSION "(.*)"', (ROOT / "proto/version.h").read_text())[1]
USER = 999
# What the image has besides its base, its packages' files and /usr/local.
OWN = {"/usr/local/bin/docker-entrypoint", "/usr/local/bin/sow", "/usr/local/bin/sowerd", "/usr/local/share/doc/sower/copyright"}
HARDENED = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges")


def base_of(image):
    return f"localhost/debian:{image.rsplit(':')[-1]}-slim"


def in_image(image, command):
    return podman("run", "--rm", "--network=none", "--user=0", "--entrypoint=/bin/sh", image, "-c", command)


def test_the_daemon_is_process_1_and_not_root(start):
    container = start()
    assert container.run("cat", "/proc/1/comm") == "sowerd"
    status = container.run("cat", "/proc/1/status")
    assert re.search(r"^Uid:\t(\d+)\t\1\t\1\t\1$", status, re.M)[1] == str(USER)
    assert re.search(r"^CapEff:\t0+$", status, re.M)


def test_the_user_is_a_number_so_that_kubernetes_can_check_it(image):
    assert json.loads(podman("inspect", image))[0]["Config"]["User"] == f"{USER}:{USER}"


def test_without_tokens_it_says_both_ways_of_being_reached(image):
    done = podman("run", "--rm", image, check=False)
    assert done.returncode == 1
    sentence = done.stderr.splitlines()[-1]
    assert "--tokens FILE" in sentence and "--open yes" in sentence, done.stderr


def test_tokens_are_another_way(image, start, outside):
    token = Token("admin")
    write_tokens(outside / "tokens", token)
    os.chown(outside / "tokens", USER, USER)
    container = start("--env", "SOWERD_OPEN=no", "--volume", f"{outside}:/etc/sower:ro", "--env", "SOWERD_TOKENS=/etc/sower/tokens")
    assert container.get("/v1/ledger")[0] == 401 and container.healthy()


@pytest.mark.parametrize("signal", ["TERM", "INT"])
def test_a_signal_ends_the_daemon_after_the_response_in_progress(start, signal):
    container = start()
    connection = container.connect()
    connection.request("GET", "/v1/tensor?experiment=image&name=large&shape=40000,4000&init=normal")
    response = connection.getresponse()
    first = response.read(1 << 16)
    podman("kill", "--signal", signal, container.id)
    container.wait_for("stopping")
    assert len(first) + len(response.read()) == int(response.headers["Content-Length"])
    connection.close()
    assert container.exit_status() == 0


def test_an_idle_daemon_stops_at_once(start):
    status, seconds = start().stop()
    assert status == 0 and seconds < 10, "docker kills a container after 10 seconds"


def test_a_volume_keeps_the_ledger_over_restarts(start, volume):
    first = start("--volume", f"{volume}:/var/lib/sower")
    tensor, lines = first.draw("w"), first.ledger()
    first.restart()
    assert first.ledger() == lines and first.stop()[0] == 0
    podman("rm", first.id)
    second = start("--volume", f"{volume}:/var/lib/sower")
    assert second.started["writer"] == first.started["writer"]
    assert second.draw("w") == tensor and second.ledger() == lines


def test_a_volume_goes_from_one_base_to_the_other_and_back(start, volume):
    lines = []
    for number, base in enumerate(["12", "13", "12"]):
        container = start("--volume", f"{volume}:/var/lib/sower", image=f"localhost/sower:{base}")
        assert container.ledger() == lines
        container.draw(f"w{number}")
        lines = container.ledger()
        assert container.stop()[0] == 0


def test_an_upgrade_keeps_the_ledger_of_an_earlier_image(start, outside):
    """Earlier images kept the state at the top of the volume, which belonged to the image's user."""
    today = start()
    for number in range(3):
        today.draw(f"w{number}")
    old = make_old_ledger(outside / "ledger.sqlite", 2, (today.ledger(), []))
    for path in [outside, *outside.iterdir()]:
        os.chown(path, USER, USER)
    outside.chmod(0o750)
    container = start("--volume", f"{outside}:/var/lib/sower")
    lines = [{key: value for key, value in line.items() if key not in ("writer", "sequence", "link")} for line in container.ledger()]
    assert lines == old
    container.draw("new")
    assert len(container.ledger()) == len(old) + 1
    assert sorted(os.listdir(outside)) == ["ledger.sqlite", "ledger.sqlite-shm", "ledger.sqlite-wal", "writer.key"]


@pytest.mark.parametrize("user", ["12345", "12345:54321"])
def test_it_works_under_any_user_with_a_new_volume(start, volume, user):
    container = start("--user", user, "--volume", f"{volume}:/var/lib/sower", *HARDENED)
    container.draw("w")
    assert container.run("stat", "-c", "%u %a", "/var/lib/sower/state") == "12345 700"
    assert container.stop()[0] == 0


def test_it_works_in_a_volume_that_its_group_may_write_to(start, outside):
    """As Kubernetes makes it with fsGroup."""
    os.chown(outside, 0, 2000)
    outside.chmod(0o2775)
    container = start("--user", "12345", "--group-add", "2000", "--volume", f"{outside}:/var/lib/sower", *HARDENED)
    container.draw("w")
    assert container.stop()[0] == 0 and (outside / "state/ledger.sqlite").exists()


def test_nothing_outside_the_volume_is_written(start, volume):
    container = start("--volume", f"{volume}:/var/lib/sower", *HARDENED)
    container.draw("w")
    assert container.run("touch", "/tmp/x", check=False).returncode != 0
    assert container.healthy() and container.stop()[0] == 0
    other = start("--volume", f"{volume}:/var/lib/sower")
    other.draw("w2")
    assert other.stop()[0] == 0
    changed = [line for line in podman("diff", other.id).splitlines() if not re.search(r" /(etc|run)(/|$)| /var(/lib(/sower)?)?$", line)]
    assert changed == [], "files of the engine are in /etc and /run"


def test_the_health_check_says_whether_the_daemon_answers(start):
    container = start()
    assert container.healthy()
    podman("kill", "--signal", "STOP", container.id)
    assert not container.healthy()
    podman("kill", "--signal", "CONT", container.id)
    assert container.healthy()


def test_the_health_check_speaks_tls_if_the_daemon_does(start, outside):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=sower",
                    "-keyout", outside / "tls.key", "-out", outside / "tls.crt"], check=True, capture_output=True)
    for path in outside.iterdir():
        os.chown(path, USER, USER)
    options = ["--env=SOWERD_TLS_CERTIFICATE=/etc/sower/tls.crt", "--env=SOWERD_TLS_KEY=/etc/sower/tls.key"]
    assert start("--volume", f"{outside}:/etc/sower:ro", *options).healthy()


def test_the_health_check_gives_the_daemon_time_to_start(image):
    check = json.loads(podman("inspect", image))[0]["Healthcheck"]
    assert check["StartPeriod"] >= 30e9 and check["Timeout"] < check["Interval"]


def test_labels_and_programs_say_the_version(image):
    labels = json.loads(podman("inspect", image))[0]["Labels"]
    found = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items() if not key.startswith("io.buildah")}
    assert found == {"title": "Sower", "description": found["description"], "licenses": "MIT", "version": VERSION,
                     "revision": os.environ["SOWER_REVISION"]}
    for program in ["sow", "sowerd"]:
        assert VERSION in podman("run", "--rm", "--network=none", f"--entrypoint={program}", image, "--version")


def test_a_build_without_arguments_has_the_version_of_the_tree():
    assert f"ARG VERSION={VERSION}\n" in (ROOT / "Dockerfile").read_text()


def test_it_adds_less_than_60_mb_to_its_base(image):
    sizes = [int(podman("image", "inspect", "--format", "{{.Size}}", name)) for name in (image, base_of(image))]
    added = (sizes[0] - sizes[1]) / 1e6
    print(f"{image}: {added:.1f} MB above the base of {sizes[1] / 1e6:.1f} MB")
    assert 0 < added < 60


def test_it_has_the_programs_and_what_they_need_and_nothing_else(image):
    assert set(in_image(image, "find /usr/local -type f").split()) == OWN
    assert in_image(image, "find /var/lib/apt/lists /var/cache/apt /var/log /src /out /root -type f 2>/dev/null | grep -v '/[.]'; true") == ""
    installed, before = (set(in_image(name, "dpkg-query -W -f '${Package} '").split()) for name in (image, base_of(image)))
    added = installed - before
    assert {"libmicrohttpd12", "libmicrohttpd12t64"} & added and "curl" in added
    assert not [name for name in added if re.match(r"(gcc|g\+\+|cpp|make|python|perl|binutils|.*-dev$)", name)], added
    find = r"find / -xdev -perm /6000 -type f"
    assert set(in_image(image, find).split()) == set(in_image(base_of(image), find).split()), "set-user-ID programs"


def test_debian_13_has_the_fixed_library():
    version = in_image("localhost/sower:13", "dpkg-query -W -f '${Version}' libmicrohttpd12t64")
    assert tuple(int(part) for part in re.match(r"(\d+)\.(\d+)\.(\d+)", version).groups()) >= (1, 0, 10)


def test_sow_works_in_it(start):
    container = start()
    container.draw("w")
    printed = container.run("sow", "ledger")
    assert json.loads(printed.splitlines()[-1])["name"] == "w"
    container.run("sow", "get", "--experiment", "image", "--name", "w", "--shape", "4,6", "--init", "normal", "--verify", "--output",
                  "/var/lib/sower/w.npy")


def test_a_published_port_reaches_the_daemon(start):
    start("--publish", "127.0.0.1:17697:7697")
    connection = http.client.HTTPConnection("127.0.0.1", 17697, timeout=PATIENCE)
    connection.request("GET", "/readyz")
    assert connection.getresponse().status == 200
    connection.close()


def test_only_sources_get_into_the_build(tmp_path):
    """.dockerignore: no build outputs, no keys that lie in the tree."""
    file = tmp_path / "Dockerfile"
    file.write_text("FROM scratch\nCOPY . /\n")
    subprocess.run(["buildah", "bud", "-q", "--isolation=chroot", "-t", "localhost/context", "-f", file, ROOT], check=True, timeout=PATIENCE,
                   stdout=subprocess.DEVNULL)
    container = subprocess.run(["buildah", "from", "localhost/context"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    try:
        mounted = subprocess.run(["buildah", "mount", container], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
        found = {path.relative_to(mounted).as_posix() for path in pathlib.Path(mounted).rglob("*") if path.is_file()}
    finally:
        subprocess.run(["buildah", "rm", container], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["buildah", "rmi", "localhost/context"], check=True, stdout=subprocess.DEVNULL)
    assert {name.split("/")[0] for name in found} == {"LICENSE", "Makefile", "core", "proto", "server", "client"}
    assert not [name for name in found if name.startswith("client/python") or "__pycache__" in name]
