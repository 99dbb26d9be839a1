"""Whole folders, both ways, as one stream."""

import tempfile
from pathlib import Path

from kubebox.sync import Sandbox


def main() -> None:
    with tempfile.TemporaryDirectory() as name, Sandbox.create() as sandbox:
        project = Path(name, "project")
        for path in ("src/app.py", "src/app.pyc", ".git/HEAD"):
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text("print('built')")

        sandbox.files.upload(project, "work", ignore=["*.pyc", ".git"])
        print(sandbox.files.list_paths())

        sandbox.run("mkdir build && python3 src/app.py > build/log.txt", path="work").check()
        summary = sandbox.files.download("work/build", Path(name, "result"))
        print(summary.is_whole, Path(name, "result", "log.txt").read_text().strip())


if __name__ == "__main__":
    main()
