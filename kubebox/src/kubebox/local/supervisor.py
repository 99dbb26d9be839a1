"""One local sandbox: started, watched, ended, and removed without a trace.

Standard input brings the config as its first line, then requests; when it closes, the user's program is gone.
Standard output carries events: `ready`, `refused`, `logs`, and at the very end `ended`.
"""

import json
import os
import resource
import shutil
import signal
import socket
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from kubebox.errors import KubeboxError, LocalUnavailable, PodFailed
from kubebox.local import diagnose, network
from kubebox.local.bubblewrap import (
    CONTROL,
    ENVIRONMENT,
    Sizes,
    System,
    environment_arguments,
    write_etc,
)
from kubebox.local.config import Config, Log, emit, emit_refusal, read_line
from kubebox.local.enclosure import Enclosed, Site, workspace_account
from kubebox.local.folders import Base, choose_parent, make_base, sweep
from kubebox.local.limits import Enforcement, enforce, plan_cgroups
from kubebox.local.loop import Loop, Receive
from kubebox.local.observe import when_created, when_ready
from kubebox.local.probe import Expected, judge
from kubebox.local.processes import NICENESS, adopt_orphans, end_all
from kubebox.local.restart import KeptServer
from kubebox.local.server import start_server

START_SECONDS: Final = 30.0
"""How long a start may take. The server's imports take a third of a second, on a busy machine seconds."""

MOST_OPEN_FILES: Final = 65536
"""Descriptors of one command: more than any program of good will opens."""

BACKLOG: Final = 1024
"""Connections that wait for the server to take them, also while it starts."""


