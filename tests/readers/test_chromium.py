"""The page in a real browser: Chromium without a window, driven by its driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from placer.report.page import render_page
from tests.readers.chromium import open_chromium
from tests.report.pages import EVIL, named_evil, thousand, with_scenarios

pytestmark = pytest.mark.xdist_group("chromium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as files."""
    folder = tmp_path_factory.mktemp("pages")
    for name, run in (("thousand", thousand()), ("evil", named_evil())):
        page = render_page(run, EVIL if name == "evil" else name)
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    base, shown = with_scenarios()
    page = render_page(base.run, "what if", shown)
    (folder / "whatif.html").write_text(page, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Iterator[Any]:
    """Chromium with nothing to reach, and a profile of its own."""
    driver = open_chromium(
        require_program("chromium", "chromium"),
        require_program("chromedriver", "chromium-driver"),
        tmp_path_factory.mktemp("profile"),
    )
    yield driver
    driver.quit()


def column(browser: Any, table: str, number: int) -> list[str]:
    script = (
        "return [...document.getElementById(arguments[0]).rows]"
        ".map(row => row.cells[arguments[1]]?.textContent ?? '')"
    )
    return list(browser.execute_script(script, table, number))


def press(browser: Any, table: str, number: int) -> str:
    """Press a column's head, and return how the table says that it is sorted."""
    script = (
        "const table = document.getElementById(arguments[0]).closest('table');"
        "const head = table.tHead.rows[0].cells[arguments[1]];"
        "head.querySelector('button').click(); return head.getAttribute('aria-sort')"
    )
    return str(browser.execute_script(script, table, number))


def test_tables_sort_by_numbers_and_by_names(browser: Any, folder: Path) -> None:
    browser.get((folder / "thousand.html").as_uri())
    names = column(browser, "all-domains", 0)
    assert press(browser, "all-domains", 0) == "ascending"
    assert column(browser, "all-domains", 0) == sorted(names)
    assert press(browser, "all-domains", 0) == "descending"
    assert column(browser, "all-domains", 0) == sorted(names, reverse=True)
    assert press(browser, "all-domains", 2) == "ascending"
    vnodes = [int(text) for text in column(browser, "all-domains", 2)]
    assert vnodes == sorted(vnodes)
    press(browser, "all-domains", 5)
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('#all-domains td:nth-child(6)')]"
        ".map(cell => +cell.dataset.v)"
    )
    assert sizes == sorted(sizes)


def test_scenarios_sort_with_those_that_failed_last(browser: Any, folder: Path) -> None:
    browser.get((folder / "whatif.html").as_uri())
    browser.get_log("browser")
    for number in range(12):
        assert press(browser, "all-scenarios", number) == "ascending"
        if number > 2:
            assert column(browser, "all-scenarios", 1)[-1] == "failed"
        assert press(browser, "all-scenarios", number) == "descending"
        if number > 2:
            assert column(browser, "all-scenarios", 1)[-1] == "failed"
    press(browser, "all-scenarios", 3)
    left_out = [int(text) for text in column(browser, "all-scenarios", 3)[:-1]]
    assert left_out == sorted(left_out)
    assert len(set(left_out)) > 1
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_hosts_are_found_by_their_name_and_by_their_domains(browser: Any, folder: Path) -> None:
    from selenium.webdriver.common.by import By

    browser.get((folder / "thousand.html").as_uri())
    field = browser.find_element(By.CSS_SELECTOR, "input[data-filters=all-hosts]")
    field.send_keys("server-007")
    shown = (
        "return [...document.querySelectorAll('#all-hosts details')].filter(d => !d.hidden).length"
    )
    assert browser.execute_script(shown) == 1
    field.clear()
    field.send_keys("guest-0042")
    assert 1 <= browser.execute_script(shown) <= 2


def test_no_label_is_cut_off_and_nothing_leaves_its_picture(browser: Any, folder: Path) -> None:
    browser.get((folder / "thousand.html").as_uri())
    browser.execute_script(
        "for (const d of document.querySelectorAll('details')) d.open = d.id < 'host-2'"
    )
    beyond = browser.execute_script(
        "const out = [];"
        "for (const svg of document.querySelectorAll('.chart svg, .maps svg, #host-1 svg')) {"
        "  const all = svg.getBoundingClientRect();"
        "  for (const part of svg.querySelectorAll('text, circle, path.l')) {"
        "    const box = part.getBoundingClientRect();"
        "    if (!box.width && !box.height) continue;"
        "    if (box.left < all.left - 1 || box.right > all.right + 1"
        "        || box.top < all.top - 1 || box.bottom > all.bottom + 1)"
        "      out.push(part.outerHTML.slice(0, 120));"
        "  }"
        "}"
        "return out"
    )
    assert beyond == []


