"""The report page of 1,000 domains: how large, how soon drawn by placer and by Chromium.

Prints a table. Asserts that the page is below 3 MB; never the seconds. Needs Debian's chromium and
chromium-driver.

    python benchmarks/page.py --repeats 5
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # so that the file runs as a script, whatever is installed
    sys.path.insert(0, str(ROOT))

from placer.report.page import render_page  # noqa: E402
from tests.readers.chromium import open_chromium  # noqa: E402
from tests.report.pages import thousand  # noqa: E402

MOST_BYTES: Final = 3_000_000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    run = thousand()
    rendered = []
    page = ""
    for _ in range(repeats):
        started = time.monotonic()
        page = render_page(run, "fleet")
        rendered.append(1000 * (time.monotonic() - started))
    assert len(page.encode()) < MOST_BYTES
    print(f"{len(run.placed)} domains placed, page of {len(page.encode())} bytes")
    times: dict[str, list[float]] = {"render_page": rendered}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(page, encoding="utf-8")
        chromium, driver = (shutil.which(name) or name for name in ("chromium", "chromedriver"))
        browser = open_chromium(chromium, driver, Path(folder) / "profile")
        try:
            for _ in range(repeats):
                browser.get("about:blank")
                browser.get(path.as_uri())
                found = browser.execute_script(
                    "const paint = performance.getEntriesByName('first-contentful-paint')[0];"
                    "const page = performance.getEntriesByType('navigation')[0];"
                    "return {'first contentful paint': paint ? paint.startTime : 0,"
                    " 'DOMContentLoaded': page.domContentLoadedEventEnd,"
                    " 'load': page.loadEventEnd}"
                )
                for name, milliseconds in found.items():
                    times.setdefault(name, []).append(float(milliseconds))
        finally:
            browser.quit()
    print(f"{'':>24} {'median ms':>10} {'least':>8} {'most':>8}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:>24} {median:>10.0f} {min(values):>8.0f} {max(values):>8.0f}")


if __name__ == "__main__":
    main()
