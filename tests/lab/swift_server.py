#!/usr/bin/python3
"""A part of tests/lab/swift.sh.

    swift_server.py account|container|object|proxy FOLDER    runs one of Swift's servers with FOLDER/NAME.conf
    swift_server.py container-of-the-tests ENDPOINT          waits for the proxy, creates the container `archive`

Swift's servers leave their process group, so that nobody would end them with it. Here they stay, and read their
configuration's place from the command line instead of /etc/swift.
"""

import os
import sys
import time
import urllib.error
import urllib.request

PATIENCE_SECONDS = 170


def serve(name, folder):
    from swift.common import utils, wsgi

    os.setsid = lambda: None
    utils.SWIFT_CONF_FILE = os.path.join(folder, "swift.conf")
    sys.exit(wsgi.run_wsgi(os.path.join(folder, f"{name}.conf"), f"{name}-server"))


def ask(request):
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers


def create_container(endpoint):
    login = {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}
    # the servers come up in any order: the first that work together create it
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            headers = ask(urllib.request.Request(f"{endpoint}/auth/v1.0", headers=login))
            url, token = headers["X-Storage-Url"], headers["X-Auth-Token"]
            may_read = {"X-Auth-Token": token, "X-Container-Read": ".r:*,.rlistings"}
            ask(urllib.request.Request(f"{url}/archive", headers=may_read, method="PUT"))
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)


if sys.argv[1] == "container-of-the-tests":
    create_container(sys.argv[2])
else:
    serve(sys.argv[1], sys.argv[2])
