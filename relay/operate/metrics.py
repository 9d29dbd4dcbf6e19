"""The metrics: events are counted as they come; the counts of deliveries and the chats that are
down come from the store at each scrape.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import assert_never, get_args

from msgspec import Struct
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from relay import __version__
from relay.core.active_config import Refusing
from relay.core.balance import BalanceRow
from relay.core.bot.update import Sort
from relay.core.event import (
    Accepted,
    Answered,
    BotListens,
    Called,
    ChatChanged,
    ChatMoved,
    ClockChanged,
    Contradicted,
    EscalationSettled,
    Event,
    FailureReason,
    Heard,
    Loaded,
    Noted,
    PressAnswered,
    RequestRefused,
    Settled,
    Settlement,
    StorageDamaged,
    StorageLost,
    TemplateFailed,
)
from relay.core.routing.lane import Platform
from relay.store.history import Durability

_PREFIX = "alert_relay"
_CODES = (200, 400, 401, 403, 404, 405, 413, 415, 503)
_ANSWER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
_LATENCY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
_CHAT = ("platform", "receiver")
Chat = tuple[Platform, str]


class ReplicaStatus(Struct, frozen=True):
    """The state of one of several processes on a PostgreSQL: how many lanes it holds, how often it
    lost one, whether it reaches the database, how safe a commit is (without a level: unknown, or
    another process reports it), and how many payloads wait in its spool (None: it has none).
    """

    leases: int
    leases_lost: int
    is_reached: bool
    durability: Durability = Durability()
    spooled: int | None = None


class Metrics:
    """Every metric of docs/operating.md. No label value comes from a payload."""

    def __init__(self) -> None:
        """Sets all series whose labels are known beforehand to 0."""
        # The `_created` series double the size of a scrape, and Prometheus does not use them.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library annotates no result
        self._registry = CollectorRegistry()
        self._chats: frozenset[Chat] = frozenset()
        ProcessCollector(registry=self._registry)
        self._make_webhook()
        self._make_api()
        self._make_configuration()
        self._make_storage()

    def _make_webhook(self) -> None:
        self._requests = self._counter(
            "webhook_requests", "Webhook requests, by HTTP status.", "code"
        )
        self._misdirected = self._counter(
            "unknown_path_requests", "Requests for an unknown path, or with another method."
        )
        self._request_seconds = self._histogram(
            "webhook_request_duration_seconds",
            "Seconds until a webhook request was answered.",
            _ANSWER_SECONDS,
        )
        self._alerts = self._counter("alerts_received", "Alerts in accepted payloads.", "status")
        self._discarded = self._counter(
            "alerts_discarded", "Alerts that reached only receivers without entries.", "receiver"
        )
        # `labels` checks and formats its values each time, so children that every request needs are
        # kept.
        self._by_code = {code: self._requests.labels(code) for code in _CODES}
        self._firing = self._alerts.labels("firing")
        self._resolved = self._alerts.labels("resolved")

    def _make_api(self) -> None:
        self._latency = self._histogram(
            "delivery_latency_seconds",
            "Seconds from acceptance to API success.",
            _LATENCY_SECONDS,
            "platform",
        )
        self._calls = self._counter(
            "api_requests",
            "API requests by HTTP status; code 0 means no answer.",
            "platform",
            "method",
            "code",
        )
        self._failures = self._counter(
            "api_failures", "API requests that failed.", *_CHAT, "reason"
        )
        self._updates = self._counter("updates", "Updates that bots received, by result.", "sort")
        self._actions = self._counter(
            "actions", "Button presses, by request and outcome.", "kind",
            "outcome",
        )  # fmt: skip
        self._escalations = self._counter(
            "escalations", "Escalation steps that were carried out.", "receiver"
        )
        self._by_call: dict[tuple[Platform, str, int], Counter] = {}
        self._by_platform: dict[Platform, Histogram] = {}
        for sort in get_args(Sort):
            self._updates.labels(sort)

    def _make_configuration(self) -> None:
        self._template_failures = self._counter(
            "template_failures", "Template failures; the built-in plain text was sent.", "template"
        )
        self._load_ok = self._gauge(
            "config_last_reload_successful",
            "Whether the last configuration load was successful (1) or not (0).",
        )
        self._loaded_at = self._gauge(
            "config_last_reload_success_timestamp_seconds",
            "Unix time of the last successful configuration load.",
        )
        self._config_hash = self._gauge(
            "config_hash_info", "Digest of the configuration file in force; always 1.", "sha256"
        )
        self._gauge("build_info", "Version of the running relay; always 1.", "version").labels(
            __version__
        ).set(1)

    def _make_storage(self) -> None:
        self._damaged = self._counter("storage_damaged", "Damaged storages that were moved aside.")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, _PREFIX, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, _PREFIX, registry=self._registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(name, text, labels, _PREFIX, buckets=buckets, registry=self._registry)

    def prime(
        self, chats: Iterable[Chat], templates: Iterable[str] = (), discarding: Iterable[str] = ()
    ) -> None:
        """Takes the (platform, receiver) pairs and templates of a configuration, and the receivers
        that discard: new series start at 0, those of receivers that are gone end, the others go on.
        """
        for receiver in discarding:
            self._discarded.labels(receiver)
        wanted = frozenset(chats)
        for chat in wanted - self._chats:
            self._latency.labels(chat[0])
            for reason in get_args(FailureReason):
                self._failures.labels(*chat, reason)
        for chat in self._chats - wanted:
            for reason in get_args(FailureReason):
                self._failures.remove(*chat, reason)
        self._chats = wanted
        for template in templates:
            self._template_failures.labels(template)

    def on_event(self, event: Event) -> None:
        """Counts an event. Deliveries and the chats that are down are not counted here: the store
        has them, durably.
        """
        match event:
            case RequestRefused(code):
                self._misdirected.inc(code in (404, 405))
            case Answered(code, seconds):
                if code in (404, 405):
                    self._misdirected.inc()
                (self._by_code.get(code) or self._requests.labels(code)).inc()
                self._request_seconds.observe(seconds)
            case Accepted():
                self._accepted(event)
            case Called():
                self._called(event)
            case Settled(platform=platform, latencies=latencies):
                self._settled(platform, latencies)
            case TemplateFailed(template):
                self._template_failures.labels(template).inc()
            case Loaded():
                self._loaded(event)
            case Heard(sort):
                self._updates.labels(sort).inc()
            case StorageDamaged():
                self._damaged.inc()
            case PressAnswered(kind, outcome):
                self._actions.labels(kind or "none", outcome).inc()
            case EscalationSettled(receiver):
                self._escalations.labels(receiver).inc()
            case ClockChanged() | StorageLost():
                pass
            case BotListens() | ChatChanged() | ChatMoved() | Contradicted() | Noted():
                pass
            case _:
                assert_never(event)

    def _accepted(self, event: Accepted) -> None:
        if event.firing:
            self._firing.inc(event.firing)
        if event.resolved:
            self._resolved.inc(event.resolved)
        for receiver, alerts in event.discarded_by:
            self._discarded.labels(receiver).inc(alerts)

    def _settled(self, platform: Platform, latencies: tuple[float, ...]) -> None:
        if latencies and platform not in self._by_platform:
            self._by_platform[platform] = self._latency.labels(platform)
        for latency in latencies:
            self._by_platform[platform].observe(latency)

    def _called(self, event: Called) -> None:
        key = (event.platform, event.method, event.code)
        if key not in self._by_call:
            self._by_call[key] = self._calls.labels(*key)
        self._by_call[key].inc()
        if event.reason:
            self._failures.labels(event.platform, event.receiver, event.reason).inc()

    def _loaded(self, event: Loaded) -> None:
        self._load_ok.set(event.ok)
        if event.ok:
            self._loaded_at.set(event.at)
            self._config_hash.clear()
            self._config_hash.labels(event.sha256).set(1)

    def render(
        self,
        balance: Iterable[BalanceRow] | None,
        refusing: Iterable[Refusing] = (),
        heard: Mapping[str, float] | None = None,
        replica: ReplicaStatus | None = None,
    ) -> bytes:
        """One scrape in Prometheus' text format. Deliveries are counted by `balance`, 0 for a chat
        that it does not name; chats are up except those in `refusing`. `heard` is when each
        heartbeat last arrived, Unix seconds. Without a balance another replica reports what the
        storage has: a series that began at 0 here would rise by all of it when this replica does.
        """
        if balance is None:
            return generate_latest(_Scrape(self._registry, (), {}, {}, replica))
        rows = {chat: BalanceRow(*chat) for chat in sorted(self._chats)}
        rows |= {(row.platform, row.receiver): row for row in balance}
        down = {(each.platform, each.receiver) for each in refusing}
        up = {chat: chat not in down for chat in sorted(self._chats)}
        return generate_latest(
            _Scrape(self._registry, tuple(rows.values()), up, heard or {}, replica)
        )


class _Scrape(Collector):
    """The registry's metrics, followed by those from the store."""

    def __init__(
        self,
        registry: CollectorRegistry,
        balance: tuple[BalanceRow, ...],
        up: Mapping[Chat, bool],
        heard: Mapping[str, float],
        replica: ReplicaStatus | None,
    ) -> None:
        self._replica = replica
        self._heard = heard
        self._up = up
        self._registry = registry
        self._balance = balance

    def collect(self) -> Iterator[Metric]:
        """The metric families, as prometheus_client asks for them."""
        own = [_destinations(self._up), _heartbeats(self._heard), *_replica(self._replica)]
        return chain(self._registry.collect(), _families(self._balance), own)


