"""The demo's incident: two teams, five alerts that fire, join, resolve and flap, and fifteen
seconds of trouble.

It is data: what Alertmanager 0.33 would send, when the platforms fail, and the configuration that
routes it.
"""

import hashlib
from datetime import UTC, datetime

from msgspec import Struct

from relay.sandbox.discord import Discord
from relay.sandbox.faults import FaultKind, Faults, PlatformName
from relay.sandbox.reply import JsonObject
from relay.sandbox.telegram import Telegram

TOKEN = "1000001:sandbox-bot"  # noqa: S105 no secret: the sandbox's own
DBA, WEB = -1_000_000_000_101, -202
INCIDENTS, OPS = 300_000_000_000_000_001, 300_000_000_000_000_002
INCIDENTS_HOOK, OPS_HOOK = 400_000_000_000_000_001, 400_000_000_000_000_002
HOOK_TOKEN = "sandbox-webhook"  # noqa: S105 no secret: the sandbox's own
EXTERNAL = "https://alertmanager.example.org"
ZERO = "0001-01-01T00:00:00Z"
LENGTH = 25.0  # seconds


class Rule(Struct, frozen=True):
    """An alerting rule: what its alerts have in common. `each` is the label in which they
    differ.
    """

    name: str
    each: str
    labels: dict[str, str]
    summary: str
    description: str = ""


class ScriptedPost(Struct, frozen=True):
    """A notification `at` seconds after the start: these alerts of a rule fire or have ended."""

    at: float
    rule: str
    reason: str
    firing: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()


class ScriptedFault(Struct, frozen=True):
    """A platform fails: from `at` for `lasts` seconds, or once with a 429 that asks to wait `lasts`
    seconds.
    """

    at: float
    lasts: float
    platform: PlatformName
    target: str
    kind: FaultKind


RULES = {
    "errors": Rule(
        "HighErrorRate",
        "pod",
        {
            "cluster": "prod-1",
            "namespace": "payments",
            "service": "checkout",
            "severity": "critical",
            "team": "web",
        },
        "12 % of requests fail (limit 1 %)",
    ),
    "lag": Rule(
        "PostgresReplicationLag",
        "instance",
        {"cluster": "prod-1", "job": "postgres", "severity": "warning", "team": "db"},
        "Replica is more than 30 s behind its primary",
        "Reads from this replica are stale. It catches up by itself when the import has ended.",
    ),
    "disk": Rule(
        "DiskFull_<b>*now*</b>_[root](https://evil.example)_&_@everyone",
        "instance",
        {
            "device": "/dev/mapper/pg_wal`1`",
            "mountpoint": "C:\\data\\_1_",
            "severity": "critical",
            "team": "db",
        },
        "Only <3 % left & falling on `/var/lib/pg_wal` ||see|| *runbook*_2_ @here "
        "<@123456789012345678>",
    ),
    "flap": Rule(
        "PodCrashLooping",
        "pod",
        {"cluster": "prod-1", "namespace": "payments", "severity": "warning", "team": "web"},
        "Container worker restarts again and again",
    ),
    "clock": Rule(
        "NodeClockSkew", "instance", {"job": "node"}, "Clock is 0.2 s ahead of the time server"
    ),
}

SCRIPT = (
    ScriptedPost(0.5, "errors", "first notification", firing=("api-7f9c",)),
    ScriptedPost(2.0, "lag", "first notification", firing=("db-2:9187",)),
    ScriptedPost(3.5, "errors", "new alerts added", firing=("api-7f9c", "api-8d2e")),
    ScriptedPost(5.0, "disk", "first notification", firing=("db-1:9100",)),
    ScriptedPost(
        6.2, "errors", "some alerts resolved", firing=("api-8d2e",), resolved=("api-7f9c",)
    ),
    ScriptedPost(7.5, "flap", "first notification", firing=("worker-11",)),
    ScriptedPost(9.2, "flap", "all alerts resolved", resolved=("worker-11",)),
    ScriptedPost(9.5, "lag", "new alerts added", firing=("db-2:9187", "db-3:9187")),
    ScriptedPost(11.0, "flap", "first notification", firing=("worker-11",)),
    ScriptedPost(12.5, "flap", "all alerts resolved", resolved=("worker-11",)),
    ScriptedPost(13.0, "clock", "first notification", firing=("node-4:9100",)),
    ScriptedPost(14.0, "flap", "first notification", firing=("worker-11",)),
    ScriptedPost(15.0, "errors", "all alerts resolved", resolved=("api-8d2e",)),
    ScriptedPost(16.5, "disk", "repeat interval elapsed", firing=("db-1:9100",)),
    ScriptedPost(18.0, "lag", "all alerts resolved", resolved=("db-2:9187", "db-3:9187")),
    ScriptedPost(19.0, "flap", "all alerts resolved", resolved=("worker-11",)),
    ScriptedPost(20.5, "disk", "all alerts resolved", resolved=("db-1:9100",)),
    ScriptedPost(22.0, "clock", "all alerts resolved", resolved=("node-4:9100",)),
)

