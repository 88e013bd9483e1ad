"""sow ledger head and sow ledger verify: every later change of a ledger is found, and the first wrong line is named."""
import bz2
import copy
import gzip
import json
import lzma
import os
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
import threading

import pytest

import sow_programs as sow
from conftest import Daemon
from second_implementation.ledger import link as link_of
from trials import take

LINES = 14


def draw(daemon, number, **more):
    fields = dict(experiment=f"e{number % 2}", name=f"w{number}", shape="4,6", init="normal(std=0.02)", **more)
    assert daemon.get("/v1/tensor", **fields).status == 200


def head_of(daemon, path):
    done = sow.run(["ledger", "head", "-o", path, "--server", f"http://{daemon.address}"])
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A ledger that two daemons wrote in turn, with lines of every kind: its lines, its database, its head, and an earlier head."""
    place = tmp_path_factory.mktemp("saved")
    ledger = f"sqlite:{place / 'ledger.sqlite'}"
    first = Daemon(place / "first", "--ledger", ledger)
    second = Daemon(place / "second", "--ledger", ledger)
    for number in range(4):
        draw(first if number % 3 else second, number)
    draw(first, 3, trial="5", layout="io", in_axis="0", fan_out="7", dtype="bf16")
    take(first, "e0", key="a key", count="2")
    head_of(first, place / "early.json")
    draw(second, 5)
    model = {"experiment": "model", "tensors": [{"name": f"t{n}", "shape": [n], "init": "zeros"} for n in range(3)]}
    assert second.post("/v1/model", model).status == 200
    for method in ["PUT", "DELETE"]:
        assert first.request(method, "/v1/experiments/e0/pin").status == 200
    # Drift: another shape for a name that is in the ledger.
    assert first.get("/v1/tensor", experiment="e1", name="w1", shape="5", init="zeros").status == 200
    take(second, "e1")
    lines = first.ledger()
    assert len(lines) == LINES and len({line["writer"] for line in lines}) == 2
    assert {line["kind"] for line in lines} == {"draw", "trials", "pin", "unpin"} and any("drift" in line for line in lines)
    head_of(second, place / "head.json")
    assert first.stop() == 0 and second.stop() == 0
    return {"lines": lines, "database": place / "ledger.sqlite", "head": place / "head.json", "early": place / "early.json"}


def write_lines(path, lines):
    path.write_text("".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines))
    return path


def verify(path, *options):
    return sow.run(["ledger", "verify", path, *options])


def relink(lines):
    """Recomputes numbers, places in the chains and links, as anyone can who knows the contract."""
    ends = {}
    for number, line in enumerate(lines, 1):
        sequence, link = ends.get(line["writer"], (0, "0" * 64))
        line["ledger"], line["sequence"] = number, sequence + 1
        line["link"] = link_of(line, link)
        ends[line["writer"]] = (line["sequence"], line["link"])
    return lines


def assert_named(done, number, words=""):
    """Checks that verification failed and named this line."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert re.search(rf"\b(second )?line {number} ", done.stderr.splitlines()[0]), done.stderr
    assert words in done.stderr, done.stderr
    assert done.stdout == b""


@pytest.fixture
def lines(saved):
    return copy.deepcopy(saved["lines"])


@pytest.fixture
def export(tmp_path):
    return lambda lines: write_lines(tmp_path / "ledger.ndjson", lines)


@pytest.fixture
def database(saved, tmp_path):
    """Changes a copy of the database by SQL statements; returns its path."""
    path = tmp_path / "copy.sqlite"
    shutil.copy(saved["database"], path)

    def change(*statements):
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()
        assert not pathlib.Path(f"{path}-wal").exists()
        return path

    return change


def test_an_unchanged_ledger_passes_and_is_summarized(saved, export, lines):
    for path in [export(lines), saved["database"]]:
        for options in [[], ["--head", saved["head"]], ["--head", saved["early"], "--head", saved["head"]]]:
            done = verify(path, *options)
            assert done.returncode == 0, done.stderr
            text = done.stdout.decode()
            assert f"lines   {LINES}," in text and "chains  2" in text
            for line in lines[-2:]:
                assert f"{line['writer']}  number {line['sequence']}\n        {line['link']}" in text
            assert text.count("matches: ") == len(options) // 2


def test_standard_input_may_be_an_export(saved, lines):
    done = sow.subprocess.run([sow.SOW, "ledger", "verify", "-"], env=sow.environment(), capture_output=True, timeout=sow.PATIENCE,
                              input="".join(json.dumps(line) + "\n" for line in lines).encode())
    assert done.returncode == 0, done.stderr


