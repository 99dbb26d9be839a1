"""The page about MCP names the tools that there are."""

import re
from pathlib import Path

from kubebox.mcp.tools import TOOLS

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "mcp.md").read_text(encoding="utf-8")


def test_the_page_names_each_tool_and_no_other() -> None:
    cells = re.findall(r"^\| (`.*?`) \|", PAGE, flags=re.MULTILINE)
    assert sorted(name for cell in cells for name in re.findall(r"`(\w+)`", cell)) == sorted(TOOLS)
