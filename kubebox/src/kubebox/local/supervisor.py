"""One local sandbox: started, watched, ended, and removed without a trace.

Standard input brings the config as its first line, then requests; when it closes, the user's program is gone. Standard output carries
events: `ready`, `refused`, `logs`, and at the very end `ended`.
"""

import json
import os
import pwd
import resource
import secrets
import shutil
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Final

from kubebox.errors import KubeboxError, LocalUnavailable, PodFailed
from kubebox.local import diagnose
from kubebox.local.bubblewrap import (
    CONTROL,
    ENVIRONMENT,
    WORKSPACE_UID,
    Sizes,
    System,
    environment_arguments,
    write_etc,
)
from kubebox.local.config import Config, Log, emit, emit_refusal
from kubebox.local.enclosure import Enclosed, Site
from kubebox.local.folders import Base, make_base, sweep
from kubebox.local.limits import Enforcement, enforce, plan_cgroups
from kubebox.local.loop import Loop
from kubebox.local.observe import ask, when_created
from kubebox.local.probe import Expected, judge
from kubebox.local.processes import NICENESS, Start, adopt_orphans, kill, reap_all, start

START_SECONDS: Final = 30.0
"""How long a start may take. The server's imports take a third of a second, on a busy machine some seconds."""

RETRY_SECONDS: Final = 0.01
"""Between two questions whether the workspace answers; asked only from the moment that the line is there."""

BACKLOG: Final = 1024
"""Connections that wait for the server to take them, also while it starts."""

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""Bytes of the config: environments may have half a mebibyte."""


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
        self._children: list[int] = []
        self._complaints = Log()
        self._report = bytearray()
        self._enforced = Enforcement()
        self._began = time.monotonic()
        self._phases: dict[str, float] = {}
        self._sound = False
        self._ready_identity: str | None = None
        self._requests = bytearray()
        self._lifeline = os.pipe()

    def begin(self) -> None:
        """Start everything; what follows comes by events."""
        config = self.config
        bubblewrap = diagnose.find_bubblewrap(config.search)
        account = workspace_account()
        listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port = listener.getsockname()[1]
        self._start_server(listener, account[0] if account else os.getuid())
        listener.close()
        site = self._site(bubblewrap, account)
        self._enclose_probe(site)
        self._enclose_init(site)
        for joined in site.join:
            os.close(joined)
        self.loop.after(START_SECONDS, self._late)
        self.loop.after(
            config.lifetime,
            lambda: self.finish("lifetime-over", f"its lifetime of {config.lifetime:g} s was over"),
        )

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
        for child in self._children:
            kill(child)
        reap_all()
        self.base.remove()

    def _start_server(self, listener: socket.socket, workspace_uid: int) -> None:
        reader, writer = os.pipe()
        descriptors = (listener.fileno(), self._lifeline[0])
        environment = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "KUBEBOX_SANDBOX_ID": self.config.sandbox_id,
            "KUBEBOX_SANDBOX_UID": self.config.sandbox_uid,
            "KUBEBOX_PUBLIC_KEYS": self.config.public_keys,
            "KUBEBOX_CONTROL": str(self.base.control),
            "KUBEBOX_STATE": str(self.base.state),
            "KUBEBOX_LISTEN_FD": str(descriptors[0]),
            "KUBEBOX_LIFELINE_FD": str(descriptors[1]),
            "KUBEBOX_ROOTS": "/workspace",
            "KUBEBOX_PROFILE": "restricted",
            # A page in the user's browser can reach 127.0.0.1 under any name it likes.
            "KUBEBOX_ALLOWED_HOSTS": "127.0.0.1,localhost",
            "KUBEBOX_WORKSPACE_UID": str(workspace_uid),
        }
        open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        server = start(
            Start(
                arguments=self.config.server,
                environment=environment,
                descriptors=descriptors,
                output=writer,
                limits={resource.RLIMIT_NOFILE: open_files, resource.RLIMIT_CORE: 0},
            )
        )
        os.close(writer)
        os.close(self._lifeline[0])
        self._children.append(server)
        self._mark("server_started")
        self.loop.read(reader, self.log.add)
        self.loop.when_ended(server, lambda: self._lost("server-ended", "its server ended by itself"))

    def _site(self, bubblewrap: str, account: tuple[int, int] | None) -> Site:
        config, base = self.config, self.base
        shutil.copyfile(config.init, base.control / "init")
        (base.control / "init").chmod(0o755)
        write_etc(base.etc, nameserver=None)
        plans = plan_cgroups(base.name, config.resources)
        base.note_cgroups([str(plan.path) for plan in plans])
        self._enforced = enforce(config.resources, plans)
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
        command = [f"{CONTROL}/init", "probe", *hidden, "--connect", f"127.0.0.1:{self.port}"]
        probe = Enclosed(self.loop, site, command, output=self._report.extend, errors=self._complaints.add)
        self._children.append(probe.process)
        probe.release()
        probe.when_ended(self._judge)

    def _enclose_init(self, site: Site) -> None:
        # Half of the server's, since descriptors that commands open travel to it.
        open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2 - 1
        command = [
            f"{CONTROL}/init",
            "--socket",
            f"{CONTROL}/line.sock",
            "--nofile",
            str(min(open_files, 65536)),
        ]
        if self._enforced.processes is not None:
            command += ["--nproc", str(self._enforced.processes)]
        workspace = Enclosed(self.loop, site, command, output=self.log.add, errors=self._workspace_complains)
        self._children.append(workspace.process)
        workspace.when_ended(self._workspace_ended)

        def line_is_there() -> None:
            self._mark("line_there")
            workspace.release()
            self._ask_ready()

        when_created(self.loop, self.base.control / "line.sock", line_is_there)

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
        names = {*ENVIRONMENT, *self.config.environment, *self.config.secrets}
        try:
            judge(bytes(self._report), Expected(interfaces={"lo"}, variables=names))
        except KubeboxError as error:
            self.refuse(error)
        self._sound = True
        self._tell_ready()

    def _wall_failed(self) -> None:
        self.refuse(diagnose.explain(self._complaints.text(), diagnose.read_settings()))

    def _ask_ready(self) -> None:
        def answered(status: int, _body: bytes) -> None:
            if status == 200:
                self._mark("workspace_answers")
                nonce = secrets.token_urlsafe(32)
                ask(self.loop, self.port, f"/v1/info?nonce={nonce}", introduced)
            else:
                self.loop.after(RETRY_SECONDS, self._ask_ready)

        def introduced(status: int, body: bytes) -> None:
            # The socket that was asked is ours from the beginning, so nobody else can have answered.
            self._ready_identity = str(json.loads(body)["identity"]) if status == 200 else ""
            self._tell_ready()

        ask(self.loop, self.port, "/readyz", answered)

    def _tell_ready(self) -> None:
        if self._sound and self._ready_identity is not None:
            self._mark("ready")
            emit(
                "ready",
                port=self.port,
                identity=self._ready_identity or None,
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


def workspace_account() -> tuple[int, int] | None:
    """The host's account that a workspace runs under: root gives one that nobody has, everybody else his own."""
    if os.geteuid() != 0:
        return None
    uid = WORKSPACE_UID
    while True:
        try:
            pwd.getpwuid(uid)
        except KeyError:
            return uid, uid
        uid += 1


def main() -> int:
    """Hold a sandbox until it ends."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the user's program, which then lets go of the lifeline
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    adopt_orphans()
    config = Config.parse(sys.stdin.buffer.raw.readline(MAX_LINE_BYTES))
    folder = Path(config.folder)
    sweep(folder)
    account = workspace_account()
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