def other(key, value):
    """Another valid value for a member of a line."""
    if key == "time":
        return value[:-2] + ("1Z" if value[-2] != "1" else "2Z")
    if key == "kind":
        return "unpin" if value == "pin" else "pin"
    if key == "init":
        return "normal(mean=0,std=0.03)"
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return value + [1]
    if re.fullmatch("[0-9a-f]{64}", value):
        return value[:-1] + ("1" if value[-1] != "1" else "2")
    return value + "x"


def test_a_change_of_any_member_of_any_line_is_found(saved, export, lines):
    changed = 0
    for index, line in enumerate(lines):
        for key in line:
            attempt = copy.deepcopy(lines)
            attempt[index][key] = other(key, line[key])
            done = verify(export(attempt))
            if key == "ledger":
                assert_named(done, index + 1, "missing")
            else:
                assert done.returncode == 1 and f"line {index + 1} " in done.stderr, (key, done.stderr)
            changed += 1
    assert changed > 14 * LINES


def test_an_added_or_removed_member_is_found(export, lines):
    for key, value in [("drift", 1), ("manifest", "ab" * 32), ("comment", "no")]:
        attempt = copy.deepcopy(lines)
        attempt[1][key] = value
        assert_named(verify(export(attempt)), 2)
    for key in lines[1]:
        attempt = copy.deepcopy(lines)
        del attempt[1][key]
        assert_named(verify(export(attempt)), 2, f"{key}" if key != "kind" else "kind")


@pytest.mark.parametrize("number", [1, 5, LINES - 1])
def test_a_removed_line_is_found(export, lines, number):
    del lines[number - 1]
    assert_named(verify(export(lines)), number, "export the whole")


def test_a_removed_line_is_found_after_the_others_were_renumbered(export, lines):
    del lines[4]
    for index, line in enumerate(lines):
        line["ledger"] = index + 1
    assert_named(verify(export(lines)), 5)


def test_lines_removed_at_the_end_are_found_only_with_a_saved_head(saved, export, lines):
    for count in [1, 4]:
        path = export(lines[:-count])
        assert verify(path).returncode == 0
        assert_named(verify(path, "--head", saved["head"]), LINES - count + 1, "missing")


def test_an_earlier_head_matches_a_ledger_that_has_grown(saved, export, lines):
    early = json.loads(saved["early"].read_text())
    assert early["ledger"] < LINES
    assert verify(export(lines), "--head", saved["early"]).returncode == 0
    assert verify(export(lines[:early["ledger"]]), "--head", saved["early"]).returncode == 0
    assert_named(verify(export(lines[:early["ledger"] - 1]), "--head", saved["early"]), early["ledger"])


def test_swapped_lines_are_found(export, lines):
    lines[3], lines[4] = lines[4], lines[3]
    assert_named(verify(export(lines)), 4, "out of order: it comes after 4 lines")
    lines[3], lines[4] = lines[4], lines[3]
    lines[3]["ledger"], lines[4]["ledger"] = 5, 4
    lines[3], lines[4] = lines[4], lines[3]
    assert_named(verify(export(lines)), 4)


def test_a_line_moved_to_the_end_is_found(export, lines):
    lines.append(lines.pop(2))
    assert_named(verify(export(lines)), 3, f"out of order: it comes after {LINES - 1} lines")


def test_a_copied_line_is_found(export, lines):
    lines.insert(6, copy.deepcopy(lines[2]))
    assert_named(verify(export(lines)), 3, "a second line 3 was inserted after line 6")


def test_a_forged_line_is_found_at_any_place(saved, export, lines):
    for place in [0, 5, LINES]:
        attempt = copy.deepcopy(lines)
        forged = copy.deepcopy(attempt[0])
        forged["ledger"] = place + 1
        forged["name"] = "forged"
        attempt.insert(place, forged)
        for index in range(place, len(attempt)):
            attempt[index]["ledger"] = index + 1
        assert_named(verify(export(attempt)), place + 1)


def test_a_line_of_a_new_writer_is_found_only_with_a_saved_head(saved, export, lines):
    forged = {**lines[0], "writer": "ab" * 32}
    lines.insert(3, forged)
    path = export(relink(lines))
    assert verify(path).returncode == 0
    assert_named(verify(path, "--head", saved["head"]), 4, "inserted")


