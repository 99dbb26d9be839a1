"""Files that several change: versions, appending, copying, editing in place."""

import asyncio
import os

from kubebox import errors
from kubebox.testing._box import Box
from kubebox.testing._expect import equal, refused, true

OUTSIDE = "../../etc/passwd"


async def a_version_is_replaced_and_no_other(box: Box) -> None:
    """A write that expects a version replaces that version alone, whoever has changed the file, and however."""
    files = box.client.files(box.session_id)
    seen = await files.write("file", "first")
    equal((await files.stat("file")).version, seen.version)
    true(seen.version, "a write gives the file's version")
    second = await files.write("file", "second", expected=seen.version)
    await refused(files.write("file", "third", expected=seen.version), errors.FileChanged, "file-changed")
    await box.wait("printf SECOND >file; touch -d @0 file")
    await refused(files.write("file", "third", expected=second.version), errors.FileChanged)
    await box.wait("rm file")
    await refused(files.write("file", "third", expected=second.version), errors.FileChanged)
    await files.write("file", "fourth", expected="")
    await refused(files.write("file", "fifth", expected=""), errors.SandboxFileExists, "file-exists")
    equal(await files.read("file"), "fourth")
    equal((await box.wait("ls -A")).stdout, "file\n", "what is left of refused writes")


async def of_many_who_saw_the_same_one_writes(box: Box) -> None:
    """Writers that expect the same version do not overwrite each other: one of them wins."""
    files = box.client.files(box.session_id)
    seen = await files.write("file", "seen")

    async def write(number: int) -> bool:
        try:
            await files.write("file", str(number), expected=seen.version)
        except errors.FileChanged:
            return False
        return True

    won = await asyncio.gather(*(write(number) for number in range(20)))
    equal(won.count(True), 1)
    equal(await files.read("file"), str(won.index(True)))


async def what_is_appended_comes_last(box: Box) -> None:
    """Appending makes the file and its folders, writes at the end, and gives the new size."""
    files = box.client.files(box.session_id)
    content = os.urandom(1_200_000)
    equal((await files.append("logs/all", content)).size, len(content))
    appended = await files.append("logs/all", "more\n")
    equal((appended.appended, appended.size), (5, len(content) + 5))
    equal(await files.read_bytes("logs/all"), content + b"more\n")
    await asyncio.gather(*(files.append("lines", f"{number:06}\n") for number in range(50)))
    equal(sorted((await files.read("lines")).split()), [f"{number:06}" for number in range(50)])
    await refused(files.append("logs", "x"), errors.SandboxIsADirectory)
    await refused(files.append(OUTSIDE, "x"), errors.PathOutside)
    await box.wait("mkfifo fifo")
    await refused(files.append("fifo", "x"), errors.FileNotRegular)


async def a_copy_is_whole_and_has_its_bits(box: Box) -> None:
    """A copy has the content and the permission bits, and replaces nothing that is not to be replaced."""
    files = box.client.files(box.session_id)
    content = os.urandom(1_200_000)
    await files.write("script", content)
    await box.wait("chmod 750 script")
    copied = await files.copy("script", "a/copy")
    equal(copied.size, len(content))
    equal(await files.read_bytes("a/copy"), content)
    equal((await box.wait("stat -c %a a/copy")).stdout, "750\n")
    await refused(files.copy("script", "a/copy", replace=False), errors.SandboxFileExists)
    await refused(files.copy("none", "b"), errors.SandboxFileNotFound)
    await refused(files.copy("a", "b"), errors.SandboxIsADirectory)
    await refused(files.copy(OUTSIDE, "b"), errors.PathOutside)
    await refused(files.copy("script", OUTSIDE), errors.PathOutside)


async def a_text_is_replaced_as_often_as_it_is_thought_to_be_there(box: Box) -> None:
    """An edit replaces a text that is there as often as expected, and changes nothing else."""
    files = box.client.files(box.session_id)
    await files.write("code", b"\xffa = 1\nb = 1\n# Gr\xc3\xbc\xc3\x9fe\n")
    edited = await files.edit("code", "a = 1", "a = 2")
    equal((edited.replaced, edited.version), (1, (await files.stat("code")).version))
    wrong = await refused(files.edit("code", " = ", " := "), errors.EditMismatch, "edit-mismatch")
    equal(wrong.data["found"], 2)
    await refused(files.edit("code", "none", "some", count=None), errors.EditMismatch)
    equal((await files.edit("code", " = ", " := ", count=2)).replaced, 2)
    await files.edit("code", "Grüße", "", count=None)
    equal(await files.read_bytes("code"), b"\xffa := 2\nb := 1\n# \n")
    await refused(files.edit("code", "", "x"), errors.InvalidArgument)
    await refused(files.edit("none", "a", "b"), errors.SandboxFileNotFound)


CHECKS = (
    a_version_is_replaced_and_no_other,
    of_many_who_saw_the_same_one_writes,
    what_is_appended_comes_last,
    a_copy_is_whole_and_has_its_bits,
    a_text_is_replaced_as_often_as_it_is_thought_to_be_there,
)
