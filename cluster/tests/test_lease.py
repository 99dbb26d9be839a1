"""The record of a sandbox: what is written is read again, and what is not ours is no error."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kubebox_cluster import lease, names
from kubebox_cluster.specification import Specification


def specification(**given: Any) -> Specification:
    return Specification(
        name="a", namespace="n", server_image="i", key_secret=("a-keys", "k"), lifetime=60.0, **given
    )


def stored(manifest: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """As the API server gives it back."""
    kept = {"uid": "u", "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    written = manifest["metadata"]["annotations"] | annotations
    return {**manifest, "metadata": {**manifest["metadata"], **kept, "annotations": written}}


def test_what_is_written_is_read_again() -> None:
    metadata = {"task": "Grüße\n\x01", "run": "7"}
    record = lease.read(stored(lease.new(specification(metadata=metadata), "somebody")))
    assert (record.metadata, record.holder, record.lifetime) == (metadata, "somebody", 60.0)
    assert datetime.now(UTC) - record.created < timedelta(minutes=5)  # of the sandbox, not of its object


@pytest.mark.parametrize("text", ["", "[]", "7", "{", '{"a": 7}'])
def test_metadata_that_others_have_broken_breaks_nothing(text: str) -> None:
    found = lease.read(stored(lease.new(specification(), "somebody"), **{names.METADATA: text}))
    assert found.metadata == ({"a": "7"} if "7}" in text else {})


def test_the_next_sandbox_of_a_name_has_none_of_the_last_ones() -> None:
    ended = lease.read(stored(lease.new(specification(metadata={"a": "b"}), "somebody")))
    assert (
        lease.renewed(specification(), "somebody", ended)["metadata"]["annotations"][names.METADATA] is None
    )
    again = lease.renewed(specification(metadata={"c": "d"}), "somebody", ended)
    assert again["metadata"]["annotations"][names.METADATA] == '{"c": "d"}'


def test_metadata_is_part_of_what_was_asked_for_and_none_changes_nothing() -> None:
    before = "858af915dcf75dab5c93d9d84f84a9c9101b9ca8a4fca75f55c808b8003e0602"  # as earlier versions have recorded it
    assert specification().digest() == before
    assert specification(metadata={"a": "b"}).digest() != before
