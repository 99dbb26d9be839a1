"""Ask a server's health again and again until standard input ends, and print the 99th percentile of the answers, seconds.

A process of its own, of the standard library alone, so that the client under measurement does not slow the question.
"""

import http.client
import select
import sys
import time
from urllib.parse import urlsplit

PAUSE_SECONDS = 0.002
"""Between two questions: about 500 a second."""


def main(url: str) -> None:
    """Ask until told to stop."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    times: list[float] = []
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
        started = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        times.append(time.perf_counter() - started)
    times.sort()
    sys.stdout.write(f"{times[int(0.99 * len(times))]}\n")


if __name__ == "__main__":
    main(sys.argv[1])