SCRIPTED_FAULTS = (
    ScriptedFault(6.0, 4.0, "telegram", str(WEB), "429"),
    ScriptedFault(9.0, 2.5, "discord", "*", "502"),
    ScriptedFault(16.0, 2.0, "telegram", "*", "502"),
    ScriptedFault(20.0, 2.5, "discord", str(INCIDENTS_HOOK), "429"),
)


def payload(post: ScriptedPost, began: float) -> JsonObject:
    """The webhook body of a scripted notification of an incident that began at `began` (Unix
    seconds).
    """
    rule = RULES[post.rule]
    alerts = [_alert(rule, post, each, began) for each in sorted(post.firing + post.resolved)]
    common = {"alertname": rule.name, **rule.labels}
    if len(alerts) == 1:
        common[rule.each] = (post.firing + post.resolved)[0]
    quoted = rule.name.replace("\\", "\\\\").replace('"', '\\"')
    return {
        "receiver": "alert-relay",
        "status": "firing" if post.firing else "resolved",
        "alerts": alerts,
        "notification_reason": post.reason,
        "groupLabels": {"alertname": rule.name},
        "commonLabels": dict(sorted(common.items())),
        "commonAnnotations": _annotations(rule),
        "externalURL": EXTERNAL,
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{quoted}"}}',
        "truncatedAlerts": 0,
    }


def set_up_chats(telegram: Telegram, discord: Discord) -> None:
    """Makes the bot, the two groups, the two channels and their webhooks."""
    telegram.add_bot(TOKEN, "alert_relay_bot")
    telegram.add_chat(DBA, "supergroup", "DBA on call")
    telegram.add_chat(WEB, "group", "Web on call")
    discord.add_channel(INCIDENTS, "incidents")
    discord.add_channel(OPS, "ops")
    discord.add_webhook(INCIDENTS_HOOK, HOOK_TOKEN, INCIDENTS)
    discord.add_webhook(OPS_HOOK, HOOK_TOKEN, OPS)


def schedule(faults: Faults, began: float) -> None:
    for scripted in SCRIPTED_FAULTS:
        since = began + scripted.at
        once = scripted.kind == "429"
        until = float("inf") if once else since + scripted.lasts
        count = 1 if once else None
        faults.add(
            scripted.platform,
            scripted.target,
            scripted.kind,
            count=count,
            since=since,
            until=until,
            seconds=scripted.lasts,
        )


def config(telegram_url: str, discord_url: str) -> str:
    """The relay.yml of the demo, for a sandbox at these addresses."""
    return f"""\
global:
  telegram_api_url: {telegram_url}
  telegram_bot_token: "{TOKEN}"
route:
  receiver: ops
  routes:
    - matchers: [severity="critical"]
      receiver: incidents
      continue: true
    - matchers: [severity=~"warning|info"]
      receiver: ops
      continue: true
    - matchers: [team="db"]
      receiver: dba
    - matchers: [team="web"]
      receiver: web
receivers:
  - name: ops
    discord_configs:
      - webhook_url: {discord_url}/api/webhooks/{OPS_HOOK}/{HOOK_TOKEN}
        username: Alerts
  - name: incidents
    discord_configs:
      - webhook_url: {discord_url}/api/webhooks/{INCIDENTS_HOOK}/{HOOK_TOKEN}
        username: Incidents
  - name: dba
    telegram_configs:
      - chat_id: {DBA}
  - name: web
    telegram_configs:
      - chat_id: {WEB}
tests:
  - name: critical alerts of the web team reach their group and the incident channel
    labels: {{team: web, severity: critical}}
    receivers: [incidents, web]
  - name: an alert of nobody reaches ops
    labels: {{alertname: NodeClockSkew}}
    receivers: [ops]
"""


def _alert(rule: Rule, post: ScriptedPost, each: str, began: float) -> JsonObject:
    labels = dict(sorted({"alertname": rule.name, rule.each: each, **rule.labels}.items()))
    identity = "\xff".join(f"{name}\xff{value}" for name, value in labels.items())
    ended = each in post.resolved
    return {
        "status": "resolved" if ended else "firing",
        "labels": labels,
        "annotations": _annotations(rule),
        "startsAt": _time(began + _fired(post, each)),
        "endsAt": _time(began + post.at) if ended else ZERO,
        "generatorURL": f"http://prometheus:9090/graph?g0.expr={post.rule}&g0.tab=1",
        "fingerprint": hashlib.sha256(identity.encode()).hexdigest()[:16],
    }


def _annotations(rule: Rule) -> dict[str, str]:
    path = "".join(c for c in rule.name if c.isalnum())
    notes = {"summary": rule.summary, "runbook_url": f"https://runbooks.example.org/{path}"}
    return {**notes, "description": rule.description} if rule.description else notes


def _fired(post: ScriptedPost, each: str) -> float:
    """When the alert of this notification began to fire: at the first one that has it since it last
    ended.
    """
    since = None
    for earlier in (other for other in SCRIPT if other.rule == post.rule and other.at <= post.at):
        if each in earlier.firing and since is None:
            since = earlier.at
        if each in earlier.resolved and earlier.at < post.at:
            since = None
    return post.at if since is None else since


def _time(moment: float) -> str:
    return (
        datetime.fromtimestamp(moment, UTC)
        .isoformat(timespec="microseconds")
        .replace("+00:00", "Z")
    )
