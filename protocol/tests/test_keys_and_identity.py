"""Keys are Ed25519 or refused; an identity holds for its nonce, its sandbox and its time alone."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kubebox_protocol.errors import STATUS, ErrorBody, ErrorCode
from kubebox_protocol.identity import identity_holds, sign_identity
from kubebox_protocol.keys import (
    KeyInvalid,
    new_private_key,
    public_pem,
    raw_public_key,
    read_private_key,
    read_public_keys,
)


def test_a_new_key_can_be_read_again() -> None:
    key = read_private_key(new_private_key())
    assert [raw_public_key(read) for read in read_public_keys(public_pem(key) * 2)] == [
        raw_public_key(key.public_key())
    ] * 2


def test_other_kinds_of_keys_are_refused_without_being_quoted() -> None:
    other = rsa.generate_private_key(65537, 2048)
    private = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for text in (private, "secret text", ""):
        with pytest.raises(KeyInvalid) as invalid:
            read_private_key(text)
        assert text == "" or text[:40] not in str(invalid.value)
    for text in (public, "nothing", "", new_private_key()):
        with pytest.raises(KeyInvalid):
            read_public_keys(text)


def test_an_identity_holds_for_exactly_what_was_signed() -> None:
    key = read_private_key(new_private_key())
    name = base64.b64encode(raw_public_key(key.public_key())).decode()
    signature = sign_identity(key, "nonce", "box", "uid", 12.5)
    assert identity_holds(name, signature, "nonce", "box", "uid", 12.5)
    assert not identity_holds(name, signature, "other", "box", "uid", 12.5)
    assert not identity_holds(name, signature, "nonce", "box", "other", 12.5)
    assert not identity_holds(name, signature, "nonce", "box", "uid", 12.6)
    assert not identity_holds(name, "not base64!", "nonce", "box", "uid", 12.5)
    assert not identity_holds("AAAA", signature, "nonce", "box", "uid", 12.5)


def test_every_code_has_a_status_and_is_kebab_case() -> None:
    assert set(STATUS) == set(ErrorCode)
    assert all(code.replace("-", "").isalpha() and code == code.lower() for code in ErrorCode)


def test_an_error_of_a_newer_server_can_be_read() -> None:
    body = ErrorBody.model_validate({"code": "from-the-future", "message": "m", "more": 1})
    assert (body.code, body.data) == ("from-the-future", {})
