"""Chromium without a window, driven by its driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

_ARGUMENTS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--window-size=1200,1600",
    "--proxy-server=127.0.0.1:9",
)


def open_chromium(chromium: str, driver: str, profile: Path) -> Any:
    """Return a browser with nothing to reach and a profile of its own, from these programs."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))
