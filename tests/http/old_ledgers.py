"""Ledgers in the formats of older versions of sowerd."""
import sqlite3

APPLICATION_ID = 0x536F7772
LATEST = 4
# The SQL that older releases ran to get from each version to the next, unchanged.
SCHEMA = [
    """CREATE TABLE draw (ledger INTEGER PRIMARY KEY, time INTEGER NOT NULL, draw BLOB NOT NULL UNIQUE, seed BLOB NOT NULL, root BLOB NOT NULL,
         spec INTEGER NOT NULL, experiment TEXT NOT NULL, trial INTEGER NOT NULL, name TEXT NOT NULL, shape TEXT NOT NULL, dtype TEXT NOT NULL,
         init TEXT NOT NULL, layout TEXT NOT NULL) STRICT;
       CREATE INDEX draw_experiment ON draw (experiment);
       CREATE TABLE probe (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
       INSERT INTO probe VALUES (0, 0);""",
    """ALTER TABLE draw ADD COLUMN manifest BLOB;
       CREATE TABLE manifest (hash BLOB PRIMARY KEY, time INTEGER NOT NULL, text BLOB NOT NULL) STRICT;""",
    """CREATE TABLE trial (root BLOB NOT NULL, experiment TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, time INTEGER NOT NULL,
         key TEXT, PRIMARY KEY (root, experiment, first)) STRICT, WITHOUT ROWID;
       CREATE UNIQUE INDEX trial_key ON trial (root, experiment, key) WHERE key IS NOT NULL;""",
]
# Pairs: milliseconds since 1970, and the same time as the ledger prints it.
TIMES = [(1767225600000 + 1001 * n, f"2026-01-01T00:{n // 60:02}:{n % 60:02}.{n:03}Z") for n in range(600)]
# Blocks of trial numbers of the experiment "e" under the public root: first, count, key.
BLOCKS = [(0, 3, "a key"), (3, 1, None), (4, 1000000, "b")]


def draw_row(line, time, version):
    texts = [line["experiment"], line["trial"], line["name"], ",".join(map(str, line["shape"])), line["dtype"], line["init"], line["layout"]]
    row = [line["ledger"], time, *(bytes.fromhex(line[key]) for key in ["draw", "seed", "root"]), line["spec"], *texts]
    return row + ([bytes.fromhex(line["manifest"]) if "manifest" in line else None] if version > 1 else [])


def make_old_ledger(path, version, written, times=TIMES):
    """Writes a ledger as a daemon of an old version left it. Returns its lines, without the fields that the version did not have.

    `written` has the lines of draws, as the ledger prints them today, and the rows of manifests.
    """
    lines, manifests = written
    path.parent.mkdir(exist_ok=True)
    database = sqlite3.connect(path)
    database.executescript("PRAGMA journal_mode = WAL;" + "".join(SCHEMA[:version]))
    old = []
    for line in lines:
        time, text = times[len(old) % len(times)]
        row = draw_row(line, time, version)
        database.execute(f"INSERT INTO draw VALUES ({', '.join('?' * len(row))})", row)
        new = {"manifest"} if version == 1 else set()
        old.append({key: value for key, value in line.items() if key not in {"writer", "sequence", "link"} | new} | {"time": text})
    if version > 1:
        database.executemany("INSERT INTO manifest VALUES (?, ?, ?)", manifests)
    if version > 2:
        roots = [bytes.fromhex(lines[0]["root"]), bytes.fromhex(lines[-1]["root"])]
        blocks = [(roots[0], "e", *block) for block in BLOCKS] + [(roots[0], "only trials", 0, 1, "a key"), (roots[1], "e", 0, 7, "a key")]
        assert roots[0] != roots[1]
        for number, (root, experiment, first, count, key) in enumerate(blocks):
            time, text = times[(3 * number) % len(times)]
            database.execute("INSERT INTO trial VALUES (?, ?, ?, ?, ?, ?)", (root, experiment, first, count, time, key))
            old.append({"kind": "trials", "time": text, "root": root.hex(), "experiment": experiment, "trial": first, "count": count,
                        **({"key": key} if key else {})})
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {version}")
    database.commit()
    database.close()
    return old
