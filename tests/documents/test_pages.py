"""What pages name of the repository is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
FOLDERS = "tests|benchmarks|deploy|scripts|docs_src|testcluster|protocol|sandbox|cluster|kubebox|init"
NAMED = re.compile(rf"`((?:{FOLDERS})/[\w./-]+|[A-Z]+\.md)`")


def test_files_and_folders_that_pages_name_are_there() -> None:
    found = 0
    for page in PAGES:
        for name in NAMED.findall(page.read_text(encoding="utf-8")):
            found += 1
            assert (ROOT / name).exists(), f"{page.name}: {name}"
    assert found > 10


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    for page in PAGES:
        assert f'"{page.relative_to(ROOT / "docs")}"' in navigation