def test_a_recomputed_chain_is_found_only_with_a_saved_head(saved, export, lines):
    lines[5]["time"] = other("time", lines[5]["time"])
    path = export(relink(lines))
    assert verify(path).returncode == 0
    done = verify(path, "--head", saved["head"])
    assert_named(done, max(line["ledger"] for line in lines if line["writer"] == lines[5]["writer"]), "recomputed")
    early = json.loads(saved["early"].read_text())
    assert_named(verify(path, "--head", saved["head"], "--head", saved["early"]), early["ledger"])


def test_a_removed_chain_is_found_with_a_saved_head(saved, export, lines):
    gone = lines[0]["writer"]
    path = export(relink([line for line in lines if line["writer"] != gone]))
    assert verify(path).returncode == 0
    assert verify(path, "--head", saved["head"]).returncode == 1


def test_a_false_line_with_a_correct_link_is_found(export, lines):
    for index, key, value in [(0, "seed", "ab" * 32), (1, "draw", "ab" * 32), (2, "name", "v"), (4, "layout", "io,in_axis=0")]:
        attempt = copy.deepcopy(lines)
        attempt[index][key] = value
        assert_named(verify(export(relink(attempt))), index + 1, "not true")


def test_a_changed_head_is_refused(saved, export, lines, tmp_path):
    path = export(lines)
    head = json.loads(saved["head"].read_text())
    early = json.loads(saved["early"].read_text())
    for key, value in [("signature", early["signature"]), ("ledger", head["ledger"] + 1), ("time", early["time"]),
                       ("writer", early["writer"]), ("chains", head["chains"][:1]), ("chains", head["chains"][::-1])]:
        changed = tmp_path / "changed.json"
        changed.write_text(json.dumps({**head, key: value}))
        done = verify(path, "--head", changed)
        assert done.returncode == 1 and "not signed by its writer" in done.stderr, (key, done.stderr)


def test_a_file_that_is_not_a_head_is_refused(export, lines, tmp_path):
    for text in ["", "{}", "[]", json.dumps(lines[0])]:
        (tmp_path / "none.json").write_text(text)
        done = verify(export(lines), "--head", tmp_path / "none.json")
        assert done.returncode == 1 and "is not a ledger head" in done.stderr


def test_only_heads_of_the_given_writer_are_accepted(saved, export, lines):
    path = export(lines)
    by = {name: json.loads(saved[name].read_text())["writer"] for name in ("head", "early")}
    assert by["head"] != by["early"]
    assert verify(path, "--head", saved["head"], "--writer", by["head"]).returncode == 0
    done = verify(path, "--head", saved["head"], "--writer", by["early"])
    assert done.returncode == 1 and "not by the writer that --writer names" in done.stderr


def test_wrong_options_are_reported(saved, export, lines, tmp_path):
    path = export(lines)
    for options in [["--writer", "ab" * 32], ["--writer", "AB" * 32, "--head", saved["head"]], ["--root-key-file", tmp_path / "none"], ["another"]]:
        assert verify(path, *options).returncode == 2, options
    for options in [[tmp_path / "none"], [tmp_path], [path, "--head", tmp_path / "none"]]:
        assert verify(*options).returncode == 3, options


def test_a_file_that_is_not_a_ledger_is_refused(tmp_path):
    for text in ["x\n", "{}\n", "\n", "x" * 20000, '{"kind":"draw"}']:
        (tmp_path / "none").write_text(text)
        assert_named(verify(tmp_path / "none"), 1, "is not a ledger line")


def test_an_empty_ledger_is_complete(tmp_path):
    (tmp_path / "empty").write_text("")
    done = verify(tmp_path / "empty")
    assert done.returncode == 0 and b"lines   0," in done.stdout


def test_a_part_of_a_ledger_cannot_be_verified(export, lines):
    for part in [[line for line in lines if line["experiment"] == "e0"], lines[3:]]:
        done = verify(export(part))
        assert done.returncode == 1 and "export the whole: sow ledger" in done.stderr


def columns(saved):
    with sqlite3.connect(f"file:{saved['database']}?mode=ro", uri=True) as connection:
        found = [(row[1], row[2]) for row in connection.execute("PRAGMA table_info(line)")]
    connection.close()
    return found


