"""Write the generated parts of the documents: ``python -m tests.docs.write``, or make docs."""

from __future__ import annotations

from pathlib import Path

from tests.docs.api_page import ApiBlocks
from tests.docs.blocks import with_blocks
from tests.docs.commands_page import command_blocks
from tests.docs.licences_page import licence_blocks

ROOT = Path(__file__).parent.parent.parent


def current_pages(root: Path = ROOT) -> dict[str, str]:
    """Return each document that has generated parts, as it should be, by its name."""
    made = {
        "docs/commands.md": command_blocks(),
        "docs/api.md": ApiBlocks(),
        "docs/licences.md": licence_blocks(root),
    }
    return {
        name: with_blocks((root / name).read_text(encoding="utf-8"), blocks)
        for name, blocks in made.items()
    }


if __name__ == "__main__":
    for name, text in current_pages().items():
        (ROOT / name).write_text(text, encoding="utf-8")
