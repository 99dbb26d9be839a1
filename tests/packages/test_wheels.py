"""What people install: two pure-Python wheels, and one for Linux that carries a static init."""

import os
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM_HEADER_INTERPRETER = 3
"""PT_INTERP: the program header that a dynamically linked program has, and a static one lacks."""
MACHINES = {"amd64": 62, "arm64": 183}
"""ELF's numbers of the machines (e_machine)."""


def uv() -> str:
    """The uv that set this environment up."""
    return shutil.which("uv") or str(
        Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kubebox" / "uv" / "bin" / "uv"
    )


def build(package: str, folder: Path, **environment: str) -> Path:
    subprocess.run(
        [uv(), "build", "--quiet", "--wheel", "--package", package, "--out-dir", str(folder), "--python", sys.executable],
        cwd=ROOT, check=True, env=os.environ | environment,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.mark.parametrize("package", ["kubebox", "kubebox-protocol"])
def test_the_client_and_the_protocol_are_pure_python(package: str, tmp_path: Path) -> None:
    wheel = build(package, tmp_path)
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("/py.typed") for name in names)
    assert not [name for name in names if name.endswith((".so", "/init"))]


@pytest.mark.parametrize("machine", ["amd64", "arm64"])
def test_the_servers_wheel_carries_a_static_init(machine: str, tmp_path: Path) -> None:
    wheel = build("kubebox-sandbox", tmp_path, KUBEBOX_INIT_ARCH=machine)
    assert "linux" in wheel.name
    with zipfile.ZipFile(wheel) as content:
        (name,) = [name for name in content.namelist() if name.endswith("/bin/init")]
        assert content.getinfo(name).external_attr >> 16 & 0o111, "init must be executable"
        program = content.read(name)
    number, interpreters = read_elf(program)
    assert (number, interpreters) == (MACHINES[machine], 0)


def read_elf(program: bytes) -> tuple[int, int]:
    """The machine's number, and how many interpreters the program asks for."""
    assert program[:5] == b"\x7fELF\x02", "a 64-bit ELF file"
    (machine,) = struct.unpack_from("<H", program, 18)
    (table,) = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    kinds = [struct.unpack_from("<I", program, table + index * size)[0] for index in range(count)]
    return machine, kinds.count(PROGRAM_HEADER_INTERPRETER)
