"""Documents say what the program is: generated parts are current, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import placer
from placer.cli.main import app
from tests.docs.blocks import names_of_blocks, with_blocks
from tests.docs.commands_page import PROGRAM, command_blocks, options_of_commands
from tests.docs.write import current_pages

PAGES = ("docs/api.md", "docs/commands.md", "docs/licences.md")


@pytest.fixture(scope="module")
def current(project_root: Path) -> dict[str, str]:
    return current_pages(project_root)


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_parts_of_a_page_are_current(
    name: str, current: dict[str, str], project_root: Path
) -> None:
    assert sorted(current) == list(PAGES)
    text = (project_root / name).read_text(encoding="utf-8")
    assert text == current[name], "run `make docs`"


def test_what_is_written_between_the_marks_is_replaced_and_nothing_else() -> None:
    mark = "<!-- written by make docs: a b -->\n"
    text = f"above\n{mark}\nold\n\n<!-- end -->\nbelow\n"
    assert with_blocks(text, {"a b": "new"}) == f"above\n{mark}\nnew\n\n<!-- end -->\nbelow\n"
    with pytest.raises(KeyError, match="a b"):
        with_blocks(text, {})


def test_every_command_has_its_section_and_block(project_root: Path) -> None:
    text = (project_root / "docs" / "commands.md").read_text(encoding="utf-8")
    assert sorted(names_of_blocks(text)) == sorted(command_blocks())
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert set(headings) == {*command_blocks(), "Exit codes", "What is written"} - {PROGRAM}


def test_what_is_said_of_an_option_is_said_of_one_that_the_command_has(project_root: Path) -> None:
    text = (project_root / "docs" / "commands.md").read_text(encoding="utf-8")
    known = options_of_commands()
    wrong = []
    for section in text.split("\n## ")[1:]:
        command, _, body = section.partition("\n")
        by_hand = with_blocks(body, dict.fromkeys(names_of_blocks(body), ""))
        for bullet in re.findall(r"^- (`.*?):", by_hand, re.MULTILINE):
            for spelling in re.findall(r"`(.*?)`", bullet):
                if spelling not in known[command]:
                    wrong.append(f"{command}: {spelling}")
    assert wrong == []


def test_every_public_name_is_on_the_page_of_the_api_once(project_root: Path) -> None:
    text = (project_root / "docs" / "api.md").read_text(encoding="utf-8")
    told = [name for block in names_of_blocks(text) for name in block.split(", ")]
    assert sorted(told) == sorted(placer.__all__)


def documents(root: Path) -> list[Path]:
    found = [*root.glob("*.md"), *(root / "docs").glob("*.md"), *(root / "models").glob("*.md")]
    return sorted(found + list((root / "reports").rglob("*.md")))


def anchors(path: Path) -> set[str]:
    """The anchors of a Markdown file's headings, as forges make them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    found: dict[str, int] = {}
    names = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        names.add(f"{slug}-{found[slug]}" if slug in found else slug)
        found[slug] = found.get(slug, 0) + 1
    return names


def links(path: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    text = re.sub(r"`[^`\n]*`", "", text)
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]


def test_every_link_of_a_document_leads_to_a_file_and_a_heading(project_root: Path) -> None:
    broken = []
    seen = 0
    for path in documents(project_root):
        for target in links(path):
            seen += 1
            name, _, anchor = target.partition("#")
            there = path.parent / name if name else path
            if not there.exists() or (anchor and anchor not in anchors(there)):
                broken.append(f"{path.relative_to(project_root)}: {target}")
    assert seen > 100
    assert broken == []


def test_the_index_links_every_document(project_root: Path) -> None:
    folder = project_root / "docs"
    linked = {target.partition("#")[0] for target in links(folder / "README.md")}
    there = {path.name for path in folder.iterdir() if path.suffix in {".md", ".json"}}
    assert there - {"README.md"} <= linked
    assert "docs/README.md" in links(project_root / "README.md")


def shown_commands(path: Path) -> list[list[str]]:
    """The arguments of every ``placer ...`` line of a document's code, without redirections."""
    found = []
    for line in re.findall(r"^(?: {4,}|\$ )placer (.*)$", path.read_text(encoding="utf-8"), re.M):
        if "[OPTIONS]" in line or "COMMAND" in line:
            continue
        words = shlex.split(re.sub(r"\s[|>].*|\s2>.*|\s&&.*|;.*", "", line), comments=True)
        found.append(words)
    return found


def test_every_command_that_a_document_shows_is_one_that_the_program_takes(
    project_root: Path,
) -> None:
    runner = CliRunner()
    shown, refused = 0, []
    for path in documents(project_root):
        for words in shown_commands(path):
            shown += 1
            done = runner.invoke(app, [*words, "--help"])
            if done.exit_code != 0 or "Usage: " not in done.output:
                refused.append(f"{path.name}: placer {' '.join(words)}: {done.output[-200:]}")
    assert shown >= 25
    assert refused == []


PLACES = re.compile(
    r"`((?:benchmarks|datasets|docs|models|placer|reports|tests|\.ci)/[\w./-]*\w/?)`"
)


def test_every_place_of_the_repository_that_a_document_names_is_there(project_root: Path) -> None:
    absent = [
        f"{path.name}: {name}"
        for path in documents(project_root)
        for name in PLACES.findall(path.read_text(encoding="utf-8"))
        if not name.startswith("placer/")  # in a test of the wheel it lies elsewhere
        and not (project_root / name).exists()
        and not list(project_root.glob(f"{name}*"))  # several files of one stem
    ]
    assert absent == []
