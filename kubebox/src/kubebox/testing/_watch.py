"""Watching folders."""

import asyncio
from collections.abc import Callable

from kubebox import errors
from kubebox._watch import FileWatch
from kubebox.testing._box import Box
from kubebox.testing._expect import equal, refused, true
from kubebox_protocol.watches import FileChange

SECONDS = 20.0
"""Seconds until what was done must have been told."""

Told = tuple[str, str, str | None]


async def each_kind_of_change_is_told(box: Box) -> None:
    """What is created, modified, renamed and deleted is told, whoever does it; a file that is written appears once."""
    files = box.client.files(box.session_id)
    await box.wait("mkdir sub; echo x >old")
    async with files.watch() as changes:
        await files.write("new", "x")
        equal(await _next(changes), ("created", "new", None))
        await files.write("new", "y")
        equal(await _next(changes), ("modified", "new", None))
        await box.wait("echo y >>old")
        equal(await _next(changes), ("modified", "old", None))
        await files.rename("old", "sub/moved")
        equal(await _next(changes), ("renamed", "sub/moved", "old"))
        await files.remove("sub/moved")
        equal(await _next(changes), ("deleted", "sub/moved", None))
        await box.wait("cat new; ls -R; stat new")
        await files.write("last", "")
        equal(await _next(changes), ("created", "last", None), "what comes after reading")


async def a_tree_is_told_however_quickly_it_is_made(box: Box) -> None:
    """Folders that come with files in them are told whole, and watched from then on, also under other names."""
    async with box.client.files(box.session_id).watch() as changes:
        await box.wait('for a in 1 2 3 4 5; do mkdir -p "$a/b/c" && echo x >"$a/b/c/file"; done; touch done')
        told = await _until(changes, _tells("created", "done"))
        wanted = {f"{number}{path}" for number in range(1, 6) for path in ("", "/b", "/b/c", "/b/c/file")}
        true(wanted <= {path for _, path, _ in told}, f"all of it is told, not {told}")
        await box.wait("mv 1 other && touch other/b/c/later")
        told = await _until(changes, _tells("created", "other/b/c/later"))
        true(("renamed", "other", "1") in told, f"the folder is renamed: {told}")
        await box.wait("rm -r other && touch over")
        told = await _until(changes, _tells("created", "over"))
        true(("deleted", "other", None) in told, f"the folder is deleted: {told}")


async def without_subfolders_only_the_folder_is_watched(box: Box) -> None:
    """Without `recursive`, what is in folders beneath is not told; links are never followed."""
    files = box.client.files(box.session_id)
    await box.wait("mkdir -p w/sub other; ln -s ../other w/link")
    async with files.watch("w", recursive=False) as flat, files.watch("w") as deep:
        await box.wait("touch w/sub/file other/unseen w/link/unseen w/seen")
        equal(await _next(flat), ("created", "seen", None))
        told = await _until(deep, _tells("created", "seen"))
        equal([path for _, path, _ in told], ["sub/file", "seen"])


async def a_burst_is_told_whole_or_said_to_be_more(box: Box) -> None:
    """Of 5,000 files that come at once each is told, unless an overflow says that there is more."""
    async with box.client.files(box.session_id).watch() as changes:
        await box.wait("mkdir many && cd many && seq 5000 | xargs touch && touch ../done")
        told = await _until(changes, lambda told: told[0] == "overflow" or told[:2] == ("created", "done"))
        if told[-1][0] != "overflow":
            equal(len({path for _, path, _ in told if path.startswith("many/")}), 5000)
            true(len(told) < 11_000, f"what is alike is one: {len(told)} changes")


