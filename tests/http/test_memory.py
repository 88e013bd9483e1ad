"""Memory that runs out: never another value, never the client's fault, never a crash."""
import re

import pytest

from conftest import ROOT

# What jansson does not do safely without memory, or hands over as a block that free() cannot release.
UNSAFE = re.compile(r"\bjson_(load(s|b|f|fd|_file|_callback)|dump\w*|copy|deep_copy|object_update_(missing|existing|recursive))\s*\(|json_pack\(\"[^\"]*\*")


@pytest.mark.parametrize("room", ["core", "proto", "server", "client"])
def test_jansson_reads_copies_and_prints_only_by_way_of_proto_json(room):
    found = []
    for path in sorted((ROOT / room).rglob("*.[ch]")):
        if path != ROOT / "proto/json.c":
            text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
            found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in UNSAFE.finditer(text)]
    assert not found


def test_no_test_releases_what_jansson_printed():
    for path in [*(ROOT / "tests/unit").glob("*.[ch]"), *(ROOT / "tests/fuzz").glob("*.[ch]")]:
        assert "json_dumps(" not in path.read_text(), f"{path}: use sower_json_text"
