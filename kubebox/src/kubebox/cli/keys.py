"""`kubebox keys`: the user's key pair."""

from pathlib import Path

from kubebox import keys
from kubebox.cli.app import note, write
from kubebox.errors import InvalidArgument


def generate(*, force: bool = False, output: Path | None = None) -> None:
    """Make a new private key, and print its public half.

    Args:
        force: Replace a key that is there. Sandboxes that know only the old one stay closed to the new one.
        output: The file to write; the key in your configuration folder unless given.
    """
    path = output or keys.default_key_path()
    if output is not None and not output.parent.is_dir():
        raise InvalidArgument(f"{output.parent} is no folder; make it first, or give another --output")
    if path.exists() and not force:
        raise InvalidArgument(f"{path} exists; --force replaces it")
    key = keys.write_private_key(path, replace=force)
    note(f"private key: {path}")
    write(key.public_pem.strip())


def show() -> None:
    """Print the public key that sandboxes are given, and where its private half lies."""
    key = keys.resolve_private_key(make=False)
    note(f"private key: {key.path or f'${keys.ENVIRONMENT_VARIABLE}'}")
    write(key.public_pem.strip())