async def who_does_not_read_is_told_of_the_overflow(box: Box) -> None:
    """A storm that nobody reads ends in an overflow, and what comes after it is told again."""
    files = box.client.files(box.session_id)
    async with files.watch() as changes:
        await box.wait(
            # Far more than all the buffers hold on the way to a client.
            "mkdir d && cd d && for turn in 1 2 3 4; do"
            f" seq 10000 | sed s/^/{'x' * 240}/ | xargs touch; find . -type f -delete; done"
        )
        await _until(changes, lambda told: told[0] == "overflow")
        last = ("", "", None)
        while last[0] != "modified" or last[1] != "after":  # Another overflow may take it along.
            await box.wait("touch after")
            last = (await _until(changes, lambda told: told[0] == "overflow" or told[1] == "after"))[-1]


async def odd_names_are_told_as_they_can_be(box: Box) -> None:
    """Names with line breaks are told as they are; for those that are not UTF-8 their folder is."""
    await box.wait("mkdir sub")
    async with box.client.files(box.session_id).watch() as changes:
        await box.wait("touch 'sub/line\nbreak'")
        equal(await _next(changes), ("created", "sub/line\nbreak", None))
        await box.wait("touch \"$(printf 'sub/\\377')\"")
        await _until(changes, _tells("modified", "sub"))
        await box.wait("mv \"$(printf 'sub/\\377')\" plain")
        await _until(changes, _tells("created", "plain"))


async def whoever_stops_waiting_misses_nothing(box: Box) -> None:
    """A wait for a change that is given up takes none along; after the block there is no more."""
    files = box.client.files(box.session_id)
    async with files.watch() as changes:
        for number in range(3):
            try:
                async with asyncio.timeout(0.2):
                    await anext(changes)
            except TimeoutError:
                await files.write(f"{number}", "")
                equal(await _next(changes), ("created", f"{number}", None))
    equal([change async for change in changes], [])


async def a_watch_ends_with_its_folder(box: Box) -> None:
    """When the folder itself goes, or gets another name, the watch ends with a typed error."""
    files = box.client.files(box.session_id)
    for ending in ("rm -r w", "mv w away"):
        await box.wait("mkdir -p w/sub")
        async with files.watch("w") as changes:
            await box.wait(ending)
            await refused(_until(changes, lambda _: False), errors.SandboxFileNotFound, "file-not-found")
            await refused(anext(changes), errors.SandboxFileNotFound)


async def what_cannot_be_watched_is_a_typed_error(box: Box) -> None:
    """Entering fails for what is missing, outside or no folder, and for more watches than a sandbox takes."""
    files = box.client.files(box.session_id)
    await files.write("file", "")
    await refused(files.watch("none").__aenter__(), errors.SandboxFileNotFound)
    await refused(files.watch("file").__aenter__(), errors.SandboxNotADirectory)
    await refused(files.watch("../..").__aenter__(), errors.PathOutside)
    await box.wait("ln -s / root")
    await refused(files.watch("root").__aenter__(), errors.PathOutside)
    opened: list[FileWatch] = []
    try:
        while len(opened) < 32:
            opened.append(await files.watch())
        await refused(files.watch().__aenter__(), errors.TooManyWatches, "too-many-watches")
    finally:
        for one in opened:
            await one.close()


async def _next(changes: FileWatch) -> Told:
    async with asyncio.timeout(SECONDS):
        change = await anext(changes)
    return _told(change)


async def _until(changes: FileWatch, is_last: Callable[[Told], bool]) -> list[Told]:
    told: list[Told] = []
    async with asyncio.timeout(SECONDS):
        while not told or not is_last(told[-1]):
            told.append(_told(await anext(changes)))
    return told


def _told(change: FileChange) -> Told:
    return change.type, change.path, change.from_path


def _tells(kind: str, path: str) -> Callable[[Told], bool]:
    return lambda told: told[:2] == (kind, path)


CHECKS = (
    each_kind_of_change_is_told,
    a_tree_is_told_however_quickly_it_is_made,
    without_subfolders_only_the_folder_is_watched,
    a_burst_is_told_whole_or_said_to_be_more,
    who_does_not_read_is_told_of_the_overflow,
    odd_names_are_told_as_they_can_be,
    whoever_stops_waiting_misses_nothing,
    a_watch_ends_with_its_folder,
    what_cannot_be_watched_is_a_typed_error,
)
