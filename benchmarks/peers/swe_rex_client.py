"""SWE-ReX's own client, driven over a pipe: runs in SWE-ReX's environment, where nothing of ours is.

Reads questions, one a line (`{"id", "call", "fields", "times"}`), and answers with `{"id", "seconds", "answer"}` or
`{"id", "error"}`. The clock runs here, around the client's call alone, so that neither the pipe nor this program counts.
"""

import asyncio
import json
import os
import sys
import time
from importlib import import_module
from typing import Any

REQUESTS = {
    "execute": "Command",
    "create_session": "CreateBashSessionRequest",
    "run_in_session": "BashAction",
    "close_session": "CloseBashSessionRequest",
}


async def main(host: str, port: int, token: str) -> None:
    """Answer questions until there are no more."""
    abstract: Any = import_module("swerex.runtime.abstract")
    runtime: Any = import_module("swerex.runtime.remote").RemoteRuntime(
        host=host, port=port, auth_token=token
    )
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # The client prints.
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )

    async def answer(question: dict[str, Any]) -> None:
        call, request = getattr(runtime, question["call"]), getattr(abstract, REQUESTS[question["call"]])
        began = time.perf_counter()
        try:
            found = await asyncio.gather(
                *(call(request(**question["fields"])) for _ in range(question["times"]))
            )
        except Exception as error:
            said: dict[str, Any] = {"error": f"{type(error).__name__}: {error}"}
        else:
            said = {"seconds": time.perf_counter() - began, "answer": found[-1].model_dump()}
        answers.write(json.dumps({"id": question["id"], **said}) + "\n")
        answers.flush()

    async with asyncio.TaskGroup() as group:
        while line := await reader.readline():
            group.create_task(answer(json.loads(line)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
