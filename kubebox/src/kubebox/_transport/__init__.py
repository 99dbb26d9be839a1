"""The way to a sandbox's server. Nothing outside this package knows HTTP or Socket.IO."""


def preload() -> None:
    """Import what a connection needs, a third of a second's worth, while something else is waited for."""
    import aiohttp as aiohttp
    import socketio as socketio

    from kubebox._transport import http as http
