"""Running the server: `python -m kubebox_sandbox`, configured by its environment alone."""

import asyncio
import gc
import logging
import os
import resource
import socket
import sys
from typing import TYPE_CHECKING

import uvloop

from kubebox_protocol.limits import MAX_REQUEST_BYTES
from kubebox_sandbox.listen import listen
from kubebox_sandbox.settings import Settings, SettingsInvalid, read_settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn import Config, Server

EXIT_SETTINGS = 2
SHUTDOWN_SECONDS = 3
"""Seconds that requests get to end when the server does."""

KEEP_ALIVE_SECONDS = 75
"""Seconds that an idle connection is kept: longer than the 60 after which load balancers usually end theirs, so that they do."""

WANTED_DESCRIPTORS = 65536
"""Descriptors: a running command takes up to five (its journal, its output, its input, a shell's codes), a connection one."""

NOT_WORTH_A_LINE = (
    "without completing handshake",
    "Invalid HTTP request received",
    "Unsupported upgrade request",
)


def main() -> None:
    """Serve until told to stop."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        settings = read_settings()
        listening = _listening_socket(settings)
    except SettingsInvalid as invalid:
        for message in invalid.messages:
            print(f"kubebox-sandbox: {message}", file=sys.stderr)  # noqa: T201 - to whoever starts it
        sys.exit(EXIT_SETTINGS)
    logging.getLogger("uvicorn.error").addFilter(_is_worth_a_line)
    _raise_descriptor_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if not runner.run(_serve(settings, listening)):
            sys.exit(1)


async def _serve(settings: Settings, listening: socket.socket) -> bool:
    server = _server(settings)
    gc.freeze()  # What is there by now stays: to look through its 60,000 objects took 58 ms, for which nobody is served.
    gc.enable()
    loop = asyncio.get_running_loop()
    if settings.lifeline_fd is not None:
        os.set_blocking(settings.lifeline_fd, False)
        loop.add_reader(settings.lifeline_fd, _watch_lifeline, settings.lifeline_fd, server)
    await server.serve(sockets=[listening])
    return server.started


def _server(settings: Settings) -> "Server":
    from uvicorn import Server

    from kubebox_sandbox.app import create_app

    return Server(configuration(create_app(settings)))


def configuration(app: "ASGIApp") -> "Config":
    """How the application is served; tests serve it in the same way."""
    from uvicorn import Config

    from kubebox_sandbox.bounded_http import BoundedHttp

    return Config(
        app,
        loop="none",
        http=BoundedHttp,
        ws="websockets-sansio",
        ws_max_size=MAX_REQUEST_BYTES,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    # uvicorn says so of each WebSocket that was answered with an HTTP error, as refused ones are, and of each request
    # that is none: a flood at anybody's will.
    message = record.getMessage()
    return not any(words in message for words in NOT_WORTH_A_LINE)


def _watch_lifeline(descriptor: int, server: "Server") -> None:
    try:
        ended = not os.read(descriptor, 4096)
    except BlockingIOError:
        return
    except OSError:
        ended = True
    if ended:
        logging.getLogger(__name__).info("the lifeline has closed; the server ends")
        asyncio.get_running_loop().remove_reader(descriptor)
        server.should_exit = True


def _listening_socket(settings: Settings) -> socket.socket:
    if settings.listen_fd is not None:
        try:
            return _inherited(settings.listen_fd)
        except OSError as error:
            raise SettingsInvalid(
                [f"KUBEBOX_LISTEN_FD: not a listening socket: {error.strerror or error}"]
            ) from None
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        raise SettingsInvalid(
            [f"KUBEBOX_HOST, KUBEBOX_PORT: cannot listen there: {error.strerror}"]
        ) from None


def _inherited(descriptor: int) -> socket.socket:
    listening = socket.socket(fileno=descriptor)
    if not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise OSError("it does not listen")
    listening.set_inheritable(False)
    return listening


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, WANTED_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
