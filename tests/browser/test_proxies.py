"""The panel behind a reverse proxy, where most people meet JupyterLab."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

import ipcluster_ext as ipp
from tests.browser.lab import PREFIX, Lab
from tests.browser.pages import open_lab, screenshots_folder
from tests.browser.panels import Panel
from tests.support.proxies import KINDS, in_front_of, is_there


@pytest.mark.parametrize("kind", KINDS)
def test_the_panel_is_told_and_steers_through_it(
    page: Page, lab: Lab, rc: ipp.Client, kind: str, tmp_path: Path
) -> None:
    if not is_there(kind):
        pytest.skip(f"no {kind} was found")
    target = urlsplit(lab.url).port
    assert target is not None
    with in_front_of(target, f"{PREFIX}/", kind, tmp_path) as port:
        through = page.context.new_page()
        open_lab(through, lab._replace(url=f"http://127.0.0.1:{port}{PREFIX}"), workspace=kind)
        panel = Panel(through, screenshots_folder(tmp_path)).open()
        panel.has_idle(2)
        rc[1].apply_sync(print, f"seen through {kind}")
        expect(panel.engines.nth(1)).to_contain_text(f"seen through {kind}")
        panel.press("One Engine More")
        panel.has_idle(3)
        panel.press("One Engine Less")
        panel.has_idle(2)
        through.close()
