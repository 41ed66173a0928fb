"""The page of a run whose names are made to break it, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from placer.report.page import render_page
from tests.hostile.names import PLAIN
from tests.hostile.test_names_written import run_of
from tests.readers.chromium import open_chromium

pytestmark = pytest.mark.xdist_group("chromium")


def test_a_browser_shows_names_as_text_and_runs_none(
    tmp_path: Path, require_program: Callable[[str, str], str], tried: Callable[..., None]
) -> None:
    title = "</title><script>document.title='ran'</script>"
    path = tmp_path / "page.html"
    path.write_text(render_page(run_of(), title), encoding="utf-8")
    browser = open_chromium(
        require_program("chromium", "chromium"),
        require_program("chromedriver", "chromium-driver"),
        tmp_path / "profile",
    )
    try:
        browser.get(path.as_uri())
        # Every table is sorted and filtered once: names go through the page's own script too.
        browser.execute_script(
            "document.querySelectorAll('thead button').forEach(button => button.click());"
            "document.querySelectorAll('input').forEach(input => {"
            " input.value = '<img src=x onerror=document.title=1>';"
            " input.dispatchEvent(new Event('input', {bubbles: true}));"
            " input.value = ''; input.dispatchEvent(new Event('input', {bubbles: true})); })"
        )
        assert title in browser.title
        assert browser.execute_script("return document.querySelectorAll('img').length") == 0
        text = browser.execute_script("return document.body.textContent")
        missing = [name for name in PLAIN if len(name) < 80 and name not in text]
        assert missing == []
        assert browser.get_log("browser") == []
        scripts = browser.execute_script(
            "return [...document.scripts].filter(s => s.textContent.includes(\"title='ran'\")"
            " && s.type !== 'application/json').length"
        )
        assert scripts == 0
    finally:
        browser.quit()
    tried("hostile-name-page", len(PLAIN))
