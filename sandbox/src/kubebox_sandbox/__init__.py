"""The server of a Kubebox sandbox."""

__version__ = "0.1.0"
