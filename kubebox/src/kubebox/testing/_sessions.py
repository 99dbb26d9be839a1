"""Sessions: names for folders and environments."""

from uuid import uuid4

from kubebox import errors
from kubebox.testing._box import Box
from kubebox.testing._expect import equal, refused


async def making_a_session_twice_gives_the_same_one(box: Box) -> None:
    """A session can be initialised again with the same folder."""
    await box.client.initialize_session(box.session_id, box.session_id)
    result = await box.wait("pwd")
    equal(result.stdout, f"/workspace/{box.session_id}\n")


async def another_folder_for_the_same_session_is_refused(box: Box) -> None:
    """A session's folder never changes under it."""
    await refused(
        box.client.initialize_session(box.session_id, "elsewhere"), errors.SessionConflict, "session-conflict"
    )


async def a_folder_outside_the_roots_is_refused(box: Box) -> None:
    """A session lies beneath the sandbox's roots."""
    for path in ("/etc", "../outside", "/workspace/../etc", "/workspaces", "/proc/self/root"):
        await refused(
            box.client.initialize_session(str(uuid4()), path),
            errors.FolderOutsideRoots,
            "folder-outside-roots",
        )


async def an_absolute_folder_beneath_a_root_is_taken(box: Box) -> None:
    """A session's folder may be given absolutely, and is made with those above it."""
    session_id = str(uuid4())
    await box.client.initialize_session(session_id, f"/workspace/{session_id}/deep/er")
    await box.client.write_file(session_id, "here", "x")
    equal(await box.client.get_all_file_paths(session_id), ["here"])


async def an_unknown_session_is_a_typed_error_everywhere(box: Box) -> None:
    """A session that was never initialised is refused by every call."""
    unknown = str(uuid4())
    for call in (
        lambda: box.client.run_command(unknown, "true"),
        lambda: box.client.get_file(unknown, "path/to/file"),
        lambda: box.client.write_file(unknown, "path/to/file", "content"),
        lambda: box.client.file_exists(unknown, "path/to/file"),
        lambda: box.client.delete_file(unknown, "path/to/file"),
        lambda: box.client.make_dirs(unknown, "path"),
        lambda: box.client.get_all_file_paths(unknown),
        lambda: box.client.kill_all_processes(unknown),
    ):
        await refused(call(), errors.SessionNotFound, "session-not-found")


async def a_malformed_session_name_is_refused(box: Box) -> None:
    """A session's name is plain text of bounded length."""
    for name in ("", "a b", "../x", "a/b", "x" * 129, "\n"):
        await refused(box.client.initialize_session(name, "folder"), errors.InvalidArgument)


async def a_session_environment_reaches_its_commands(box: Box) -> None:
    """Variables of a session are in each of its commands, and a command's own win."""
    session_id = str(uuid4())
    await box.client.initialize_session(session_id, session_id, env={"COLOUR": "red", "SHAPE": "round"})
    result = await Box(box.client, session_id).wait('echo "$COLOUR $SHAPE"', env={"SHAPE": "square"})
    equal(result.stdout, "red square\n")


CHECKS = (
    making_a_session_twice_gives_the_same_one,
    another_folder_for_the_same_session_is_refused,
    a_folder_outside_the_roots_is_refused,
    an_absolute_folder_beneath_a_root_is_taken,
    an_unknown_session_is_a_typed_error_everywhere,
    a_malformed_session_name_is_refused,
    a_session_environment_reaches_its_commands,
)
