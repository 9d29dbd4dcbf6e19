"""How high messages are on a phone of 390 pixels, drawn by the sandbox's page in a browser: an
incident, thirty alerts and a storm fit on one screen.
"""

import json
import os
import statistics
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from relay.core.template import sample
from tests.docs.drawing import BROWSER, Drawn, measure, page
from tests.docs.scenes import Scene, Shown
from tests.golden.digests import DIGESTS
from tests.need import need_program

ROOT = Path(__file__).resolve().parents[2]
FILE = (ROOT / os.environ.get("RELAY_SPECS", "../shared/specs")).parent / "alerts" / "real.json"
PHONE = 390  # pixels
SCREEN = 700
SINGLE = {"telegram": 240, "discord": 342}  # the median before who is ill stood in the first line
PLATFORMS = ("telegram", "discord")
pytestmark = pytest.mark.browser


@cache
def _heights(scene: str) -> Drawn:
    """The messages of a scene, on both platforms."""
    drawn = Scene().show(_shown(scene))
    browser = need_program(BROWSER, "chromium fonts-roboto-unhinted fonts-noto-color-emoji")
    found = [
        measure(page(telegram, discord, PHONE, wide=False), PHONE, browser)
        for telegram, discord in ((drawn.telegram, None), (None, drawn.discord))
    ]
    return Drawn(tuple(each for one in found for each in one.messages), 0)


def _shown(scene: str) -> list[Shown]:
    at = sample.NOON + 240.0
    if scene in DIGESTS:
        return [Shown(DIGESTS[scene], at)]
    if scene in sample.VIEWS:
        return [Shown(sample.VIEWS[scene], at)]
    if not FILE.exists():
        pytest.skip("no alerts: set RELAY_SPECS")
    entries: list[dict[str, Any]] = json.loads(FILE.read_text())
    return [Shown(_single(entry), at + 5.0 * each) for each, entry in enumerate(entries)]


def _single(entry: dict[str, Any]) -> Any:
    labels, annotations = entry["alert"]["labels"], entry["alert"]["annotations"]
    alert = sample.alert(4, labels=labels, annotations=annotations)
    group = {name: labels[name] for name in ("alertname", "namespace") if name in labels}
    return sample.view((alert,), group=group)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_median_card_of_one_alert_is_no_higher_than_before(platform: str) -> None:
    found = [height for name, height in _heights("real").messages if name == platform]
    assert len(found) > 50
    assert statistics.median(found) <= SINGLE[platform]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(
    "scene", ["thirty", "huge", "long", "storm of 200", "storm, all critical", "quiet hours over"]
)
def test_many_alerts_are_one_screen(scene: str, platform: str) -> None:
    ((_, height),) = [each for each in _heights(scene).messages if each[0] == platform]
    assert 60 < height <= SCREEN
