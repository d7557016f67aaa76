#!/usr/bin/env python3
"""Counts archived ids against what a producer knows of them. Shares no code with the archiver.

    count_ids.py ARCHIVE TOPIC IDS

ARCHIVE is the folder that the store's prefix leads to, with JSON lines below ARCHIVE/TOPIC (.gz, .zst or plain); IDS
is a folder with the files `acked`, `failed`, `unknown` (what became of each id) and `log` (what Kafka holds), an id per
line. Prints one line of JSON: `acked`, `failed`, `unknown` (how many each), `archived` (records), `once` (ids that are
there once), `repeated` (ids that are there more often than in the log), `lost` (ids that are acked or in the log, and
there less often), `strange` (archived ids that were never made), `unknown_archived`, `failed_archived`, `log_repeated`
(ids that the producer wrote twice), `files`, `dead_letters` (files), and `examples` of what should not be.
"""

import glob
import json
import os
import sys

import duckdb

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", "": "none"}


def extension(file):
    return next((ending for ending in (".gz", ".zst") if file.endswith(ending)), "")


def load_archive(database, folder):
    database.execute("CREATE TABLE archived (id BIGINT, file VARCHAR)")
    by_extension = {}
    for file in glob.glob(f"{glob.escape(folder)}/**/*_*_*", recursive=True):
        by_extension.setdefault(extension(file), []).append(file)
    for ending, files in by_extension.items():
        database.execute(
            f"""
            INSERT INTO archived
            SELECT id, filename FROM read_json(?, format = 'newline_delimited', compression = '{COMPRESSIONS[ending]}',
                columns = {{'id': 'BIGINT'}}, hive_partitioning = false, filename = true)
            """,
            [sorted(files)],
        )


def load_ids(database, folder):
    database.execute("CREATE TABLE made (id BIGINT, fate VARCHAR)")
    for fate in "acked", "failed", "unknown", "log":
        file = os.path.join(folder, fate)
        if os.path.getsize(file):
            database.execute(
                f"INSERT INTO made SELECT column0, '{fate}' FROM read_csv(?, header = false, columns = {{'column0': 'BIGINT'}})",
                [file],
            )


def main():
    archive, topic, ids = sys.argv[1:]
    database = duckdb.connect()
    database.execute("SET threads = 2")
    load_archive(database, os.path.join(archive, topic))
    load_ids(database, ids)
    database.execute("CREATE TABLE counted AS SELECT id, count(*) AS times FROM archived GROUP BY id")
    database.execute("CREATE TABLE logged AS SELECT id, count(*) AS times FROM made WHERE fate = 'log' GROUP BY id")
    database.execute("CREATE TABLE wanted AS SELECT id, times FROM logged UNION ALL "
                     "SELECT id, 1 FROM made ANTI JOIN logged USING (id) WHERE fate = 'acked'")

    def number(query):
        return database.execute(f"SELECT count(*) FROM {query}").fetchone()[0]

    def archived_of(fate):
        return number(f"made SEMI JOIN counted USING (id) WHERE fate = '{fate}'")

    wrong = {
        "repeated": "counted LEFT JOIN logged USING (id) WHERE counted.times > coalesce(logged.times, 1)",
        "lost": "wanted LEFT JOIN counted USING (id) WHERE coalesce(counted.times, 0) < wanted.times",
        "strange": "counted ANTI JOIN made USING (id)",
    }
    found = {fate: number(f"made WHERE fate = '{fate}'") for fate in ("acked", "failed", "unknown")}
    found["archived"] = number("archived")
    found["once"] = number("counted WHERE times = 1")
    found.update({name: number(query) for name, query in wrong.items()})
    found["unknown_archived"] = archived_of("unknown")
    found["failed_archived"] = archived_of("failed")
    found["log_repeated"] = number("logged WHERE times > 1")
    found["files"] = database.execute("SELECT count(DISTINCT file) FROM archived").fetchone()[0]
    dead_letters = glob.glob(f"{glob.escape(archive)}/_dead_letters/**/*_*_*", recursive=True)
    found["dead_letters"] = len(dead_letters)
    found["examples"] = {
        name: [row[0] for row in database.execute(f"SELECT id FROM {query} ORDER BY id LIMIT 5").fetchall()]
        for name, query in wrong.items()
        if found[name]
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
