"""Serves the Keystone that `keystone.sh` has set up, and makes what a user of Swift needs.

python tests/lab/keystone_server.py FOLDER PORT STORAGE_URL
"""

import json
import socketserver
import sys
import threading
import urllib.request
import wsgiref.simple_server

import keystone.conf
from keystone.server.wsgi import initialize_public_application

# Of a token, once everybody is made.
LIFE_SECONDS = 4


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


def login(name, password, project):
    user = {"name": name, "domain": {"id": "default"}, "password": password}
    scope = {"project": {"name": project, "domain": {"id": "default"}}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}


class Client:
    """Asks in the name of one user."""

    def __init__(self, port, *who):
        self.at = f"http://127.0.0.1:{port}/v3/"
        self.token = None
        answer = self.ask("POST", "auth/tokens", login(*who))
        self.token = answer.headers["X-Subject-Token"]
        self.user = json.load(answer)["token"]["user"]["id"]

    def ask(self, method, path, body=None):
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["X-Auth-Token"] = self.token
        data = json.dumps(body).encode() if body is not None else None
        return urllib.request.urlopen(urllib.request.Request(self.at + path, data, headers, method=method))

    def make(self, kind, path=None, **fields):
        return json.load(self.ask("POST", path or f"{kind}s", {kind: fields}))[kind]


def populate(folder, port, storage):
    admin = Client(port, "admin", "lab-secret", "admin")
    service = admin.make("service", type="object-store", name="swift")["id"]
    admin.make("endpoint", service_id=service, interface="public", region_id="here", url=storage)
    project = admin.make("project", name="logs", domain_id="default")["id"]
    user = admin.make("user", name="archiver", password="hush", domain_id="default")["id"]
    member = json.load(admin.ask("GET", "roles?name=member"))["roles"][0]["id"]
    admin.ask("PUT", f"projects/{project}/users/{user}/roles/{member}")
    archiver = Client(port, "archiver", "hush", "logs")
    made = archiver.make("application_credential", f"users/{user}/application_credentials", name="lab")
    with open(f"{folder}/credential.json", "w") as file:
        json.dump({"id": made["id"], "secret": made["secret"]}, file)


def main():
    folder, port, storage = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    # Keystone would take them for its own
    del sys.argv[1:]
    application = initialize_public_application()
    server = wsgiref.simple_server.make_server("127.0.0.1", port, application, Server, Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    populate(folder, port, storage)
    keystone.conf.CONF.set_override("expiration", LIFE_SECONDS, "token")
    print("ready", flush=True)
    thread.join()


main()
