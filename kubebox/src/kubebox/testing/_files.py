"""Files: read, write, exists, delete, folders, listings; and nothing outside the session's folder."""

import os

from kubebox import errors
from kubebox.testing._box import Box
from kubebox.testing._expect import equal, refused, true


async def text_and_bytes_come_back_as_written(box: Box) -> None:
    """Text and bytes are read back exactly."""
    content = os.urandom(1_500_000)
    await box.client.write_file(box.session_id, "text", "Grüße\n")
    await box.client.write_file(box.session_id, "bytes", content)
    equal(await box.client.get_file(box.session_id, "text"), "Grüße\n")
    equal(await box.client.get_file(box.session_id, "bytes", encoding=None), content)
    await box.client.write_file(box.session_id, "empty", b"")
    equal(await box.client.get_file(box.session_id, "empty", encoding=None), b"")


async def undecodable_text_is_a_typed_error(box: Box) -> None:
    """A file that is not text is refused as text, and readable as bytes."""
    await box.client.write_file(box.session_id, "binary", b"\xff\xfe\x00")
    await refused(box.client.get_file(box.session_id, "binary"), errors.FileNotText, "file-not-text")


async def a_write_replaces_in_one_step(box: Box) -> None:
    """A reader sees the old content or the new, and the file keeps its permission bits."""
    await box.client.write_file(box.session_id, "script", "#!/bin/sh\necho old\n")
    await box.wait("chmod 750 script; ln script second")
    await box.client.write_file(box.session_id, "script", "#!/bin/sh\necho new\n")
    result = await box.wait("./script; cat second | tail -1; stat -c %a script; ls -A")
    equal(result.stdout.split("\n")[:3], ["new", "echo old", "750"])
    equal(result.stdout.split()[-2:], ["script", "second"])


async def folders_are_made_when_asked(box: Box) -> None:
    """`make_dirs` makes missing folders; without it their absence is an error."""
    await refused(
        box.client.write_file(box.session_id, "a/b/c", "x"), errors.SandboxFileNotFound, "file-not-found"
    )
    await box.client.write_file(box.session_id, "a/b/c", "x", make_dirs=True)
    await box.client.make_dirs(box.session_id, "d/e/f")
    await box.client.make_dirs(box.session_id, "d/e/f")
    equal(
        (await box.wait("find . -type d | sort")).stdout.split(),
        [".", "./a", "./a/b", "./d", "./d/e", "./d/e/f"],
    )


async def existence_and_deletion(box: Box) -> None:
    """A file exists until it is deleted; deleting it again is an error."""
    await box.client.write_file(box.session_id, "file", "x")
    equal(await box.client.file_exists(box.session_id, "file"), True)
    await box.client.delete_file(box.session_id, "file")
    equal(await box.client.file_exists(box.session_id, "file"), False)
    await refused(
        box.client.delete_file(box.session_id, "file"), errors.SandboxFileNotFound, "file-not-found"
    )


async def a_folder_is_not_a_file(box: Box) -> None:
    """A folder where a file is meant, and the reverse, are typed errors."""
    await box.client.make_dirs(box.session_id, "folder")
    await box.client.write_file(box.session_id, "file", "x")
    folder, file = errors.SandboxIsADirectory, errors.SandboxNotADirectory
    await refused(box.client.get_file(box.session_id, "folder"), folder, "is-a-directory")
    await refused(box.client.write_file(box.session_id, "folder", "x"), folder, "is-a-directory")
    await refused(box.client.delete_file(box.session_id, "folder"), folder, "is-a-directory")
    await refused(box.client.get_file(box.session_id, "file/x"), file, "not-a-directory")
    await refused(box.client.make_dirs(box.session_id, "file"), errors.KubeboxError)
    await box.client.delete_file(box.session_id, "folder", recursive=True)
    equal(await box.client.file_exists(box.session_id, "folder"), False)


