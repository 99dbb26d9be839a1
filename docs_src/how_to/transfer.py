"""Single files of any size, both ways, and a file read piece by piece."""

import tempfile
from pathlib import Path

from kubebox.sync import Sandbox


def main() -> None:
    with tempfile.TemporaryDirectory() as name, Sandbox.create() as sandbox:
        source, result = Path(name, "data.bin"), Path(name, "result.bin")
        source.write_bytes(bytes(range(256)) * 4096)

        sent = sandbox.files.upload(source, "in/data.bin")
        print(sent.size, sent.sha256[:8])

        sandbox.run("cp in/data.bin out.bin").check()
        sandbox.files.download("out.bin", result)
        print(result.read_bytes() == source.read_bytes())

        print([entry.path for entry in sandbox.files.list(depth=2).entries])


if __name__ == "__main__":
    main()
