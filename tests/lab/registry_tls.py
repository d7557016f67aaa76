"""A schema registry of one schema behind TLS, with a certificate that nobody else knows.

    python tests/lab/registry_tls.py FOLDER PORT

Certificates are made anew; the one to trust is FOLDER/ca.pem. Schema 7 is an Avro record with the field `country`; it is
given to the user `ann` with the password `s3cret` only. Ready when it prints `Listening on`.
"""

import base64
import datetime
import http.server
import ipaddress
import json
import ssl
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FIELD = {"name": "country", "type": "string"}
SCHEMA = {"type": "record", "name": "Click", "fields": [FIELD]}
LOGIN = "Basic " + base64.b64encode(b"ann:s3cret").decode()
ANSWERS = {"/schemas/ids/7": {"schema": json.dumps(SCHEMA)}, "/schemas/types": ["AVRO"]}


def certify(name, signer, extension):
    """A key and its certificate, signed by `signer` (a key and a name) or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer_key, issuer = signer or (key, name)
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=2)).add_extension(extension, critical=True)
    certificate = builder.sign(signer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return (key, name), certificate


def make_certificates(folder):
    authority, root = certify("authority", None, x509.BasicConstraints(ca=True, path_length=None))
    host = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    (key, _), certificate = certify("registry", authority, x509.SubjectAlternativeName([host]))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(f"{folder}/ca.pem", "wb") as file:
        file.write(root)
    with open(f"{folder}/server.pem", "wb") as file:
        file.write(private + certificate)


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
