"""An evaluation that finds its sandbox by name, as people run one."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import anyio
import pytest
from inspect_ai.util import (
    OutputLimitExceededError,
    SandboxEnvironmentSpec,
    SandboxUnavailableError,
    SandboxUserUnsupportedError,
)
from inspect_ai.util._sandbox.limits import override_max_exec_output_size
from pydantic import BaseModel

from kubebox.errors import InvalidArgument, NotSupported
from kubebox.inspect import KubeboxConfig, KubeboxSandboxEnvironment

PATIENCE = 100.0
"""Seconds that an evaluation may take on a busy machine."""

EVALUATION = textwrap.dedent("""
    import json, sys
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import includes
    from inspect_ai.solver import solver
    from inspect_ai.util import sandbox

    @solver
    def solve():
        async def run(state, generate):
            result = await sandbox().exec(["sh", "-c", "cat given.txt setup.txt"])
            state.output.completion = result.stdout
            return state
        return run

    given = {"target": "given\\nset up", "files": {"given.txt": "given\\n"}, "setup": "echo set up > setup.txt"}
    task = Task(dataset=[Sample("one", **given), Sample("two", **given)], solver=solve(), scorer=includes(), sandbox="kubebox")
    (log,) = eval(task, model="mockllm/model", display="plain", log_dir=sys.argv[1])
    scores = [score.value for one in log.samples or [] for score in (one.scores or {}).values()]
    print(json.dumps({"status": log.status, "error": log.error and log.error.message, "scores": scores}))
""")


def test_an_evaluation_finds_its_sandbox_by_its_name_and_leaves_none(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KUBEBOX_")}
    done = subprocess.run(
        [sys.executable, "-c", EVALUATION, str(tmp_path / "logs")],
        env=kept | {"XDG_CONFIG_HOME": str(tmp_path), "TMPDIR": str(place), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"status": "success", "error": None, "scores": ["C", "C"]}
    assert not [path for path in place.iterdir() if path.name.startswith("kubebox")]


class Other(BaseModel):
    image: str = "x"


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        ("compose.yaml", NotSupported, "compose file"),
        ("/somewhere/Dockerfile", NotSupported, "Dockerfile"),
        (Other(), InvalidArgument, "KubeboxConfig"),
    ],
)
async def test_what_is_no_configuration_is_refused_before_the_first_sample(
    config: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await KubeboxSandboxEnvironment.task_init("task", config)
    with pytest.raises(error, match=words):
        await KubeboxSandboxEnvironment.sample_init("task", config, {})


def test_a_configuration_survives_the_log() -> None:
    config = KubeboxConfig(image="python:3.12", cpu=0.5, memory="1Gi", env={"A": "b"})
    spec = SandboxEnvironmentSpec("kubebox", config)
    again = SandboxEnvironmentSpec.model_validate(json.loads(spec.model_dump_json()))
    assert again.config == config
    assert config.options() == {"image": "python:3.12", "resources": {"cpu": 0.5, "memory": "1Gi"}}


async def test_each_sample_has_its_own_and_what_was_interrupted_goes_too() -> None:
    config = KubeboxConfig(where="local")
    first = await KubeboxSandboxEnvironment.sample_init("task", config, {})
    second = await KubeboxSandboxEnvironment.sample_init("task", config, {})
    await first["default"].write_file("mine.txt", "mine")
    with pytest.raises(FileNotFoundError):
        await second["default"].read_file("mine.txt")
    await KubeboxSandboxEnvironment.sample_cleanup("task", config, first, True)
    await KubeboxSandboxEnvironment.task_cleanup("task", config, False)
    assert (await second["default"].exec(["true"])).success
    await KubeboxSandboxEnvironment.task_cleanup("task", config, True)
    for made in (first, second):
        with pytest.raises(SandboxUnavailableError):
            await made["default"].exec(["true"])


async def test_a_sandbox_that_has_died_is_unavailable_and_never_a_result() -> None:
    config = KubeboxConfig(where="local")
    made = await KubeboxSandboxEnvironment.sample_init("task", config, {})
    await made["default"].as_type(KubeboxSandboxEnvironment).sandbox.set_timeout(1)
    with pytest.raises(SandboxUnavailableError, match="sandbox-lost"):
        await made["default"].exec(["sleep", "600"])
    with pytest.raises(SandboxUnavailableError):
        await made["default"].write_file("a", "b")
    with pytest.raises(SandboxUnavailableError):
        await made["default"].read_file("/etc/passwd")
    with pytest.raises(ConnectionError):
        await made["default"].connection()
    await KubeboxSandboxEnvironment.sample_cleanup("task", config, made, False)


async def test_what_inspect_promises_and_its_check_does_not_look_at() -> None:
    config = KubeboxConfig(where="local", env={"OF": "all"})
    made = await KubeboxSandboxEnvironment.sample_init("task", config, {})
    box = made["default"].as_type(KubeboxSandboxEnvironment)
    try:
        await exceeds_its_limit(box)
        await tells_of_what_is_not_there(box)
        await leaves_nothing_running(box)
        assert (await box.exec(["sh", "-c", "echo $OF"])).stdout == "all\n"
        connection = await box.connection()
        assert connection.command == f"kubebox shell --url {box.sandbox.client.url}"
        hidden = await box.exec(["ls", "-A"])
        assert hidden.stdout == "", "what goes through the workspace does not stay there"
    finally:
        await KubeboxSandboxEnvironment.sample_cleanup("task", config, made, False)


async def exceeds_its_limit(box: KubeboxSandboxEnvironment) -> None:
    with override_max_exec_output_size(1000), pytest.raises(OutputLimitExceededError) as caught:
        await box.exec(["seq", "1", "10000"])
    assert caught.value.limit_str == "1000 bytes"
    assert (caught.value.truncated_output or "").startswith("1\n2\n")


async def tells_of_what_is_not_there(box: KubeboxSandboxEnvironment) -> None:
    missing = await box.exec(["no-such-program"])
    assert (missing.success, missing.returncode) == (False, 127)
    assert "no-such-program" in missing.stderr
    missing = await box.exec(["no-such-program"], cwd="/usr")
    assert (missing.success, missing.returncode) == (False, 127)
    with pytest.raises(SandboxUserUnsupportedError):
        await box.exec(["true"], user="root")
    with pytest.raises(FileNotFoundError):
        await box.read_file("/nowhere/at/all")
    with pytest.raises(PermissionError):
        await box.write_file("/proc/1/x/y", "no")
    await box.exec(["sh", "-c", "printf '\\377' > /tmp/b"])
    with pytest.raises(UnicodeDecodeError):
        await box.read_file("/tmp/b")
    await box.write_file("-n", "a name like an option")
    assert await box.read_file("-n") == "a name like an option"
    await box.exec(["rm", "--", "-n"])


async def leaves_nothing_running(box: KubeboxSandboxEnvironment) -> None:
    for given in (None, b"x" * (2 * 1024 * 1024)):
        with anyio.move_on_after(1) as scope:
            await box.exec(["sh", "-c", "sleep 12345"], input=given)
        assert scope.cancelled_caught
    left = await box.exec(
        ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 1234[5]' || true"]
    )
    assert left.stdout == "0\n"


def test_nothing_else_of_kubebox_imports_inspect() -> None:
    program = (
        "import sys, kubebox, kubebox.sync, kubebox.cli.app\n"
        "for name in kubebox.__all__: getattr(kubebox, name)\n"
        "print([name for name in ('inspect_ai', 'mcp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