def test_a_change_of_any_column_of_any_row_is_found(saved, database):
    for name, kind in columns(saved):
        if name == "ledger":
            continue
        for number in [1, 6, LINES]:
            value = {"BLOB": f"substr(coalesce({name}, zeroblob(32)), 1, 31)"
                             f" || CASE substr({name}, 32) WHEN x'{number:02x}' THEN x'ff' ELSE x'{number:02x}' END",
                     "TEXT": f"coalesce({name}, '') || 'x'", "INTEGER": f"coalesce({name}, 0) + 1"}[kind]
            if kind == "BLOB":
                value = f"CAST({value} AS BLOB)"
            path = database(f"UPDATE line SET {name} = {value} WHERE ledger = {number}")
            assert_named(verify(path), number)
            shutil.copy(saved["database"], path)


def test_a_change_in_the_tables_of_names_is_found(database, saved):
    for statement in ["UPDATE experiment SET name = name || 'x' WHERE id = 1", "UPDATE experiment SET root = zeroblob(32) WHERE id = 1",
                      "DELETE FROM experiment WHERE id = 1", "UPDATE writer SET key = zeroblob(32) WHERE id = 1", "DELETE FROM writer WHERE id = 1"]:
        path = database(statement)
        assert_named(verify(path), 1)
        shutil.copy(saved["database"], path)


DERIVED_DATA = {
    "no draws": "UPDATE experiment SET draws = 0 WHERE draws > 0", "one draw too many": "UPDATE experiment SET draws = draws + 1 WHERE id = 1",
    "numbers that would be given out again": "UPDATE experiment SET given = 0 WHERE given > 0", "numbers that were never given out": "UPDATE experiment SET given = given + 1",
    "below zero": "UPDATE experiment SET given = -1",
    "a pin without a line": "UPDATE experiment SET pinned = 1 WHERE pinned = 0", "first use": "UPDATE experiment SET first = first - 1",
    "last use": "UPDATE experiment SET last = last + 1",
    "an experiment without a line": "INSERT INTO experiment (root, name, draws, given, first, last, pinned) VALUES (zeroblob(32), 'n', 0, 0, 0, 0, 0)",
    "a trial's draws": "UPDATE trial SET draws = draws + 1", "a trial's first": "UPDATE trial SET first = first + 1",
    "a trial's last": "UPDATE trial SET last = last + 1", "a missing trial": "DELETE FROM trial",
    "a trial without a line": "INSERT INTO trial VALUES (1, 123456, 1, 0, 0)", "no trials": "DROP TABLE trial",
    "the time of a writer": "UPDATE writer SET time = time + 1", "a manifest's text": "UPDATE manifest SET text = CAST(text || ' ' AS BLOB)",
    "a manifest's hash": "UPDATE manifest SET hash = zeroblob(32)", "a manifest without text": "UPDATE manifest SET text = x''",
}


@pytest.mark.parametrize("statement", DERIVED_DATA.values(), ids=DERIVED_DATA)
def test_a_change_of_derived_data_is_found(database, statement):
    path = database(statement)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM manifest").fetchone() != (0,)
    connection.close()
    done = verify(path)
    assert done.returncode != 0 and done.stdout == b"" and ("its entry for" in done.stderr or "tables are missing" in done.stderr), done


def change_in_use(daemon, statement):
    """Changes the database of a running daemon."""
    with sqlite3.connect(daemon.state / "ledger.sqlite") as connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()


def test_a_trial_number_that_was_given_out_twice_is_found(start, tmp_path):
    daemon = start(state=tmp_path / "state")
    assert take(daemon, "e", count=3) == [0, 1, 2]
    change_in_use(daemon, "UPDATE experiment SET given = 1")
    assert take(daemon, "e", count=3) == [1, 2, 3]
    done = verify(daemon.state / "ledger.sqlite")
    assert done.returncode == 1 and "trial 1 was not the next number" in done.stderr


def test_a_removed_pin_is_found(start, tmp_path):
    daemon = start(state=tmp_path / "state")
    for method in ["PUT", "DELETE", "PUT"]:
        assert daemon.request(method, "/v1/experiments/e/pin").status == 200
    assert verify(daemon.state / "ledger.sqlite").returncode == 0
    change_in_use(daemon, "UPDATE experiment SET pinned = 0")
    done = verify(daemon.state / "ledger.sqlite")
    assert done.returncode == 1 and "experiment e (pinned)" in done.stderr


@pytest.mark.parametrize("number", [1, 5, LINES])
def test_a_deleted_row_is_found(database, saved, number):
    path = database(f"DELETE FROM line WHERE ledger = {number}")
    done = verify(path, "--head", saved["head"])
    assert_named(done, number, "missing")
    assert "export the whole" not in done.stderr, "the hint is for exports only"


