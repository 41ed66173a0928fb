"""What a person at a terminal sees: progress, colours, completion."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.program import spawn_placer, watch_placer

SGR = re.compile(r"\x1b\[[0-9;]*m")
HOST = "pnode:2 core:4 memory:8GiB distance:10,21"
DOMAINS = '[[domain]]\nname = "web"\nmemory = "1GiB"\nvcpus = 1\ncount = 4\n'


def placed(folder: Path) -> Path:
    (folder / "domains.toml").write_text(DOMAINS, encoding="utf-8")
    ended = spawn_placer(
        "place", folder / "domains.toml", "--host", HOST, "--out", folder / "run", "--quiet"
    )
    assert ended.code == 0
    return folder / "run"


def test_progress_moves_at_a_terminal_and_leaves_nothing_behind(tmp_path: Path) -> None:
    run = placed(tmp_path)
    ended = watch_placer("whatif", "fail-each", "--pnodes", "--base", run)
    assert "fail pnode" in ended.err
    assert "2/2" in ended.err
    assert ended.err.count("\r") > 1
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", ended.err.rsplit("\x1b[2K", 1)[-1])
    assert last.strip() == ""
    assert "\x1b" not in ended.out


def test_no_color_is_honoured(tmp_path: Path) -> None:
    run = placed(tmp_path)
    arguments = ("whatif", "fail-each", "--base", run)
    coloured = watch_placer(*arguments, NO_COLOR="")
    plain = watch_placer(*arguments, NO_COLOR="1")
    colours = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|38|9[0-7]|4[0-7])[0-9;]*m")
    assert colours.search(coloured.err)
    assert not colours.search(plain.err)


def test_quiet_means_quiet_at_a_terminal_too(tmp_path: Path) -> None:
    run = placed(tmp_path)
    ended = watch_placer("whatif", "fail-each", "--base", run, "--quiet")
    assert ended.err == ""


def test_shells_complete_commands_and_options() -> None:
    def completed(*words: str) -> list[str]:
        ended = spawn_placer(
            _PLACER_COMPLETE="complete_bash",
            COMP_WORDS=" ".join(("placer", *words)),
            COMP_CWORD=str(len(words)),
        )
        return ended.out.split()

    assert completed("what") == ["whatif"]
    assert set(completed("whatif", "f")) == {"fail-each", "frontier"}
    assert "--html" in completed("report", "--h")
