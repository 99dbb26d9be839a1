"""What a sandbox says of itself to anyone who asks."""

from kubebox_protocol.base import Answer


class Health(Answer):
    """`ok`, or why not.

    Attributes:
        status: `ok`; `network-unproven` and `network-open`, while no command is started for the network's sake; or a sentence.
        message: What `network-open` is about, for people.
    """

    status: str
    message: str = ""


class Info(Answer):
    """A sandbox's introduction, signed with its identity key over the nonce that the client sent.

    Attributes:
        protocol: The protocol's version.
        version: The server's version.
        sandbox_id: The sandbox's id.
        sandbox_uid: This body's unique id: another pod of the same name has another.
        time: The server's clock, Unix seconds; clients date their tokens by it.
        roots: Folders beneath which sessions may lie; the first is where relative ones go.
        profile: `restricted` or `root`.
        identity: The public identity key, base64 of its 32 raw bytes.
        signature: Over `identity_statement(...)`, base64.
    """

    protocol: int
    version: str
    sandbox_id: str
    sandbox_uid: str
    time: float
    roots: list[str]
    profile: str
    identity: str
    signature: str