def test_rows_deleted_at_the_end_are_found_by_the_table_of_writers(database):
    assert_named(verify(database(f"DELETE FROM line WHERE ledger > {LINES - 2}")), LINES - 1, "missing")


def test_an_inserted_row_is_found(database, saved, lines):
    named = [name for name, _ in columns(saved) if name != "ledger"]
    names, values = ", ".join(named), ", ".join("NULL" if name == "key" else name for name in named)
    path = database(f"INSERT INTO line (ledger, {names}) SELECT {LINES + 1}, {values} FROM line WHERE ledger = 1")
    assert_named(verify(path), LINES + 1)
    shutil.copy(saved["database"], path)
    path = database("UPDATE line SET ledger = -ledger WHERE ledger > 4", "UPDATE line SET ledger = 1 - ledger WHERE ledger < 0",
                    f"INSERT INTO line (ledger, {names}) SELECT 5, {values} FROM line WHERE ledger = 1")
    assert_named(verify(path), 5)


def test_swapped_rows_are_found(database):
    path = database("UPDATE line SET ledger = -ledger WHERE ledger IN (2, 3)", "UPDATE line SET ledger = 5 + ledger WHERE ledger < 0")
    assert_named(verify(path), 2)


def test_a_closed_database_is_read_without_creating_files(saved, tmp_path):
    place = tmp_path / "a%20 ?#place"
    place.mkdir()
    copied = place / "ledger?#%.sqlite"
    shutil.copy(saved["database"], copied)
    before = copied.read_bytes()
    assert verify(copied).returncode == 0
    assert [path.name for path in place.iterdir()] == [copied.name] and copied.read_bytes() == before


def test_a_database_in_use_is_read_up_to_its_last_line(start, tmp_path):
    daemon = start()
    for number in range(5):
        draw(daemon, number)
    done = verify(daemon.state / "ledger.sqlite", "--head", head_of(daemon, tmp_path / "head.json"))
    assert done.returncode == 0 and b"lines   5," in done.stdout, done.stderr
    draw(daemon, 5)
    assert b"lines   6," in verify(daemon.state / "ledger.sqlite", "--head", tmp_path / "head.json").stdout


def test_databases_of_other_programs_and_schemas_are_refused(database):
    for statement, words in [("PRAGMA user_version = 3", "schema 3"), ("PRAGMA user_version = 99", "schema 99"),
                             ("PRAGMA user_version = -1", "schema version, -1, is unknown"),
                             ("PRAGMA application_id = 1", "another program")]:
        done = verify(database("PRAGMA user_version = 4", statement))
        assert done.returncode == 3 and words in done.stderr, done.stderr


def test_a_truncated_database_is_refused(saved, tmp_path):
    path = tmp_path / "damaged.sqlite"
    path.write_bytes(saved["database"].read_bytes()[:8192])
    assert verify(path).returncode == 3


def free_pages(path):
    """The leaf pages of the free list, whose content does not matter (SQLite file format, section 1.5)."""
    file = path.read_bytes()
    number = lambda at: int.from_bytes(file[at:at + 4], "big")
    trunk, leaves = number(32), set()
    while trunk != 0:
        start = (trunk - 1) * 4096
        leaves |= {number(start + 8 + 4 * leaf) for leaf in range(number(start + 4))}
        trunk = number(start)
    return leaves


