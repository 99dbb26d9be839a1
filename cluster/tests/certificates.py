"""Certificates for the tests: an authority, and what it vouches for."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


@dataclass
class Pair:
    """A certificate and its key.

    Attributes:
        certificate: The certificate.
        key: Its key.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self._key(serialization.NoEncryption())

    @property
    def encrypted_key_pem(self) -> bytes:
        return self._key(serialization.BestAvailableEncryption(b"passphrase"))

    def _key(self, encryption: serialization.KeySerializationEncryption) -> bytes:
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, encryption)


@dataclass
class Authority:
    """Who vouches, as clusters' own do: without key identifiers."""

    pair: Pair = field(init=False)

    def __post_init__(self) -> None:
        self.pair = _issue("authority", None, ca=True)

    def server(self, *names: str) -> Pair:
        """A server's certificate for these names and addresses."""
        return _issue(names[0], self.pair, names=names)

    def client(self, name: str) -> Pair:
        """A client's certificate."""
        return _issue(name, self.pair)

    def context(self, folder: Path, *names: str) -> ssl.SSLContext:
        """A server's TLS context, which asks for a client's certificate and does without."""
        pair = self.server(*names)
        file = folder / "server.pem"
        file.write_bytes(pair.pem + pair.key_pem)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=self.pair.pem.decode())
        context.load_cert_chain(file)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as servers in Go
        return context


def _issue(name: str, by: Pair | None, names: tuple[str, ...] = (), *, ca: bool = False) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by is None else by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=ca)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_name(it) for it in names]), critical=False
        )
    return Pair(builder.sign(key if by is None else by.key, hashes.SHA256()), key)


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
