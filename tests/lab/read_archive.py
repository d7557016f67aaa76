#!/usr/bin/env python3
"""Reads the archived JSON lines of a topic with DuckDB, and nothing of ours.

    read_archive.py FOLDER

FOLDER is the topic's, with files at any depth (.gz, .zst or plain). The first line printed is a summary as JSON:
`records`, `ids` (different values of the number `id`), `first_id`, `last_id`, `files`, and `misplaced` (records in a
folder `dt=YYYY-MM-DD/hr=HH` that is not the hour of their `meta.ts`). Then, where folders are by hour, a line
`dt=YYYY-MM-DD/hr=HH<TAB>N` per hour, sorted, as flights.py --counts writes them.
"""

import glob
import json
import sys

import duckdb

COLUMNS = "{'id': 'BIGINT', 'meta': 'STRUCT(ts BIGINT)'}"
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", "": "none"}


def extension(file):
    return next((ending for ending in (".gz", ".zst") if file.endswith(ending)), "")


def main():
    folder = sys.argv[1]
    by_extension = {}
    for file in glob.glob(f"{glob.escape(folder)}/**/*_*_*", recursive=True):
        by_extension.setdefault(extension(file), []).append(file)
    database = duckdb.connect()
    database.execute("SET threads = 2")
    database.execute("CREATE TABLE archived (id BIGINT, ts BIGINT, folder VARCHAR, file VARCHAR)")
    for ending, files in by_extension.items():
        database.execute(
            f"""
            INSERT INTO archived
            SELECT id, meta.ts, regexp_extract(filename, 'dt=[^/]+/hr=[^/]+'), filename
            FROM read_json(?, format = 'newline_delimited', compression = '{COMPRESSIONS[ending]}',
                           columns = {COLUMNS}, hive_partitioning = false, filename = true)
            """,
            [sorted(files)],
        )
    names = "records", "ids", "first_id", "last_id", "files", "misplaced"
    numbers = database.execute(
        """
        SELECT count(*), count(DISTINCT id), coalesce(min(id), -1), coalesce(max(id), -1), count(DISTINCT file),
               count(*) FILTER (folder <> '' AND folder <> strftime(make_timestamp(ts * 1000), 'dt=%Y-%m-%d/hr=%H'))
        FROM archived
        """
    ).fetchone()
    print(json.dumps(dict(zip(names, numbers))))
    hours = "SELECT folder, count(*) FROM archived WHERE folder <> '' GROUP BY folder ORDER BY folder"
    for hour, count in database.execute(hours).fetchall():
        print(f"{hour}\t{count}")


if __name__ == "__main__":
    main()
