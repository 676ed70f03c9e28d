"""README and docs/: their links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def without_code(text):
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(page):
    """The anchors that a page's headings get on GitHub."""
    headings = re.findall(
        r"^#+ (.+)$", without_code(page.read_text("utf-8")), re.MULTILINE
    )
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    broken = []
    for file, anchor in LINK.findall(without_code(page.read_text("utf-8"))):
        if "://" in file:
            continue
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{file}#{anchor}")
    assert broken == []


def test_every_page_is_linked_from_the_readme_or_the_map():
    text = (ROOT / "README.md").read_text("utf-8")
    text += (ROOT / "docs" / "architecture.md").read_text("utf-8")
    linked = {Path(file).name for file, _ in LINK.findall(without_code(text))}
    assert {page.name for page in PAGES[1:]} <= linked
