"""A schema registry of one schema behind TLS, with a certificate that nobody else knows.

    python tests/lab/registry_tls.py FOLDER PORT

Certificates are made anew; the one to trust is FOLDER/ca.pem. Schema 7 is an Avro record with the field `country`; it is
given to the user `ann` with the password `s3cret` only. Ready when it prints `Listening on`.
"""

import base64
import http.server
import json
import ssl
import sys

from certificates import make_certificates

FIELD = {"name": "country", "type": "string"}
SCHEMA = {"type": "record", "name": "Click", "fields": [FIELD]}
LOGIN = "Basic " + base64.b64encode(b"ann:s3cret").decode()
ANSWERS = {"/schemas/ids/7": {"schema": json.dumps(SCHEMA)}, "/schemas/types": ["AVRO"]}


class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = ANSWERS.get(self.path.split("?")[0])
        if self.headers.get("Authorization") != LOGIN:
            self.answer(401, {"error_code": 401})
        elif answer is None:
            self.answer(404, {"error_code": 40403})
        else:
            self.answer(200, answer)

    def answer(self, status, said):
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    folder, port = sys.argv[1], int(sys.argv[2])
    make_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Registry)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print("Listening on", port, flush=True)
    server.serve_forever()


main()