def _destinations(up: Mapping[Chat, bool]) -> Metric:
    gauge = GaugeMetricFamily(
        f"{_PREFIX}_destination_up",
        "0 while a chat refuses messages, or has not got its deliveries for ten minutes, else 1.",
        labels=_CHAT,
    )
    for chat, is_up in up.items():
        gauge.add_metric(chat, is_up)
    return gauge


def _replica(told: ReplicaStatus | None) -> Iterator[Metric]:
    """The metrics of one of several processes; nothing if there is only one."""
    if told is None:
        return
    leases = GaugeMetricFamily(
        f"{_PREFIX}_lane_leases", "Chats that this replica works on, by state.", labels=("state",)
    )
    leases.add_metric(("held",), told.leases)
    yield leases
    yield CounterMetricFamily(
        f"{_PREFIX}_lane_leases_lost",
        "Leases that ran out or that another replica took.",
        told.leases_lost,
    )
    yield GaugeMetricFamily(
        f"{_PREFIX}_storage_up", "Whether this replica reaches the PostgreSQL (1).", told.is_reached
    )
    if told.durability.level:
        durability = GaugeMetricFamily(
            f"{_PREFIX}_store_durability",
            "Where a commit is when it is answered: on one machine (local) or on a synchronous "
            "standby too (remote); always 1.",
            labels=("level",),
        )
        durability.add_metric((told.durability.level,), 1)
        yield durability
    if told.durability.lag is not None:
        yield GaugeMetricFamily(
            f"{_PREFIX}_store_replication_lag_bytes",
            "Bytes of PostgreSQL's log that its nearest standby has not stored yet.",
            told.durability.lag,
        )
    if told.spooled is not None:
        yield GaugeMetricFamily(
            f"{_PREFIX}_spool_payloads", "Payloads that wait in the spool.", told.spooled
        )


