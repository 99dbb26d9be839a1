"""One local sandbox: started, watched, ended, and removed without a trace.

Standard input brings the config as its first line, then requests; when it closes, the user's program is gone.
Standard output carries events: `ready`, `refused`, `answer`, and at the very end `ended`.
"""

import json
import os
import resource
import shutil
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from kubebox.errors import KubeboxError, PodFailed
from kubebox.local import diagnose, network
from kubebox.local.bubblewrap import (
    CONTROL,
    ENVIRONMENT,
    Sizes,
    System,
    environment_arguments,
    write_etc,
)
from kubebox.local.config import Config, Log, emit
from kubebox.local.enclosure import Enclosed, Site, workspace_account
from kubebox.local.folders import Base
from kubebox.local.limits import Enforcement, enforce, plan_cgroups
from kubebox.local.loop import Loop, Receive
from kubebox.local.observe import when_created, when_ready
from kubebox.local.probe import Expected, judge
from kubebox.local.processes import NICENESS, end_all
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
        self._ends = 0.0
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
        self._live_for(config.lifetime, f"its lifetime of {config.lifetime:g} s was over")

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
            asked = json.loads(line)
            operation, number = asked["op"], asked.get("number")
            if operation == "destroy":
                self.finish("destroyed", "it was destroyed by its owner")
            elif operation == "logs":
                emit("answer", number=number, text=self.log.text())
            elif operation == "lifetime":
                seconds = asked["seconds"]
                self._live_for(seconds, f"the {seconds:g} s were over that set_timeout() had left it")
                emit("answer", number=number, text="")

    def clean_up(self) -> None:
        """Kill what runs, wait until it is gone, remove what lies about."""
        end_all()
        self.base.remove()

    def _live_for(self, seconds: float, over: str) -> None:
        self._ends = ends = time.monotonic() + seconds

        def end() -> None:
            if self._ends == ends:  # nobody has changed it since
                self.finish("lifetime-over", over)

        self.loop.after(seconds, end)

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