def test_damage_to_any_page_is_found(start, tmp_path):
    """Tables, indexes of several pages, overflow pages, and the free list."""
    daemon = start(state=tmp_path / "state")
    tensors = [{"name": f"{'block.' * 40}{n}", "shape": [1], "init": "zeros"} for n in range(120)]
    assert daemon.post("/v1/model", {"experiment": "model", "tensors": tensors}).status == 200
    for number in range(20):
        draw(daemon, number)
    assert take(daemon, "e0", key="a key") == [0] and daemon.stop() == 0
    whole = daemon.state / "ledger.sqlite"
    with sqlite3.connect(whole) as connection:
        connection.executescript("CREATE TABLE filler (x); INSERT INTO filler VALUES (zeroblob(20000)); DROP TABLE filler; PRAGMA journal_mode = delete;")
    connection.close()
    assert verify(whole).returncode == 0
    file, unused, path = whole.read_bytes(), free_pages(whole), tmp_path / "damaged.sqlite"
    pages = range(1, len(file) // 4096 + 1)
    assert len(pages) > 40 and 3 <= len(unused) < 10
    for page in pages:
        garbage = random.Random(page).randbytes(4096)
        path.write_bytes(file[:(page - 1) * 4096] + garbage + file[page * 4096:])
        done = verify(path)
        assert (done.returncode == 0) == (page in unused), (page, done)
        assert page in unused or done.stdout == b""
        assert page in unused or page == 1 or "is damaged: " in done.stderr or "malformed" in done.stderr, (page, done.stderr)


def test_an_index_that_lacks_an_entry_is_found(database):
    with sqlite3.connect(database()) as connection:
        ((index,),) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'line_name'")
    connection.close()
    empty = index.replace("WHERE name IS NOT NULL", "WHERE name = ''")
    assert empty != index
    path = database("DROP INDEX line_name", empty, "PRAGMA writable_schema = ON", f"UPDATE sqlite_schema SET sql = '{index}' WHERE name = 'line_name'")
    done = verify(path)
    assert done.returncode == 1 and "is damaged: " in done.stderr and done.stdout == b""


def test_a_database_that_was_copied_without_its_write_ahead_log_is_explained(start, tmp_path):
    daemon = start(state=tmp_path / "state")
    shutil.copy(daemon.state / "ledger.sqlite", tmp_path / "early.sqlite")
    draw(daemon, 0)
    head = head_of(daemon, tmp_path / "head.json")
    done = verify(tmp_path / "early.sqlite")
    assert done.returncode == 3 and "everything that sowerd wrote is in its write-ahead log, and that file is missing" in done.stderr
    assert f"the rest is in {tmp_path / 'early.sqlite'}-wal: copy that file too" in done.stderr and "another program" not in done.stderr
    with sqlite3.connect(daemon.state / "ledger.sqlite") as connection:  # a daemon does this from time to time
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    draw(daemon, 1)
    shutil.copy(daemon.state / "ledger.sqlite", tmp_path / "late.sqlite")
    head_of(daemon, head)
    done = verify(tmp_path / "late.sqlite", "--head", head)
    assert_named(done, 2, "missing")
    assert f"the rest is in {tmp_path / 'late.sqlite'}-wal" in done.stderr
    shutil.copy(daemon.state / "ledger.sqlite-wal", tmp_path / "late.sqlite-wal")
    assert verify(tmp_path / "late.sqlite", "--head", head).returncode == 0


@pytest.fixture
def read_only(tmp_path):
    """A directory that cannot be written to, and a function that runs sow without the rights of root."""
    place = tmp_path / "volume"
    place.mkdir()

    def run(*arguments):
        for path in [*place.iterdir(), place]:
            path.chmod(0o555)
        user = ["setpriv", "--reuid=65534", "--clear-groups"] if os.getuid() == 0 else []
        for path in [place, *place.parents]:
            if os.getuid() == 0 and path.stat().st_uid == 0 and path != place:
                path.chmod(path.stat().st_mode | 0o011)
        return subprocess.run([*user, sow.SOW, *arguments], capture_output=True, text=True, timeout=sow.PATIENCE, env=sow.environment())

    yield place, run
    place.chmod(0o755)


def test_a_ledger_on_a_read_only_volume_is_read_with_and_without_a_write_ahead_log(saved, start, tmp_path, read_only):
    place, run = read_only
    daemon = start(state=tmp_path / "state")
    for number in range(3):
        draw(daemon, number)
    shutil.copy(saved["database"], place / "closed.sqlite")
    for suffix in ["", "-wal"]:
        shutil.copy(daemon.state / f"ledger.sqlite{suffix}", place / f"open.sqlite{suffix}")
    names = sorted(path.name for path in place.iterdir())
    for name, lines in [("closed.sqlite", LINES), ("open.sqlite", 3)]:
        done = run("ledger", "verify", place / name)
        assert done.returncode == 0 and f"lines   {lines}," in done.stdout, done.stderr
    assert sorted(path.name for path in place.iterdir()) == names


COMPRESSORS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": lambda text: bytes.fromhex("28b52ffd") + text}


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_compressed_export_is_explained(export, lines, tmp_path, name):
    packed = tmp_path / "packed"
    packed.write_bytes(COMPRESSORS[name](export(lines).read_bytes()))
    done = verify(packed)
    assert done.returncode == 3 and f"it is compressed; {name} -dc FILE | sow ledger verify - reads it" in done.stderr


def test_other_files_are_explained(tmp_path):
    pointer = tmp_path / "ledger.ndjson"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "4d" * 32 + "\nsize 12345\n")
    done = verify(pointer)
    assert done.returncode == 3 and "Git LFS" in done.stderr and "git lfs pull" in done.stderr
    done = verify(tmp_path)
    assert done.returncode == 3 and "it is a directory; name the file in it" in done.stderr
    (tmp_path / "empty").write_text("")
    done = verify(tmp_path / "empty")
    assert done.returncode == 0 and b"lines   0, it is empty" in done.stdout and b"as they were written" not in done.stdout
    with sqlite3.connect(tmp_path / "no.sqlite") as connection:
        connection.executescript("CREATE TABLE a (b); DROP TABLE a;")
    connection.close()
    done = verify(tmp_path / "no.sqlite")
    assert done.returncode == 3 and "it is empty" in done.stderr


