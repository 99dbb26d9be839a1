"""Ed25519 keys: making, reading, naming."""

import base64
import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)


class KeyInvalid(ValueError):
    """Text that is not the Ed25519 key it should be. The message never quotes it: it may be a secret."""


def new_private_key() -> str:
    """A new private key as PEM text (PKCS #8, not encrypted)."""
    return (
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    )


def read_private_key(pem: str) -> Ed25519PrivateKey:
    """Read a private key from PEM text.

    Raises:
        KeyInvalid: It is not an unencrypted Ed25519 private key.
    """
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyInvalid(
            "not an unencrypted private key in PEM form; `kubebox keys generate` makes one"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyInvalid("the private key is of another kind than Ed25519; `kubebox keys generate` makes one")
    return key


def read_public_keys(pem: str) -> list[Ed25519PublicKey]:
    """Read one or more public keys from PEM text.

    Raises:
        KeyInvalid: There is none, or one of them is not an Ed25519 public key.
    """
    end = "-----END PUBLIC KEY-----"
    keys: list[Ed25519PublicKey] = []
    for block in pem.split(end)[:-1]:
        try:
            key = load_pem_public_key((block.strip() + "\n" + end + "\n").encode())
        except (ValueError, UnsupportedAlgorithm):
            raise KeyInvalid("not a public key in PEM form; `kubebox keys show` prints yours") from None
        if not isinstance(key, Ed25519PublicKey):
            raise KeyInvalid(
                "the public key is of another kind than Ed25519; `kubebox keys show` prints yours"
            )
        keys.append(key)
    if not keys:
        raise KeyInvalid("no public key in PEM form found; `kubebox keys show` prints yours")
    return keys


def public_pem(key: Ed25519PrivateKey) -> str:
    """The public half as PEM text."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def raw_public_key(key: Ed25519PublicKey) -> bytes:
    """The public key's 32 bytes."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def thumbprint(key: Ed25519PublicKey) -> str:
    """A key's name: base64url of the SHA-256 of its 32 bytes, 43 characters."""
    return base64.urlsafe_b64encode(hashlib.sha256(raw_public_key(key)).digest()).rstrip(b"=").decode()
