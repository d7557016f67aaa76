#!/usr/bin/env python3
"""Copies what lies below a prefix of the lab's GCS, Azure or Swift server into a folder, by each server's own REST interface.

    mirror.py gcs JSON_ENDPOINT PREFIX FOLDER
    mirror.py azure ENDPOINT PREFIX FOLDER SIGNATURE
    mirror.py swift ACCOUNT_URL PREFIX FOLDER

Nothing of Secor's own code, nor of the library that it writes with, has a part in it.
"""

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import quote, urlencode
from urllib.request import urlopen

BUCKET = "archive"


def read(url):
    with urlopen(url) as answer:
        return answer.read()


def gcs(endpoint, prefix):
    token = ""
    while True:
        query = urlencode({"prefix": prefix, "pageToken": token})
        page = json.loads(read(f"{endpoint}/storage/v1/b/{BUCKET}/o?{query}"))
        for item in page.get("items") or []:
            name = item["name"]
            yield name, f"{endpoint}/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}?alt=media"
        token = page.get("nextPageToken") or ""
        if not token:
            return


def azure(endpoint, prefix, signature):
    marker = ""
    while True:
        query = urlencode({"restype": "container", "comp": "list", "prefix": prefix, "marker": marker})
        page = ElementTree.fromstring(read(f"{endpoint}/{BUCKET}?{query}&{signature}"))
        for name in (blob.findtext("Name") for blob in page.iter("Blob")):
            yield name, f"{endpoint}/{BUCKET}/{quote(name)}?{signature}"
        marker = page.findtext("NextMarker") or ""
        if not marker:
            return


def swift(account, prefix):
    """The container may be read by everybody."""
    marker = ""
    while True:
        query = urlencode({"format": "json", "prefix": prefix, "marker": marker})
        page = json.loads(read(f"{account}/{BUCKET}?{query}"))
        for item in page:
            yield item["name"], f"{account}/{BUCKET}/{quote(item['name'])}"
        if not page:
            return
        marker = page[-1]["name"]


kind, endpoint, prefix, folder, *rest = sys.argv[1:]
listed = {"gcs": gcs, "azure": azure, "swift": swift}[kind](endpoint, prefix + "/", *rest)
for name, url in listed:
    file = Path(folder, name[len(prefix) + 1 :])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(read(url))