def test_seeds_of_a_private_root_are_checked_only_with_its_key(start, tmp_path):
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    daemon = start("--root-key-file", str(key))
    for number in range(3):
        draw(daemon, number)
    lines = daemon.ledger()
    path = write_lines(tmp_path / "ledger.ndjson", lines)
    done = verify(path)
    assert done.returncode == 0 and b"3 of 3 not checked" in done.stdout
    done = verify(path, "--root-key-file", key)
    assert done.returncode == 0 and b"not checked" not in done.stdout
    lines[1]["seed"] = "ab" * 32
    write_lines(path, relink(lines))
    assert verify(path).returncode == 0
    assert_named(verify(path, "--root-key-file", key), 2, "seed")


def test_the_ledger_of_the_daemon_is_verified_with_its_head(start, tmp_path):
    daemon = start()
    server = ["--server", f"http://{daemon.address}"]
    draw(daemon, 0)
    saved = head_of(daemon, tmp_path / "head.json")
    draw(daemon, 1)
    writer = json.loads(saved.read_text())["writer"]
    done = sow.run(["ledger", "verify", "--head", saved, "--writer", writer, *server])
    assert done.returncode == 0 and b"lines   2," in done.stdout and done.stdout.count(b"matches: ") == 2
    assert sow.run(["ledger", "verify", "--writer", "ab" * 32, *server]).returncode == 1
    another = start()
    done = sow.run(["ledger", "verify", "--head", saved, "--server", f"http://{another.address}"])
    assert_named(done, 1, "missing")


def test_a_server_that_leaves_out_lines_is_found(saved, lines):
    head = saved["head"].read_text()

    def response(handler, _):
        is_head = handler.path.endswith("/head")
        text = head if is_head else "".join(json.dumps(line) + "\n" for line in lines[:-1])
        sow.page(200, text, "application/json" if is_head else "application/x-ndjson")(handler, _)

    with sow.StandIn(response) as stand_in:
        assert_named(sow.run(["ledger", "verify", "--server", stand_in.address]), LINES, "missing")


def test_the_head_is_signed_by_the_daemon_that_responds_and_has_its_chain_first(start, tmp_path):
    ledger = f"sqlite:{tmp_path / 'ledger.sqlite'}"
    daemons = [start("--ledger", ledger), start("--ledger", ledger)]
    empty = daemons[0].get("/v1/ledger/head").json()
    assert empty["ledger"] == 0 and empty["chains"] == [] and len(empty["signature"]) == 128
    draw(daemons[0], 0)
    draw(daemons[1], 1)
    draw(daemons[1], 2)
    heads = [daemon.get("/v1/ledger/head").json() for daemon in daemons]
    lines = daemons[0].ledger()
    for head, other_head in zip(heads, heads[::-1]):
        assert list(head) == ["ledger", "time", "writer", "chains", "signature"]
        assert head["ledger"] == 3 and head["chains"][0]["writer"] == head["writer"]
        assert head["chains"] == other_head["chains"][::-1]
        for chain in head["chains"]:
            last = [line for line in lines if line["writer"] == chain["writer"]][-1]
            assert chain == {key: last[key] for key in ("writer", "sequence", "link")}
    response = daemons[0].get("/v1/ledger/head", limit="1")
    assert response.status == 400 and response.problem()["param"] == "limit"
    assert daemons[0].request("HEAD", "/v1/ledger/head").body == b""


