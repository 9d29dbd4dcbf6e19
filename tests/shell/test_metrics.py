"""The scrape: names and labels of INTERFACE.md section 6, series at 0 before anything happens, the
balance.
"""

import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from relay import __version__
from relay.core.active_config import Refusing
from relay.core.balance import BalanceRow
from relay.core.event import (
    Accepted,
    Answered,
    Called,
    ChatChanged,
    Event,
    Loaded,
    Noted,
    Settled,
    TemplateFailed,
)
from relay.operate.metrics import Metrics

FULL = BalanceRow(
    "telegram",
    "ops",
    accepted=28,
    delivered=1,
    merged=2,
    duplicate=3,
    muted=7,
    expired=4,
    dead=5,
    pending=6,
    oldest_pending=99.5,
)
EVENTS: tuple[Event, ...] = (
    Answered(200, 0.002),
    Accepted("", "{}:{}", 2, 1, discarded=1, deliveries=3, discarded_by=(("null", 1),)),
    Called("telegram", "ops", "sendMessage", 429, 0.1, "rateLimited", ""),
    Called("telegram", "ops", "sendMessage", 200, 0.1, "", ""),
    Settled("telegram", "ops", "delivered", 2, (0.3, 2.0)),
    ChatChanged("discord", "ops", up=False, why="gone"),
    TemplateFailed("own.j2", "too long"),
    Loaded(ok=True, at=1000.0, faults=0, sha256="abc"),
    Loaded(ok=False, at=2000.0, faults=3),
    Noted("info", "listening"),
)


def primed() -> Metrics:
    metrics = Metrics()
    metrics.prime([("telegram", "ops"), ("discord", "ops")], ["own.j2"], ["null"])
    return metrics


def samples(metrics: Metrics, *balance: BalanceRow) -> dict[str, float]:
    text = metrics.render(balance).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[
                sample.name.removeprefix("alert_relay_") + (f"{{{labels}}}" if labels else "")
            ] = sample.value
    return found


def test_every_known_series_stands_at_its_start_before_anything_happened() -> None:
    scrape = samples(primed())
    chat = 'platform="telegram",receiver="ops"'
    expected = {
        f'webhook_requests_total{{code="{code}"}}': 0
        for code in (200, 400, 401, 404, 405, 413, 415, 503)
    }
    expected |= {f'deliveries_total{{outcome="{outcome}",{chat}}}': 0 for outcome in OUTCOMES}
    expected |= {
        f'api_failures_total{{platform="telegram",reason="{reason}",receiver="ops"}}': 0
        for reason in REASONS
    }
    expected |= {
        "webhook_request_duration_seconds_count": 0,
        'alerts_received_total{status="firing"}': 0,
        'alerts_received_total{status="resolved"}': 0,
        'alerts_discarded_total{receiver="null"}': 0,
        f"deliveries_accepted_total{{{chat}}}": 0,
        f"deliveries_pending{{{chat}}}": 0,
        'delivery_latency_seconds_count{platform="telegram"}': 0,
        f"destination_up{{{chat}}}": 1,
        'template_failures_total{template="own.j2"}': 0,
        "config_last_reload_successful": 0,
        "config_last_reload_success_timestamp_seconds": 0,
        f'build_info{{version="{__version__}"}}': 1,
    }
    assert expected.items() <= scrape.items()
    assert "oldest_pending_timestamp_seconds" not in scrape


OUTCOMES = ("delivered", "merged", "duplicate", "muted", "expired", "dead")
REASONS = (
    "authError",
    "rateLimited",
    "clientError",
    "serverError",
    "contextDeadlineExceeded",
    "other",
)


def test_each_event_is_counted_once_where_it_belongs() -> None:
    metrics = primed()
    before = samples(metrics)
    for event in EVENTS:
        metrics.on_event(event)
    changed = {name: value for name, value in samples(metrics).items() if before.get(name) != value}
    counted = {
        name: value
        for name, value in changed.items()
        if "_bucket" not in name and "process_" not in name
    }
    assert counted == {
        'webhook_requests_total{code="200"}': 1,
        "webhook_request_duration_seconds_count": 1,
        "webhook_request_duration_seconds_sum": 0.002,
        'alerts_received_total{status="firing"}': 2,
        'alerts_received_total{status="resolved"}': 1,
        'alerts_discarded_total{receiver="null"}': 1,
        'config_hash_info{sha256="abc"}': 1,
        'api_requests_total{code="429",method="sendMessage",platform="telegram"}': 1,
        'api_requests_total{code="200",method="sendMessage",platform="telegram"}': 1,
        'api_failures_total{platform="telegram",reason="rateLimited",receiver="ops"}': 1,
        'delivery_latency_seconds_count{platform="telegram"}': 2,
        'delivery_latency_seconds_sum{platform="telegram"}': 2.3,
        'template_failures_total{template="own.j2"}': 1,
        "config_last_reload_success_timestamp_seconds": 1000,
    }


def test_a_refused_load_says_so_until_one_is_taken() -> None:
    metrics = Metrics()
    for ok in (True, False, True):
        metrics.on_event(Loaded(ok=ok, at=1.0, faults=0))
        assert samples(metrics)["config_last_reload_successful"] == ok


def test_deliveries_are_what_the_balance_says() -> None:
    scrape = samples(
        Metrics(), FULL, BalanceRow("discord", "ops", accepted=1, pending=1, oldest_pending=50.0)
    )
    assert scrape['deliveries_accepted_total{platform="telegram",receiver="ops"}'] == 28
    ended = {
        outcome: scrape[
            f'deliveries_total{{outcome="{outcome}",platform="telegram",receiver="ops"}}'
        ]
        for outcome in OUTCOMES
    }
    assert ended == {
        "delivered": 1,
        "merged": 2,
        "duplicate": 3,
        "muted": 7,
        "expired": 4,
        "dead": 5,
    }
    assert scrape['deliveries_pending{platform="telegram",receiver="ops"}'] == 6
    assert scrape["oldest_pending_timestamp_seconds"] == 50.0


@pytest.mark.parametrize(
    ("row", "lost"),
    [(FULL, 0), (BalanceRow("discord", "x"), 0), (BalanceRow("discord", "x", 3, 1), 2)],
)
def test_what_was_accepted_and_is_nowhere_is_lost(row: BalanceRow, lost: int) -> None:
    assert row.lost == lost


def test_after_a_reload_receivers_that_are_gone_have_no_series_and_the_others_go_on() -> None:
    metrics = primed()
    for event in EVENTS:
        metrics.on_event(event)
    metrics.prime([("discord", "ops"), ("discord", "new")])
    scrape = samples(metrics)
    assert scrape['deliveries_pending{platform="discord",receiver="new"}'] == 0
    assert not [name for name in scrape if 'platform="telegram"' in name and "receiver=" in name]


def test_a_destination_is_up_unless_the_storage_says_that_it_is_down() -> None:
    metrics = primed()
    for refusing, up in (((Refusing("discord", "ops", "relay.yml:9", "gone"),), 0), ((), 1)):
        text = metrics.render((), refusing).decode()
        assert f'alert_relay_destination_up{{platform="discord",receiver="ops"}} {up}.0' in text
        assert 'alert_relay_destination_up{platform="telegram",receiver="ops"} 1.0' in text


def test_two_sets_of_metrics_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.on_event(Answered(200, 1.0))
    assert samples(other)['webhook_requests_total{code="200"}'] == 0


@pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is absent: apt-get install -y prometheus"
)
def test_promtool_finds_no_fault() -> None:
    metrics = primed()
    for event in EVENTS:
        metrics.on_event(event)
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=metrics.render([FULL]),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
