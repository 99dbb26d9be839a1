"""The TLS context of a target."""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Generator
from typing import Final, NoReturn

from kubebox_cluster.errors import ConfigInvalid
from kubebox_cluster.target import Target

DESCRIPTOR_FILES: Final = "/proc/self/fd"
"""Where Linux shows a process its own open files by name."""


def tls_context(target: Target, certificate: bytes | None) -> ssl.SSLContext:
    """Make the context. It reads the system's certificates, which takes some tens of milliseconds: not on an event loop.

    Args:
        target: The API server.
        certificate: The client's certificate and key as PEM; `None` for none.

    Raises:
        ConfigInvalid: The certificates or the key are damaged, or do not belong together.
    """
    try:
        authority = None if target.authority is None else target.authority.decode("ascii")
        context = ssl.create_default_context(cadata=authority)
    except (ssl.SSLError, UnicodeDecodeError):
        raise ConfigInvalid(f"{target.source}: the certificate-authority is damaged") from None
    # Clusters' own authorities are seldom strict (no key identifiers, mostly), and some give an intermediate one. Every
    # client in Go takes both; Python refuses the first since 3.13.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not target.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        _show(context, certificate, target.source)
    return context


def _show(context: ssl.SSLContext, certificate: bytes, source: str) -> None:
    def refuse() -> NoReturn:
        # Without this, OpenSSL asks for the passphrase on the terminal, and waits.
        raise ConfigInvalid(f"{source}: the client-key is encrypted; it has to be without a passphrase")

    with _as_file(certificate) as name:
        try:
            context.load_cert_chain(name, password=refuse)
        except ssl.SSLError as error:
            problem = "do not belong together" if error.reason == "KEY_VALUES_MISMATCH" else "are damaged"
            raise ConfigInvalid(f"{source}: the client-certificate and the client-key {problem}") from None


@contextlib.contextmanager
def _as_file(content: bytes) -> Generator[str]:
    """A name under which OpenSSL can read it, since it reads keys from files alone: of memory where there is such a thing."""
    if hasattr(os, "memfd_create") and os.path.isdir(DESCRIPTOR_FILES):
        descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield f"{DESCRIPTOR_FILES}/{descriptor}"
        return
    # mkstemp makes it with mode 0600, in a name that nobody can have taken before.
    descriptor, name = tempfile.mkstemp(prefix="kubebox-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        yield name
    finally:
        os.unlink(name)