def _heartbeats(heard: Mapping[str, float]) -> Metric:
    gauge = GaugeMetricFamily(
        f"{_PREFIX}_heartbeat_last_seen_timestamp_seconds",
        "Unix time of the last heartbeat; the oldest one where `by` makes several of a name.",
        labels=("name",),
    )
    for name, at in heard.items():
        gauge.add_metric((name,), at)
    return gauge


def _families(balance: tuple[BalanceRow, ...]) -> Iterator[Metric]:
    accepted = CounterMetricFamily(
        f"{_PREFIX}_deliveries_accepted",
        "Deliveries accepted: synced before the 200.",
        labels=_CHAT,
    )
    ended = CounterMetricFamily(
        f"{_PREFIX}_deliveries", "Deliveries that ended.", labels=(*_CHAT, "outcome")
    )
    pending = GaugeMetricFamily(
        f"{_PREFIX}_deliveries_pending", "Deliveries that have not ended.", labels=_CHAT
    )
    oldest = GaugeMetricFamily(
        f"{_PREFIX}_oldest_pending_timestamp_seconds",
        "Unix time when the oldest pending delivery was accepted; absent when none is.",
    )
    for row in balance:
        chat = (row.platform, row.receiver)
        accepted.add_metric(chat, row.accepted)
        pending.add_metric(chat, row.pending)
        for outcome in get_args(Settlement):
            ended.add_metric((*chat, outcome), getattr(row, outcome))
    open_since = [row.oldest_pending for row in balance if row.oldest_pending is not None]
    if open_since:
        oldest.add_metric((), min(open_since))
    yield from (accepted, ended, pending, oldest)
