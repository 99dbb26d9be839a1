"""A server's proof that it is the one the client has met: its signature over the client's nonce."""

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_NONCE_LENGTH = 128
"""Characters of a nonce; ours have 43."""


def identity_statement(nonce: str, sandbox_id: str, sandbox_uid: str, time: float) -> bytes:
    """The bytes that a server signs. The first line keeps the signature from meaning anything elsewhere."""
    return "\n".join(["kubebox-identity-1", nonce, sandbox_id, sandbox_uid, f"{time:.6f}"]).encode()


def sign_identity(key: Ed25519PrivateKey, nonce: str, sandbox_id: str, sandbox_uid: str, time: float) -> str:
    """The signature, base64."""
    return base64.b64encode(key.sign(identity_statement(nonce, sandbox_id, sandbox_uid, time))).decode()


def identity_holds(
    identity: str, signature: str, nonce: str, sandbox_id: str, sandbox_uid: str, time: float
) -> bool:
    """Whether the signature was made by the key that is named, over exactly this."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(identity, validate=True))
        key.verify(
            base64.b64decode(signature, validate=True),
            identity_statement(nonce, sandbox_id, sandbox_uid, time),
        )
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True
