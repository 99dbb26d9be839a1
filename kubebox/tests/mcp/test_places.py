"""Where sandboxes are made is found as the other commands find it: here, one sandbox that is there already."""

from dataclasses import replace
from pathlib import Path

from ..conftest import Server
from .servers import Mcp


async def test_clients_of_one_sandbox_share_its_files_and_not_its_commands(
    server: Server, mcp: Mcp, tmp_path: Path
) -> None:
    key = tmp_path / "key.pem"
    key.write_text(server.private_key)
    key.chmod(0o600)
    (tmp_path / "kubebox").mkdir()
    (tmp_path / "kubebox" / "config.toml").write_text(f'where = "{server.url}"\n')
    with replace(mcp, folder=tmp_path).http(KUBEBOX_PRIVATE_KEY=str(key)) as running:
        async with running.client() as first, running.client() as second:
            mine, yours = await first.create(), await second.create()
            another = await first.create()
            assert (mine, yours, another) == ("test", "test", "test-2")
            (told, _) = (await first.get("list_sandboxes"))["sandboxes"]
            assert (told["state"], told["seconds_left"], told["where"]) == ("running", None, server.url)
            await first.get("write_file", sandbox_id=mine, path="shared.txt", content="both")
            read = await second.get("read_file", sandbox_id=yours, path="shared.txt")
            assert read["content"] == "both"
            await first.get("start_process", sandbox_id=mine, command="sleep 600")
            assert len((await first.get("list_processes", sandbox_id=mine))["processes"]) == 1
            assert (await second.get("list_processes", sandbox_id=yours))["processes"] == []
            error = await first.error("create_sandbox", lifetime_seconds=5)
            assert error["code"] == "not-supported"