async def missing_files_are_standard_errors_too(box: Box) -> None:
    """A missing file is also a FileNotFoundError."""
    try:
        await box.client.get_file(box.session_id, "missing")
    except FileNotFoundError as error:
        true(isinstance(error, errors.SandboxFileNotFound), "a missing file is a SandboxFileNotFound")
        return
    true(False, "a missing file must be an error")


async def nothing_outside_the_session_is_reached(box: Box) -> None:
    """Paths that lead out of the session's folder are refused by every call, whether or not they exist."""
    paths = (
        "/etc/passwd", "/etc/absent", "../../etc/passwd", "../other", "./../x", "/proc/self/root/etc/passwd",
        f"/workspace/{box.session_id}-evil/x", f"/workspace/{box.session_id}/../x",
    )  # fmt: skip
    for path in paths:
        await refused(box.client.get_file(box.session_id, path), errors.PathOutside, "path-outside")
        await refused(box.client.write_file(box.session_id, path, "x", make_dirs=True), errors.PathOutside)
        await refused(box.client.delete_file(box.session_id, path, recursive=True), errors.PathOutside)
        await refused(box.client.make_dirs(box.session_id, path), errors.PathOutside)
        await refused(box.client.file_exists(box.session_id, path), errors.PathOutside)
    await refused(box.client.get_file(box.session_id, ".."), errors.FileError)
    await refused(box.client.delete_file(box.session_id, "..", recursive=True), errors.FileError)


async def malformed_paths_are_refused(box: Box) -> None:
    """NUL, over-long names and emptiness are typed errors."""
    for path in ("a\0b", "x" * 256, "y/" * 2100, ""):
        await refused(box.client.write_file(box.session_id, path, "x"), errors.KubeboxError)
    odd = "%2e%2e%2f..\\..\\x"
    await box.client.write_file(box.session_id, odd, "just a name")
    equal(await box.client.get_file(box.session_id, odd), "just a name")


async def symlinks_lead_nowhere_but_inside(box: Box) -> None:
    """A symlink inside the folder works; one that leads out does not, as file, as parent, or dangling."""
    await box.wait(
        "mkdir in; echo inside > in/file; ln -s in/file good; ln -s in goodfolder;"
        "ln -s /etc/passwd bad; ln -s /etc badfolder; ln -s /tmp/absent dangling; ln -s ../.. up;"
        "ln -s /proc/self/fd/0 magic; ln -s /proc/self/root rootlink"
    )
    equal(await box.client.get_file(box.session_id, "good"), "inside\n")
    await box.client.write_file(box.session_id, "goodfolder/new", "x")
    await box.client.write_file(box.session_id, "good", "changed\n")
    equal(
        (await box.wait("cat in/file; ls in; readlink good")).stdout.split(),
        ["changed", "file", "new", "in/file"],
    )
    for path in ("bad", "badfolder/passwd", "dangling", "up/etc/passwd", "magic", "rootlink/etc/passwd"):
        await refused(box.client.get_file(box.session_id, path), errors.PathOutside)
        await refused(box.client.write_file(box.session_id, path, "x"), errors.PathOutside)
    await box.client.delete_file(box.session_id, "bad")
    equal((await box.wait("test -e /etc/passwd && ! test -L bad && echo kept")).stdout, "kept\n")


async def special_files_are_refused_without_hanging(box: Box) -> None:
    """FIFOs and devices are neither read nor written."""
    await box.wait("mkfifo fifo; ln -s /dev/zero zero")
    await refused(box.client.get_file(box.session_id, "fifo"), errors.FileNotRegular, "file-not-regular")
    await refused(
        box.client.write_file(box.session_id, "fifo", "x"), errors.FileNotRegular, "file-not-regular"
    )
    await refused(box.client.get_file(box.session_id, "zero"), errors.KubeboxError)


