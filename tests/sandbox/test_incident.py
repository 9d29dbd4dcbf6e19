"""The demo's incident: payloads that a relay takes, a configuration that it loads, a story that
holds together.
"""

import json
from pathlib import Path

import pytest

from relay.core.webhook.payload import parse
from relay.sandbox import incident
from relay.sandbox.incident import SCRIPT, SCRIPTED_FAULTS, ScriptedPost
from relay.settings import load as settings
from tests.sandbox.client import T0


@pytest.mark.parametrize("beat", SCRIPT, ids=lambda beat: f"{beat.at:g}s {beat.rule}")
def test_each_payload_is_one_alertmanager_could_send(beat: ScriptedPost) -> None:
    payload = incident.payload(beat, T0)
    (notification,) = parse(json.dumps(payload).encode(), "demo")
    assert notification.reason == beat.reason
    assert len(notification.alerts) == len(beat.firing + beat.resolved)
    assert notification.status == ("firing" if beat.firing else "resolved")
    for alert in notification.alerts:
        assert notification.common_labels.items() <= alert.labels.items()
        assert T0 <= alert.starts_at <= T0 + beat.at


def test_every_alert_that_fires_ends_and_starts_anew_when_it_flaps() -> None:
    firing: dict[tuple[str, str], float] = {}
    starts: dict[tuple[str, str], set[float]] = {}
    for beat in SCRIPT:
        (notification,) = parse(json.dumps(incident.payload(beat, T0)).encode(), "demo")
        for alert in notification.alerts:
            key = (beat.rule, alert.fingerprint)
            starts.setdefault(key, set()).add(alert.starts_at)
            if alert.status == "firing":
                assert firing.setdefault(key, alert.starts_at) == alert.starts_at
            else:
                assert firing.pop(key) == alert.starts_at
    assert firing == {}
    assert sorted(len(times) for times in starts.values()) == [1, 1, 1, 1, 1, 1, 3]


def test_the_script_is_in_order_and_ends_in_time() -> None:
    moments = [beat.at for beat in SCRIPT]
    assert moments == sorted(moments)
    assert (
        max([*moments, *(trouble.at + trouble.lasts for trouble in SCRIPTED_FAULTS)])
        < incident.LENGTH
    )


def test_the_configuration_loads_and_its_own_tests_hold(tmp_path: Path) -> None:
    file = tmp_path / "relay.yml"
    file.write_text(incident.config("http://127.0.0.1:1", "http://127.0.0.1:1"), encoding="utf-8")
    rules, faults = settings.load(file, "serve")
    assert [str(fault) for fault in faults] == []
    assert rules is not None
    assert rules.tests == 2