def test_words_on_bars_can_be_read_in_light_and_dark(browser: Any, folder: Path) -> None:
    browser.get((folder / "thousand.html").as_uri())
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        contrasts = browser.execute_script(
            "const part = c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;"
            "const light = text => { const [r, g, b] = text.match(/\\d+/g).map(Number).map(part);"
            "  return .2126 * r + .7152 * g + .0722 * b };"
            "document.querySelectorAll('#host-1, #host-2').forEach(d => d.open = true);"
            "return [...document.querySelectorAll('#host-1 .bar i, #host-2 .bar i')]"
            "  .filter(i => i.textContent).map(i => getComputedStyle(i))"
            "  .map(s => [light(s.color), light(s.backgroundColor)].sort((a, b) => b - a))"
            "  .map(([a, b]) => (a + .05) / (b + .05))"
        )
        assert contrasts
        assert min(contrasts) >= 4.5  # WCAG 2.2, 1.4.3


def test_domains_are_found_by_typing(browser: Any, folder: Path) -> None:
    from selenium.webdriver.common.by import By

    browser.get((folder / "thousand.html").as_uri())
    field = browser.find_element(By.CSS_SELECTOR, "input[data-filters=all-domains]")
    # Opened by script: where a click lands depends on what is laid out by then.
    browser.execute_script(
        "document.getElementById('domains-table').open = true; arguments[0].scrollIntoView()",
        field,
    )
    field.send_keys("guest-0042")
    shown = browser.execute_script(
        "return [...document.querySelectorAll('#all-domains tr')].filter(r => !r.hidden)"
        ".map(r => r.cells[0].textContent)"
    )
    assert shown == ["guest-0042"]


def test_a_hosts_detail_opens_where_a_link_leads_there(browser: Any, folder: Path) -> None:
    browser.get((folder / "thousand.html").as_uri())
    is_open = "return document.getElementById('host-7').open"
    assert browser.execute_script(is_open) is False
    browser.execute_script("document.querySelector('a[href=\"#host-7\"]').click()")
    browser.set_script_timeout(10)
    browser.execute_async_script("const done = arguments[0]; setTimeout(done, 50)")
    assert browser.execute_script(is_open) is True
    drawn = browser.execute_script(
        "return document.querySelectorAll('#host-7 .guest svg circle').length"
    )
    assert drawn > 0


def test_nothing_is_fetched_and_no_script_of_a_name_runs(browser: Any, folder: Path) -> None:
    browser.get_log("browser")
    for name in ("evil", "thousand"):
        browser.get((folder / f"{name}.html").as_uri())
        fetched = browser.execute_script("return performance.getEntriesByType('resource').length")
        assert fetched == 0
    browser.get((folder / "evil.html").as_uri())
    assert browser.execute_script("return document.title") == f"{EVIL}: placement"
    assert browser.execute_script("return document.scripts.length") == 1
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_dark_and_light_are_the_readers_choice(browser: Any, folder: Path) -> None:
    browser.get((folder / "evil.html").as_uri())
    found = {}
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        found[scheme] = browser.execute_script(
            "const s = getComputedStyle(document.body);"
            "const t = getComputedStyle(document.querySelector('.chart svg text'));"
            "return [s.backgroundColor, s.color, t.fill]"
        )
    for light, dark in zip(found["light"], found["dark"], strict=True):
        assert light != dark


def test_the_page_is_complete_without_scripts(browser: Any, folder: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((folder / "thousand.html").as_uri())
        from selenium.webdriver.common.by import By

        assert len(browser.find_elements(By.CSS_SELECTOR, "#all-domains tr")) == 1000
        assert browser.find_elements(By.CSS_SELECTOR, "th button") == []
        host = browser.find_element(By.CSS_SELECTOR, "#host-3 summary")
        host.click()
        assert browser.find_element(By.CSS_SELECTOR, "#host-3 .pnode .bar").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
