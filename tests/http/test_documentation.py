"""The programs do what the documentation says."""
import hashlib
import os
import pathlib
import re
import shlex
import subprocess

import pytest

from conftest import ROOT

README = (ROOT / "README.md").read_text()
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()


def test_what_is_made_from_the_programs_and_the_description_is_up_to_date():
    subprocess.run([ROOT / "tests/documentation", BUILD], check=True)


def test_the_page_on_http_has_each_path_of_the_daemon(daemon):
    paths = re.findall(r"/[a-z][^ ,;]*", daemon.get("/nothing").problem()["detail"].split("there are ")[1].removesuffix("."))
    page = (ROOT / "docs/http.md").read_text()
    assert len(paths) > 15 and all(f"`{path}` |" in page for path in paths)


def test_the_digest_in_the_readme_is_that_of_the_daemon(daemon):
    seed, draw, digest = (re.search(rf"^{key} +([0-9a-f]{{64}})", README, re.M).group(1) for key in ("seed", "draw", "digest"))
    response = daemon.get("/v1/tensor?experiment=exp-42&name=w&shape=4096,4096&init=he_normal&format=raw")
    assert (response.headers["Sower-Seed"], response.headers["Sower-Draw"]) == (seed, draw)
    assert hashlib.blake2b(response.body, digest_size=32).hexdigest() == digest


# Text of each page, and all curl and sow commands with their page, in order.
PAGES = {path.name: path.read_text() for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]}
CURLS = [(page, line) for page, text in PAGES.items() for line in re.findall(r"^(curl (?:.*\\\n)*.*)", text, re.M) if "7697/" in line]
SOWS = [(page, line) for page, text in PAGES.items() for line in re.findall(r"^(sow .*?)(?: +#.*)?$", text, re.M)]


@pytest.mark.parametrize("page, curls, sows", [("README.md", 6, 8), ("requests.md", 4, 8), ("ledger.md", 4, 6)])
def test_a_page_has_examples(page, curls, sows):
    assert len([line for name, line in CURLS if name == page]) >= curls
    assert len([line for name, line in SOWS if name == page]) >= sows


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 160


@pytest.mark.parametrize("page", PAGES)
def test_a_link_to_a_file_leads_to_a_file(page):
    folder = ROOT / "docs" if (ROOT / "docs" / page).exists() else ROOT
    links = [link for link in re.findall(r"\]\(([^)#]+)", PAGES[page]) if "://" not in link]
    assert [link for link in links if not (folder / link).exists()] == []


def write_files(page, folder):
    """The files that the examples of a page write before they use them."""
    for name, content in re.findall(r"^cat > (\S+) <<'END'\n(.*?)^END$", PAGES[page], re.M | re.S):
        (folder / name).write_text(content)


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    """For each page, the directory where its examples run, with the files that the page writes. The sow examples run after
    all curl examples, and use their files."""
    folders = {}
    for page in PAGES:
        folders[page] = tmp_path_factory.mktemp("examples")
        write_files(page, folders[page])
    return folders


@pytest.mark.parametrize("page, command", CURLS)
def test_a_curl_example_works(daemon, directories, page, command):
    """With a smaller tensor and the port of this daemon."""
    command = command.replace("127.0.0.1:7697", f"127.0.0.1:{daemon.port}").replace("\\\n", " ")
    command = command.replace("4096,4096", "64,64")
    subprocess.run(["curl", "-sSf", *shlex.split(command)[1:]], cwd=directories[page], check=True)


@pytest.mark.parametrize("page, command", SOWS)
def test_a_sow_example_works(daemon, directories, page, command):
    environment = {**os.environ, "SOW_SERVER": f"http://127.0.0.1:{daemon.port}"}
    arguments = shlex.split(command.replace("4096,4096", "64,64").replace("127.0.0.1:7697", f"127.0.0.1:{daemon.port}"))[1:]
    subprocess.run([BUILD / "sow", *arguments], cwd=directories[page], env=environment, check=True)
