"""Certificates for the benchmark's names: self-signed, P-256, made once and kept."""
import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_one(name):
    """(certificate, key) as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=365))
                   .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
                   .sign(key, hashes.SHA256()))
    return (certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                              serialization.NoEncryption()))


def write_private(path, octets):
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as f:
        f.write(octets)


def folder(work, count, host):
    """The folder with N.crt, N.key of each name, and in both/ N.pem with the two, which HAProxy reads."""
    path = os.path.join(work, f"certificates-{count}")
    mark = path + ".complete"
    if os.path.exists(mark):
        return path
    print(f"# {count} certificates, made once", flush=True)
    for made in (path, both(path)):
        os.makedirs(made, exist_ok=True)
    for number in range(count):
        certificate, key = make_one(host(number))
        write_private(os.path.join(path, f"t{number}.crt"), certificate)
        write_private(os.path.join(path, f"t{number}.key"), key)
        write_private(os.path.join(both(path), f"t{number}.pem"), certificate + key)
    with open(mark, "w"):
        pass
    return path


def both(path):
    """Beside it: a folder of certificates may hold each but once."""
    return path + "-both"