def test_heads_are_consistent_while_lines_are_written(start):
    """The links of a head belong to the lines that it counts, whenever it is requested."""
    daemon = start()
    ended = threading.Event()

    def write():
        for number in range(200):
            draw(daemon, number)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    heads = []
    while not ended.is_set() or not heads:
        heads.append(daemon.get("/v1/ledger/head").json())
    writer.join()
    links = {line["ledger"]: line["link"] for line in daemon.ledger()}
    for head in heads:
        assert sum(chain["sequence"] for chain in head["chains"]) == head["ledger"]
        assert all(chain["link"] == links[head["ledger"]] for chain in head["chains"])


def test_sow_ledger_head_prints_text_on_a_terminal_and_json_elsewhere(start, tmp_path):
    daemon = start()
    server = ["--server", f"http://{daemon.address}"]
    draw(daemon, 0)
    done = sow.run(["ledger", "head", *server])
    head = json.loads(done.stdout)
    assert done.returncode == 0 and head["ledger"] == 1
    terminal = sow.Terminal()
    process = sow.start(["ledger", "head", *server], stdout=terminal.slave, stderr=terminal.slave)
    terminal.leave_to_program()
    text = terminal.read_all()
    assert process.wait(sow.PATIENCE) == 0 and "lines   1" in text and head["writer"] in text and head["chains"][0]["link"] in text
    assert sow.run(["ledger", "head", "--writer", head["writer"], *server]).returncode == 0
    assert sow.run(["ledger", "head", "--writer", "ab" * 32, *server]).returncode == 1
    assert sow.run(["ledger", "head", "--writer", "ab", *server]).returncode == 2
    assert sow.run(["ledger", "head", "-o", tmp_path / "none" / "head.json", *server]).returncode == 2


def test_a_head_that_was_changed_in_transit_is_refused(saved, tmp_path):
    head = json.loads(saved["head"].read_text())
    for text in [json.dumps({**head, "ledger": head["ledger"] + 1}), "{}", ""]:
        with sow.StandIn(sow.page(200, text, "application/json")) as stand_in:
            done = sow.run(["ledger", "head", "-o", tmp_path / "head.json", "--server", stand_in.address])
            assert done.returncode == (1 if len(text) > 2 else 3), done.stderr
            assert not (tmp_path / "head.json").exists()


def test_an_upgraded_ledger_is_one_correct_chain(start, tmp_path):
    """The tables of schema 3, with lines as a daemon of that time wrote them."""
    daemon = start()
    for number in range(3):
        draw(daemon, number)
    lines = daemon.ledger()
    state = tmp_path / "old"
    state.mkdir()
    with sqlite3.connect(state / "ledger.sqlite") as old:
        old.executescript("""
            CREATE TABLE draw (ledger INTEGER PRIMARY KEY, time INTEGER NOT NULL, draw BLOB NOT NULL UNIQUE, seed BLOB NOT NULL, root BLOB NOT NULL,
              spec INTEGER NOT NULL, experiment TEXT NOT NULL, trial INTEGER NOT NULL, name TEXT NOT NULL, shape TEXT NOT NULL, dtype TEXT NOT NULL,
              init TEXT NOT NULL, layout TEXT NOT NULL, manifest BLOB) STRICT;
            CREATE INDEX draw_experiment ON draw (experiment);
            CREATE TABLE probe (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
            INSERT INTO probe VALUES (0, 0);
            CREATE TABLE manifest (hash BLOB PRIMARY KEY, time INTEGER NOT NULL, text BLOB NOT NULL) STRICT;
            CREATE TABLE trial (root BLOB NOT NULL, experiment TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, time INTEGER NOT NULL,
              key TEXT, PRIMARY KEY (root, experiment, first)) STRICT, WITHOUT ROWID;
            PRAGMA application_id = 0x536F7772; PRAGMA user_version = 3;""")
        for line in lines:
            old.execute("INSERT INTO draw VALUES (?, 1767225600000, ?, ?, ?, 1, ?, 0, ?, '4,6', 'f32', ?, 'oi', NULL)",
                        (line["ledger"], *(bytes.fromhex(line[key]) for key in ("draw", "seed", "root")),
                         line["experiment"], line["name"], line["init"]))
        old.execute("INSERT INTO trial VALUES (?, 'e0', 0, 2, 1767225600000, 'key')", (bytes.fromhex(lines[0]["root"]),))
    old.close()
    done = verify(state / "ledger.sqlite")
    assert done.returncode == 3 and "schema 3" in done.stderr
    again = start(state=state)
    assert again.stop() == 0
    done = verify(state / "ledger.sqlite")
    assert done.returncode == 0 and b"lines   4," in done.stdout and b"chains  1\n" in done.stdout, done.stderr
