#!/usr/bin/env python3
"""Creates a container on Azurite and prints two shared access signatures for it: one that may write, one that may not.

    azure_container.py PORT CONTAINER

Signed with the published development key. Followed: "Authorize with Shared Key" and "Create a service SAS", version
2020-12-06, of Azure Storage's REST documentation.
"""

import base64
import email.utils
import hashlib
import hmac
import http.client
import sys
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

ACCOUNT = "devstoreaccount1"
KEY = base64.b64decode("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
VERSION = "2020-12-06"


def signature(text):
    return base64.b64encode(hmac.new(KEY, text.encode(), hashlib.sha256).digest()).decode()


def create(port, container):
    path = f"/{ACCOUNT}/{container}"
    headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": VERSION}
    lines = ["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in sorted(headers.items()))]
    text = "\n".join(lines) + f"\n/{ACCOUNT}{path}\nrestype:container"
    headers |= {"Authorization": f"SharedKey {ACCOUNT}:{signature(text)}", "Content-Length": "0"}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("PUT", f"{path}?restype=container", headers=headers)
    answer = connection.getresponse()
    if answer.status not in (201, 409):
        sys.exit(f"container {container}: status {answer.status}: {answer.read().decode()}")


def access_signature(container, permissions):
    ends = (datetime.now(timezone.utc) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = [permissions, "", ends, f"/blob/{ACCOUNT}/{container}", "", "", "", VERSION, "c", "", ""]
    text = "\n".join([*fields, *[""] * 5])
    return urlencode({"sv": VERSION, "sr": "c", "sp": permissions, "se": ends, "sig": signature(text)})


port, container = int(sys.argv[1]), sys.argv[2]
create(port, container)
print(f"writer {access_signature(container, 'rcwdl')}")
print(f"reader {access_signature(container, 'rl')}")
