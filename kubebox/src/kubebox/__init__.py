"""Computers that LLM agents may break."""

__version__ = "0.1.0"
