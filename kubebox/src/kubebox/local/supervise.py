"""A supervisor's process, from its first line of input to its last of output."""

import signal
import traceback
from contextlib import suppress

from kubebox.errors import KubeboxError, LocalUnavailable
from kubebox.local.config import Config, emit, emit_refusal, read_line
from kubebox.local.enclosure import workspace_account
from kubebox.local.folders import choose_parent, make_base, sweep
from kubebox.local.loop import Loop
from kubebox.local.processes import adopt_orphans
from kubebox.local.supervisor import Supervisor


def supervise() -> int:
    """Hold a sandbox until it ends."""
    # Ctrl-C is for the user's program, which then lets go of the lifeline.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    adopt_orphans()
    config = Config.parse(read_line(0))
    account = workspace_account()
    try:
        folder = choose_parent(config.folder, others=account is not None)
    except KubeboxError as error:
        emit_refusal(error)
        return 0
    sweep(folder)
    supervisor = Supervisor(config, make_base(folder, account[1] if account else None), Loop())
    try:
        supervisor.loop.read(0, supervisor.request)
        supervisor.loop.on_signal(
            signal.SIGTERM, lambda: supervisor.finish("destroyed", "its supervisor was told to end")
        )
        with suppress(ProcessLookupError):
            supervisor.loop.when_ended(config.owner, lambda: supervisor.request(b""))
        supervisor.begin()
        supervisor.loop.run()
    except KubeboxError as error:
        supervisor.refuse(error)
    except Exception as error:
        # The boundary of the program: whatever it was, the user is told and all is removed.
        traceback.print_exc()
        supervisor.refuse(LocalUnavailable(f"the sandbox could not be started: {error}"))
    finally:
        if supervisor.refusal is not None:
            emit_refusal(supervisor.refusal)
        kind, message = supervisor.end or ("failed", "it could not be started")
        try:
            supervisor.clean_up()
        finally:
            emit("ended", kind=kind, message=message, log=supervisor.log.text())
    return 0
