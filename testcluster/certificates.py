"""Certificates and kubeconfigs: a certificate authority of the cluster's own, and a name for each who talks to the API server."""

import base64
import datetime
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from testcluster.place import NODE_NAME, Place

LIFE: Final = datetime.timedelta(days=30)
"""Longer than anybody keeps a test cluster up."""

CLOCKS_APART: Final = datetime.timedelta(days=1)
"""How far back they are valid, for tests that set clocks."""

SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True)
class Authority:
    """Who signs certificates.

    Attributes:
        certificate: Its own.
        key: What it signs with.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Holder:
    """Whom a certificate is for.

    Attributes:
        user: The name that Kubernetes knows them by.
        group: The group that Kubernetes knows them by.
        names: Names and addresses by which they are called.
        usages: What the certificate is good for.
    """

    user: str
    group: str | None = None
    names: tuple[str, ...] = ()
    usages: tuple[x509.ObjectIdentifier, ...] = (CLIENT,)


def write_certificates(place: Place) -> None:
    """Write all certificates, keys and kubeconfigs of a cluster.

    Args:
        place: The cluster's.
    """
    place.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _found(place.pki)
    for name, holder in _holders(place).items():
        _issue(place.pki, name, holder, authority)
        _write_kubeconfig(place, name)
    _write_key(place.pki / "serviceaccounts.key", key := ec.generate_private_key(ec.SECP256R1()))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (place.pki / "serviceaccounts.pub").write_bytes(public)


def _holders(place: Place) -> dict[str, Holder]:
    kubernetes = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", "127.0.0.1")
    return {
        "apiserver": Holder(
            "kube-apiserver",
            names=(*kubernetes, place.service_address("0.1"), place.node_address),
            usages=(SERVER,),
        ),
        "kubelet": Holder(
            f"system:node:{NODE_NAME}",
            "system:nodes",
            names=(NODE_NAME, place.node_address),
            usages=(CLIENT, SERVER),
        ),
        "admin": Holder("admin", "system:masters"),
        "controller-manager": Holder("system:kube-controller-manager"),
        "scheduler": Holder("system:kube-scheduler"),
        "proxy": Holder("system:kube-proxy"),
    }


def _found(pki: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "testcluster-ca")])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _begin(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(pki / "ca.key", key)
    (pki / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(certificate, key)


def _issue(pki: Path, name: str, holder: Holder, authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, holder.user)]
    if holder.group:
        subject.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, holder.group))
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    names = [_general_name(each) for each in holder.names or (name,)]
    certificate = (
        _begin(x509.Name(subject), authority.certificate.subject, key.public_key())
        .add_extension(identifier, critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage(holder.usages), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    _write_key(pki / f"{name}.key", key)
    (pki / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _begin(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_APART)
        .not_valid_after(now + LIFE)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _write_kubeconfig(place: Place, name: str) -> None:
    def inline(file: str) -> str:
        return base64.b64encode((place.pki / file).read_bytes()).decode()

    server = {
        "server": f"https://{place.node_address}:6443",
        "certificate-authority-data": inline("ca.crt"),
    }
    user = {
        "client-certificate-data": inline(f"{name}.crt"),
        "client-key-data": inline(f"{name}.key"),
    }
    # JSON is YAML, and the standard library writes it.
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testcluster",
        "clusters": [{"name": "testcluster", "cluster": server}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "testcluster", "context": {"cluster": "testcluster", "user": name}}],
    }
    path = place.pki / f"{name}.conf"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
