"""What a Kubebox client and a sandbox say to each other. Depends on pydantic, PyJWT and cryptography alone."""

__version__ = "0.1.0"
