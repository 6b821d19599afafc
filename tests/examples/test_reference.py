"""The reference of the API has what users see, and nothing else."""

import re
from pathlib import Path

from tests.examples.reference import shown, write
from tests.support.public import PUBLIC


def test_the_reference_has_every_public_name_and_no_other(tmp_path: Path) -> None:
    page = write(tmp_path).read_text(encoding="utf-8")

    anchors = set(re.findall(r'<section id="([\w.]+)">', page)) | set(
        re.findall(r'<div id="([\w.]+)" class="classattr">', page)
    )
    assert set(PUBLIC) - anchors == set()
    assert anchors - shown() == set()
    assert {"AsyncResult.get", "AsyncMapResult.get", "LoadBalancedView.map"} <= anchors
    assert "AsyncResult.deliver" not in anchors
    assert page.count("&gt;&gt;&gt;") > 100