async def listings_match_patterns(box: Box) -> None:
    """All file paths of a session, those that match any pattern, sorted and relative."""
    await box.wait("mkdir -p src/deep; touch a.py src/b.py src/deep/c.txt .hidden 'with space'")
    listing = box.client.get_all_file_paths
    equal(await listing(box.session_id), [".hidden", "a.py", "src/b.py", "src/deep/c.txt", "with space"])
    equal(await listing(box.session_id, [r"\.py$"]), ["a.py", "src/b.py"])
    equal(await listing(box.session_id, [r"^src/", "^a"]), ["a.py", "src/b.py", "src/deep/c.txt"])
    equal(await listing(box.session_id, ["absent"]), list[str]())


async def a_listing_goes_as_deep_as_asked(box: Box) -> None:
    """A folder's own entries, or those of so many levels, with types, sizes, permission bits and times; links not followed."""
    files = box.client.files(box.session_id)
    await box.wait(
        "mkdir -p a/b/c; printf 123 > a/file; chmod 640 a/file; touch -d @7 a/file; ln -s . a/link; touch a/b/c/d"
    )
    entries = {entry.path: entry for entry in (await files.list("a")).entries}
    equal(
        {path: entry.type for path, entry in entries.items()},
        {"b": "directory", "file": "file", "link": "symlink"},
    )
    equal((entries["file"].size, entries["file"].mode, entries["file"].modified), (3, 0o640, 7.0))
    equal([entry.path for entry in (await files.list("a", depth=2)).entries], ["b", "b/c", "file", "link"])
    deepest = ["b", "b/c", "b/c/d", "file", "link"]
    for depth in (3, 256, None):
        equal([entry.path for entry in (await files.list("a", depth=depth)).entries], deepest)
    await refused(files.list("a", depth=0), errors.InvalidArgument, "invalid-argument")
    await refused(files.list("none"), errors.SandboxFileNotFound)
    await refused(files.list("a/file"), errors.SandboxNotADirectory)


async def hostile_patterns_cost_little(box: Box) -> None:
    """A pattern that would blow up a backtracking matcher does not, and an invalid one is a typed error."""
    await box.client.write_file(box.session_id, "a" * 200 + "!", "")
    equal(await box.client.get_all_file_paths(box.session_id, ["(a+)+$"]), list[str]())
    for pattern in ("(", "a{2,1}", "(?<=x)y", "x" * 1025):
        await refused(box.client.get_all_file_paths(box.session_id, [pattern]), errors.KubeboxError)


async def files_and_commands_see_the_same(box: Box) -> None:
    """What a command writes the file API reads, and the reverse."""
    await box.wait("echo made > by-command; chmod 600 by-command")
    equal(await box.client.get_file(box.session_id, "by-command"), "made\n")
    await box.client.write_file(box.session_id, f"/workspace/{box.session_id}/absolute", "x")
    equal((await box.wait("cat absolute; test -O absolute && echo own")).stdout, "xown\n")


async def unreadable_files_are_permission_errors(box: Box) -> None:
    """A file that the workspace's user may not read is a PermissionError."""
    await box.wait("echo x > secret; chmod 000 secret; mkdir locked; chmod 500 locked")
    denied = errors.SandboxPermissionDenied
    await refused(box.client.get_file(box.session_id, "secret"), denied, "permission-denied")
    await refused(box.client.write_file(box.session_id, "locked/x", "x"), errors.SandboxPermissionDenied)


CHECKS = (
    text_and_bytes_come_back_as_written,
    undecodable_text_is_a_typed_error,
    a_write_replaces_in_one_step,
    folders_are_made_when_asked,
    existence_and_deletion,
    a_folder_is_not_a_file,
    missing_files_are_standard_errors_too,
    nothing_outside_the_session_is_reached,
    malformed_paths_are_refused,
    symlinks_lead_nowhere_but_inside,
    special_files_are_refused_without_hanging,
    listings_match_patterns,
    a_listing_goes_as_deep_as_asked,
    hostile_patterns_cost_little,
    files_and_commands_see_the_same,
    unreadable_files_are_permission_errors,
)