class Supervisor:
    """Holds one sandbox.

    Args:
        config: What it shall be.
        base: Its folders.
    """

    def __init__(self, config: Config, base: Base, loop: Loop) -> None:
        self.config = config
        self.base = base
        self.loop = loop
        self.log = Log()
        self.end: tuple[str, str] | None = None
        self.refusal: KubeboxError | None = None
        self._complaints = Log()
        self._report = bytearray()
        self._enforced = Enforcement()
        self._began = time.monotonic()
        self._phases: dict[str, float] = {}
        self._sound = False
        self._answered = False
        self._identity: str | None = None
        self._requests = bytearray()
        self._tools: network.Tools | None = None

    def begin(self) -> None:
        """Start everything; what follows comes by events."""
        config = self.config
        bubblewrap = diagnose.find_bubblewrap(config.search)
        account = workspace_account()
        if config.network == "internet":
            self._tools = network.find_tools(config.search)
        # Held until the sandbox ends, so that nobody else gets its port while a server is replaced.
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port = self._listener.getsockname()[1]
        self._limit()
        self._start_server(account[0] if account else os.getuid())
        site = self._site(bubblewrap, account)
        self._enclose_probe(site)
        # Not before: init would look for the line in growing intervals.
        when_created(self.loop, self.base.control / "line.sock", lambda: self._enclose_init(site))
        self.loop.after(START_SECONDS, self._late)
        over = f"its lifetime of {config.lifetime:g} s was over"
        self.loop.after(config.lifetime, partial(self.finish, "lifetime-over", over))

    def finish(self, kind: str, message: str) -> None:
        """End the sandbox; the first reason counts."""
        if self.end is None and self.refusal is None:
            self.end = (kind, message)
        self.loop.stop()

    def refuse(self, error: KubeboxError) -> None:
        """Give up before it was ready."""
        if self.end is None and self.refusal is None:
            self.refusal = error
        self.loop.stop()

    def request(self, data: bytes) -> None:
        """Take what comes over standard input."""
        if not data:
            self.finish("owner-gone", "the program that created it has ended")
        self._requests += data
        *lines, rest = self._requests.split(b"\n")
        self._requests = bytearray(rest)
        for line in lines:
            operation = json.loads(line)["op"]
            if operation == "destroy":
                self.finish("destroyed", "it was destroyed by its owner")
            elif operation == "logs":
                emit("logs", text=self.log.text())

    def clean_up(self) -> None:
        """Kill what runs, wait until it is gone, remove what lies about."""
        end_all()
        self.base.remove()

    def _limit(self) -> None:
        plans = plan_cgroups(self.base.name, self.config.resources)
        self.base.note_cgroups([str(plan.path) for plan in plans])
        self._enforced = enforce(self.config.resources, plans)

    def _start_server(self, workspace_uid: int) -> None:
        cgroup = self._enforced.memory_cgroup
        begin = partial(start_server, self.config, self.base, self._listener, workspace_uid, cgroup)
        self._server = KeptServer(self.loop, begin, self.log.add, partial(self._lost, "server-ended"))
        self._server.start()
        self._mark("server_started")

    def _site(self, bubblewrap: str, account: tuple[int, int] | None) -> Site:
        config, base = self.config, self.base
        shutil.copyfile(config.init, base.control / "init")
        (base.control / "init").chmod(0o755)
        write_etc(base.etc, nameserver=network.NAMESERVER if self._tools else None)
        return Site(
            bubblewrap=bubblewrap,
            control=base.control,
            etc=base.etc,
            sizes=Sizes.divide(config.resources.disk),
            system=System.read(),
            account=account,
            join=[
                os.open(path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for path in self._enforced.cgroups
            ],
            rlimits=self._enforced.rlimits,
            variables=environment_arguments(ENVIRONMENT, config.environment, config.secrets),
            niceness=NICENESS,
        )

    def _enclose_probe(self, site: Site) -> None:
        hidden = [argument for path in self.config.hidden for argument in ("--home", path)]
        # The server listens already, so that what is refused is refused by the wall.
        closed = [f"127.0.0.1:{self.port}"]
        if self._tools is not None:
            closed += [f"{network.GATEWAY}:{self.port}", f"{network.METADATA}:80"]
        targets = [argument for target in closed for argument in ("--connect", target)]
        command = [f"{CONTROL}/init", "probe", *hidden, *targets]
        self._enclose(site, command, self._report.extend, self._complaints.add, self._judge)

    def _enclose_init(self, site: Site) -> None:
        self._mark("line_there")
        # Half of the server's, since descriptors that commands open travel to it.
        open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2 - 1
        command = [
            f"{CONTROL}/init",
            "--socket",
            f"{CONTROL}/line.sock",
            "--nofile",
            str(min(open_files, MOST_OPEN_FILES)),
        ]
        if self._enforced.processes is not None:
            command += ["--nproc", str(self._enforced.processes)]
        self._enclose(site, command, self.log.add, self._workspace_complains, self._workspace_ended)
        when_ready(self.loop, self.port, self._answers)

    def _enclose(
        self, site: Site, command: list[str], output: Receive, errors: Receive, ended: Callable[[], None]
    ) -> None:
        held = self._tools is not None
        enclosed = Enclosed(self.loop, site, command, output=output, errors=errors, held=held)
        if self._tools is None:
            enclosed.when_ended(ended)
        else:
            lost = partial(self._lost, "network-ended", "slirp4netns, its network, ended by itself")
            network.connect_while_it_lives(self.loop, self._tools, enclosed, self.log.add, ended, lost)

    def _workspace_complains(self, data: bytes) -> None:
        self._complaints.add(data)
        self.log.add(data)

    def _workspace_ended(self) -> None:
        if self._sound:
            self._lost("workspace-ended", "its workspace ended by itself")
        else:
            self._wall_failed()

    def _judge(self) -> None:
        self._mark("probed")
        if not self._report and self._complaints.text():
            self._wall_failed()
            return
        interfaces = {"lo"} if self._tools is None else {"lo", network.INTERFACE}
        names = {*ENVIRONMENT, *self.config.environment, *self.config.secrets}
        try:
            judge(bytes(self._report), Expected(interfaces=interfaces, variables=names))
        except KubeboxError as error:
            self.refuse(error)
            return
        self._sound = True
        self._tell_ready()

    def _wall_failed(self) -> None:
        self.refuse(diagnose.explain(self._complaints.text(), diagnose.read_settings()))

    def _answers(self, identity: str | None) -> None:
        self._mark("workspace_answers")
        self._identity = identity
        self._answered = True
        self._tell_ready()

    def _tell_ready(self) -> None:
        if self._sound and self._answered and self.refusal is None:
            self._mark("ready")
            self._server.keep()
            emit(
                "ready",
                port=self.port,
                identity=self._identity,
                limits=self._enforced.described(),
                phases=self._phases,
            )

    def _late(self) -> None:
        if "ready" not in self._phases:
            self.refuse(
                PodFailed(
                    f"the sandbox did not start within {START_SECONDS:g} s", log=self.log.text()[-4000:]
                )
            )

    def _lost(self, kind: str, message: str) -> None:
        if "ready" in self._phases:
            self.finish(kind, message)
        else:
            self.refuse(PodFailed(f"the sandbox did not start: {message}", log=self.log.text()[-4000:]))

    def _mark(self, phase: str) -> None:
        self._phases[phase] = round((time.monotonic() - self._began) * 1000, 1)


def main() -> int:
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
