"""Certificates for servers on loopback, by an authority that nobody else knows.

    python tests/lab/certificates.py FOLDER

Made anew: FOLDER/ca.pem is the one to trust, FOLDER/server.pem a key with its certificate for 127.0.0.1, and
FOLDER/other.pem an authority that signed nothing.
"""

import datetime
import ipaddress
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


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
    (key, _), certificate = certify("server", authority, x509.SubjectAlternativeName([host]))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(f"{folder}/ca.pem", "wb") as file:
        file.write(root)
    with open(f"{folder}/other.pem", "wb") as file:
        file.write(certify("another authority", None, x509.BasicConstraints(ca=True, path_length=None))[1])
    with open(f"{folder}/server.pem", "wb") as file:
        file.write(private + certificate)


if __name__ == "__main__":
    make_certificates(sys.argv[1])
