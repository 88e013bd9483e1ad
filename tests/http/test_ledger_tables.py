"""The ledger's tables are those of SPEC.md and of proto/ledger_tables.h, in SQLite and in PostgreSQL."""
import pathlib
import re
import sqlite3

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLES = ["line", "experiment", "trial", "writer", "manifest", "quota"]
SQLITE_TYPES = {"INTEGER": "number", "BLOB": "bytes", "TEXT": "text"}
POSTGRES_TYPES = {"bigint": "number", "smallint": "number", "integer": "number", "bytea": "bytes", "text": "text"}


def specified(table):
    """{column: (type, may be NULL, SQLite only)} of a table in SPEC.md, in the order of its rows."""
    section = (ROOT / "proto/SPEC.md").read_text().split("## 21. The ledger's tables\n")[1]
    rows = re.search(rf"\n`{table}`: .*?\n\n(\|.*?)\n\n", section, re.DOTALL)[1].splitlines()[2:]
    columns = {}
    for row in rows:
        name, kind, value = (cell.strip() for cell in row.strip("|").split("|"))
        columns[name.strip("`")] = (kind.removesuffix(", if any"), kind.endswith(", if any"), "SQLite only" in value)
    return columns


def header(name):
    """A list of columns, or a number, of the header that the daemon and sow are built with."""
    text = (ROOT / "proto/ledger_tables.h").read_text().replace("\\\n", "")
    columns = re.search(rf'#define {name}\s+("[^\n]*")', text)
    if columns:
        return "".join(re.findall(r'"([^"]*)"', columns[1])).split(", ")
    return int(re.search(rf"\b{name} = (\w+)", text)[1], 0)


@pytest.fixture(scope="module")
def database(daemon):
    with sqlite3.connect(f"file:{daemon.state}/ledger.sqlite?mode=ro", uri=True) as connection:
        yield connection
    connection.close()


def sqlite_columns(database, table):
    rows = database.execute("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?) ORDER BY cid", (table,))
    return {name: (SQLITE_TYPES[kind], not required and not key) for name, kind, required, key in rows}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_sqlite_has_the_columns_that_the_contract_names(database, table):
    expected = {name: (kind, optional) for name, (kind, optional, _) in specified(table).items()}
    assert sqlite_columns(database, table) == expected


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_postgresql_has_the_columns_that_the_contract_names(start, postgres, table):
    start("--ledger", postgres.url("ledger"))
    rows = postgres.query("ledger", f"""SELECT column_name || ' ' || data_type || ' ' || is_nullable FROM information_schema.columns
        WHERE table_schema = 'sower' AND table_name = '{table}'""")
    found = {name: (POSTGRES_TYPES[kind], null == "YES") for name, kind, null in (row.split() for row, in rows)}
    assert found == {name: (kind, optional) for name, (kind, optional, only) in specified(table).items() if not only}


@pytest.mark.parametrize("table", TABLES)
def test_the_header_names_the_columns_of_the_contract_in_their_order(table):
    columns = header(f"SOWER_LEDGER_{table.upper()}_COLUMNS")
    if table == "line":
        columns += header("SOWER_LEDGER_LINE_INDEX_COLUMNS")
    assert columns == list(specified(table))


def test_a_sqlite_file_has_the_numbers_of_the_contract_and_no_other_tables(database):
    text = (ROOT / "proto/SPEC.md").read_text()
    application, version = re.search(r"`application_id` (\w+) .* and the `user_version` (\d+)", text).groups()
    assert database.execute("PRAGMA application_id").fetchone() == (int(application, 0),)
    assert database.execute("PRAGMA user_version").fetchone() == (int(version),)
    assert header("SOWER_LEDGER_APPLICATION_ID") == int(application, 0)
    assert header("SOWER_LEDGER_SQLITE_VERSION") == int(version)
    tables = {name for name, in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables == {*TABLES, "probe"}


def test_postgresql_has_the_version_of_the_contract_and_no_other_tables(start, postgres):
    start("--ledger", postgres.url("ledger"))
    version = re.search(r"schema's version, (\d+)", (ROOT / "proto/SPEC.md").read_text())[1]
    assert postgres.query("ledger", "SELECT version FROM sower.ledger") == [[version]]
    assert header("SOWER_LEDGER_POSTGRES_VERSION") == int(version)
    tables = postgres.query("ledger", "SELECT table_name FROM information_schema.tables WHERE table_schema = 'sower'")
    assert {name for name, in tables} == {*TABLES, "ledger"}
