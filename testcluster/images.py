"""Building images, without any registry: each once for the sources that it has."""

import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from testcluster import storage
from testcluster.compile import find_go
from testcluster.lock import lock
from testcluster.place import CACHE
from testcluster.recipes import FILES, RECIPES, REPOSITORY, SETTINGS, Recipe
from testcluster.run import run


def build_images(names: Iterable[str] = RECIPES) -> list[str]:
    """Build images, those whose sources have changed since; the first time takes minutes.

    Args:
        names: The images'.

    Returns:
        Their names.

    Raises:
        CommandFailed: With what buildah complained of.
        KeyError: There is no such image.
    """
    wanted = list(names)
    if not all(is_current(name) for name in wanted):
        with lock("images"):
            for name in wanted:
                _make(name)
    return wanted


def is_current(name: str) -> bool:
    """Whether an image is there, built from its sources as they are now.

    Args:
        name: The image's.
    """
    return storage.key_of(name) == RECIPES[name].key()


def _make(name: str) -> None:
    if is_current(name):
        return
    recipe = RECIPES[name]
    key = recipe.key()  # before the build: what changes meanwhile may not have come into it
    if recipe.base is not None:
        _make(recipe.base)
    print(f"testcluster: building {name}", file=sys.stderr)
    with _context(recipe) as folder:
        storage.buildah(
            "build", "--quiet", "--layers", "--pull-never", f"--file={recipe.file}", f"--tag={name}",
            *_choices(recipe), *_settings(), folder,
        )  # fmt: skip
    storage.keep(name, key)


@contextmanager
def _context(recipe: Recipe) -> Generator[Path]:
    if recipe.prepare is None:
        yield REPOSITORY
        return
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
        folder = Path(temporary) / "context"
        shutil.copytree(recipe.file.parent, folder, symlinks=True)
        recipe.prepare(folder)
        yield folder


def _choices(recipe: Recipe) -> Iterator[str]:
    if recipe.base:
        yield f"--build-arg=BASE={recipe.base}"
    if recipe.target:
        yield f"--target={recipe.target}"
    if recipe.go:
        # The mount points stay in the image as empty folders, which nobody minds.
        compiled = CACHE / "go-build"
        compiled.mkdir(exist_ok=True)
        yield f"--volume={run(find_go(), 'env', 'GOROOT').strip()}:/usr/local/go:ro"
        yield f"--volume={compiled}:/root/.cache/go-build"


def _settings() -> Iterator[str]:
    for name in SETTINGS:
        value = os.environ.get(name)
        if value:
            yield f"--build-arg={name}={value}"
    for path in sorted({os.environ[name] for name in FILES if os.environ.get(name)}):
        yield f"--volume={path}:{path}:ro"
