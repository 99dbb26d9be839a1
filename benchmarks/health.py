"""Ask a server's health again and again, from one line of standard input to the next, and print each time's answers.

A process of its own, of the standard library alone, so that the client under measurement does not slow the question.
Arguments: the URL, and headers as JSON. Each answer is a JSON list of seconds.
"""

import http.client
import json
import select
import sys
import time
from urllib.parse import urlsplit

PAUSE_SECONDS = 0.002
"""Between two questions: about 500 a second."""

ANSWER_SECONDS = 30
"""Seconds to wait for one answer: the slowest server measured lets it wait for four."""


def main(url: str, headers: dict[str, str]) -> None:
    """Ask while asked to."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_SECONDS)
    _say("ready")
    while sys.stdin.readline():
        times: list[float] = []
        while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            started = time.perf_counter()
            connection.request("GET", address.path, headers=headers)
            connection.getresponse().read()
            times.append(time.perf_counter() - started)
        sys.stdin.readline()
        _say(json.dumps(times))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
