"""From a configuration to routes, targets and policies: what each key comes to."""

import pytest

from relay.config.config import parse
from relay.config.fault import Fault
from relay.config.files import Files, file_names
from relay.config.policy import URGENT
from relay.config.resolve import resolve
from relay.config.rules import Rules, decided
from relay.core.alert import Alert, Notification
from relay.core.bot.account import Bot
from relay.core.budget import Limits, Rate
from relay.core.retention import Retention
from relay.core.routing.interval import contains
from relay.core.routing.lane import (
    HttpOptions,
    LaneKey,
    Lifecycle,
    LinkRewrite,
    MentionRule,
    Policy,
    Target,
)
from relay.core.routing.matcher import parse as matchers
from relay.core.routing.route import deliveries
from relay.core.secret import Secret
from relay.core.template.template import BUILT_IN
from relay.core.text.message import Mention
from relay.platforms import PLATFORMS

TEMPLATES = dict.fromkeys(
    [*BUILT_IN, "own.j2"], "{% block card %}x{% endblock %}{% block reply %}x{% endblock %}"
)
BOT = "global: {telegram_bot_token: '7:token'}\n"
ROUTE = "route: {receiver: ops}\n"


def resolved(text: str, **secrets: str) -> tuple[Rules, tuple[Fault, ...]]:
    """The rules of a text that has no faults, and its warnings. Secret files are given by name."""
    config, faults = parse("relay.yml", text.encode(), PLATFORMS)
    assert config, faults
    files = Files(
        "/etc/relay", {name: Secret(value) for name, value in secrets.items()}, builtin=TEMPLATES
    )
    draft, more = resolve(config, files, "serve")
    rules = decided(draft, faults + more)
    assert rules, (faults, more)
    return rules, faults + more


def targets(entry: str, head: str = BOT, receiver: str = "") -> tuple[Target, ...]:
    """The targets of the receiver `ops` with one entry."""
    rules, _ = resolved(
        f"{head}{ROUTE}receivers:\n  - name: ops\n{receiver}    {entry}\n  - name: other\n"
    )
    return rules.routing.targets["ops"]


def telegram(keys: str, head: str = BOT, receiver: str = "") -> Target:
    """The target of one Telegram chat with these keys."""
    (target,) = targets(f"telegram_configs: [{{chat_id: -1001, {keys}}}]", head, receiver)
    return target


def discord(keys: str) -> Target:
    """The target of one Discord channel with these keys."""
    (target,) = targets(
        f"discord_configs: [{{webhook_url: 'https://ptb.discord.com/api/webhooks/5/x', {keys}}}]"
    )
    return target


def test_an_entry_without_further_keys_has_the_defaults_of_the_policy() -> None:
    plain = Policy(
        receiver="ops",
        template="telegram.html.j2",
        markup="html",
        urgent=URGENT,
    )
    assert telegram("").policy == plain
    assert discord("").policy == Policy(
        receiver="ops",
        template="discord.md.j2",
        markup="discord",
        urgent=URGENT,
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("send_resolved: false", {"send_resolved": False}),
        ("disable_notifications: true", {"silent": True}),
        ("per: alert", {"per": "alert"}),
        ("fallback: other", {"fallback": "other"}),
        ("urgent: [a=b]", {"urgent": matchers("a=b")}),
        ("urgent: []", {"urgent": ()}),
        ("overflow: document", {"overflow": "document"}),
        ("language: fr", {"language": "fr"}),
        ("timezone: Asia/Tokyo", {"timezone": "Asia/Tokyo"}),
        (
            "template: own.j2, parse_mode: MarkdownV2",
            {"template": "own.j2", "markup": "markdownv2"},
        ),
        ("parse_mode: MarkdownV2", {"template": "telegram.md2.j2", "markup": "markdownv2"}),
        ("parse_mode: Markdown", {"template": "telegram.md.j2", "markup": "markdown"}),
        ("parse_mode: ''", {"template": "plain.txt.j2", "markup": "none"}),
        ("digest_after: 2m, late_hold: 10s", {"digest_after": 120.0, "late_hold": 10.0}),
        ("identity_ignores: [value, pod]", {"identity_ignores": frozenset({"value", "pod"})}),
        ("stale_after: 1d, expire_after: 0", {"stale_after": 86400.0, "expire_after": 0.0}),
        ("lifecycle: {reply_joined: false}", {"lifecycle": Lifecycle(reply_joined=False)}),
        ("lifecycle: {reopen_window: 1h}", {"lifecycle": Lifecycle(reopen_window=3600.0)}),
        (
            "mentions: [{matchers: [a=b], user: 12, name: Ada}]",
            {"mentions": (MentionRule(matchers("a=b"), Mention("user", "12", "Ada")),)},
        ),
        (
            "link_rewrites: [{match: 'http://a:9090', replace: 'https://a.example.org/'}]",
            {"link_rewrites": (LinkRewrite("http://a:9090", "https://a.example.org"),)},
        ),
    ],
)
def test_each_key_of_an_entry_changes_its_part_of_the_policy(
    keys: str, expected: dict[str, object]
) -> None:
    base = telegram("").policy
    policy = telegram(keys).policy
    changed = {
        field for field in base.__struct_fields__ if getattr(policy, field) != getattr(base, field)
    }
    assert changed == set(expected)
    assert {field: getattr(policy, field) for field in expected} == expected


def test_an_entry_goes_over_its_receiver_and_that_over_the_file() -> None:
    head = (
        "global: {telegram_bot_token: '7:token', language: fr, timezone: Asia/Tokyo, "
        "dedup_window: 5m}\n"
    )
    policy = telegram(
        "per: group", head, "    per: alert\n    timezone: Europe/Paris\n    quiet: []\n"
    ).policy
    assert (policy.per, policy.timezone, policy.language, policy.dedup_window) == (
        "group",
        "Europe/Paris",
        "fr",
        300.0,
    )


def test_what_the_file_says_of_labels_and_links_holds_where_nobody_else_does() -> None:
    head = (
        "global: {telegram_bot_token: '7:token', identity_ignores: [value], "
        "link_rewrites: [{match: 'http://a', replace: 'https://a.example.org'}]}\n"
    )
    policy = telegram("", head).policy
    assert policy.identity_ignores == {"value"}
    assert policy.link_rewrites == (LinkRewrite("http://a", "https://a.example.org"),)
    own = telegram("identity_ignores: [pod], link_rewrites: []", head).policy
    assert own.identity_ignores == {"pod"}
    assert own.link_rewrites == ()
    common = telegram("", head, "    identity_ignores: []\n").policy
    assert common.identity_ignores == frozenset()


def test_a_discord_entry_has_its_name_picture_and_markup() -> None:
    policy = discord(
        "username: Ada, avatar_url: 'https://example.org/a.png', parse_mode: HTML, template: own.j2"
    ).policy
    assert (policy.username, policy.avatar_url, policy.markup) == (
        "Ada",
        "https://example.org/a.png",
        "html",
    )


def test_lanes_name_the_chat_without_anything_secret() -> None:
    assert telegram("").lane == LaneKey("telegram", "https://api.telegram.org", "7", "-1001")
    assert telegram("message_thread_id: 9").lane.thread == "9"
    assert telegram("api_url: 'http://127.0.0.1:8081/', bot_token: '8:other'").lane == LaneKey(
        "telegram", "http://127.0.0.1:8081", "8", "-1001"
    )
    assert discord("").lane == LaneKey("discord", "https://discord.com", "5", "")
    assert discord("thread_id: 123456789012345678").lane.thread == "123456789012345678"
    assert discord("thread_name: Incidents").lane.thread == "name:Incidents"
    assert telegram("").place == "relay.yml:5"


def test_secrets_come_from_the_file_or_from_files_of_their_own() -> None:
    entry = (
        "telegram_configs: [{chat_id_file: chat, bot_token_file: bot}]\n    discord_configs: "
        "[{webhook_url_file: hook}]"
    )
    rules, _ = resolved(
        f"{ROUTE}receivers:\n  - name: ops\n    {entry}",
        chat="-1002",
        bot="9:x",
        hook="https://discord.com/api/webhooks/6/y",
    )
    first, second = rules.routing.targets["ops"]
    assert (first.lane.account, first.lane.chat, first.endpoint.secret.reveal()) == (
        "9",
        "-1002",
        "9:x",
    )
    assert (second.lane.account, second.endpoint.secret.reveal()) == (
        "6",
        "https://discord.com/api/webhooks/6/y",
    )


def test_http_options_have_paths_beside_the_configuration() -> None:
    config = (
        "http_config: {proxy_url: 'http://proxy:3128', tls_config: {ca_file: ca.pem, "
        "cert_file: /c, key_file: k}}"
    )
    assert telegram(config).endpoint.http == HttpOptions(
        Secret("http://proxy:3128"),
        "/etc/relay/ca.pem",
        "/c",
        "/etc/relay/k",
        "",
        insecure_skip_verify=False,
    )
    assert (
        telegram("", f"global: {{telegram_bot_token: '7:t', {config}}}\n").endpoint.http.cert_file
        == "/c"
    )


def test_the_configuration_says_which_files_it_wants() -> None:
    config, _ = parse(
        "relay.yml",
        b"""
global: {telegram_bot_token_file: a, http_config: {tls_config: {ca_file: b}}}
templates: ["*.j2"]
route: {receiver: ops}
receivers:
  - name: ops
    telegram_configs: [{chat_id_file: c, bot_token_file: d}]
    discord_configs: [{webhook_url_file: {label: x, allow: {y: e, z: f}, default: g}}]
""",
        PLATFORMS,
    )
    assert config
    found = file_names(config.file)
    assert (found.secrets, found.templates, found.certificates) == (
        frozenset("acdefg"),
        ("*.j2",),
        frozenset("b"),
    )


def firing(**labels: str) -> Alert:
    """A firing alert with these labels."""
    return Alert("firing", labels, {}, 1.0, None, "", "-".join(labels.values()))


def reached(rules: Rules, *alerts: Alert) -> dict[str, tuple[int, ...] | None]:
    """The chats that get something, and which alerts."""
    notification = Notification("", "r", "g", "firing", alerts, {}, {}, {}, {}, "", "", 0, 0)
    return {
        delivery.lane.chat: delivery.alerts
        for delivery in deliveries(rules.routing, notification).deliveries
    }


CHOSEN = """
global: {telegram_bot_token: '7:token'}
route:
  receiver: last
  routes: [{matchers: [routed="yes"], receiver: teams}]
receivers:
  - name: last
    telegram_configs: [{chat_id: -9}]
  - name: teams
    telegram_configs: [{chat_id: {label: team, allow: {db: -1, web: -2}}}]
"""


def test_a_label_chooses_the_chat_of_each_alert() -> None:
    rules, _ = resolved(CHOSEN)
    db, web, other = (firing(routed="yes", team=team) for team in ("db", "web", "new"))
    assert reached(rules, db, web, db) == {"-1": (0, 2), "-2": (1,)}
    assert reached(rules, db) == {"-1": None}
    assert reached(rules, other, firing(routed="yes")) == {"-9": None}
    assert reached(rules, db, other) == {"-1": (0,), "-9": (1,)}


def test_a_default_takes_every_other_value() -> None:
    rules, _ = resolved(CHOSEN.replace("web: -2}", "web: -2}, default: -3"))
    assert reached(
        rules,
        firing(routed="yes", team="db"),
        firing(routed="yes", team="new"),
        firing(routed="yes"),
    ) == {
        "-1": (0,),
        "-3": (1, 2),
    }


def test_routes_inherit_receivers_and_keep_their_places() -> None:
    rules, _ = resolved(
        """route:
  receiver: ops
  routes:
    - matchers: [team="db"]
      routes:
        - matchers: a=b, c=d
          receiver: dba
          continue: true
        - match: {x: y}
          match_re: {z: "1|2"}
receivers: [{name: ops}, {name: dba}]
"""
    )
    (db,) = rules.routing.root.routes
    first, second = db.routes
    assert (db.receiver, first.receiver, second.receiver) == ("ops", "dba", "ops")
    assert (first.matchers, first.continue_, first.place) == (
        matchers("a=b, c=d"),
        True,
        "relay.yml:6",
    )
    assert second.matchers == matchers('x="y", z=~"1|2"')


def test_limits_retention_and_notices_have_defaults_and_names() -> None:
    rules, _ = resolved(f"{ROUTE}receivers: [{{name: ops}}]")
    assert (rules.limits, rules.retention, rules.notices_receiver) == (Limits(), Retention(), "ops")
    rules, _ = resolved(
        "global: {notices_receiver: us}\nlimits: {telegram: {group: 9/30s}, discord: {address: "
        "1/2s}}\n"
        f"retention: {{time: 1h, size: 5MB}}\n{ROUTE}receivers: [{{name: ops}}, {{name: us}}]"
    )
    assert rules.limits == Limits(
        {"telegram": {"group": Rate(9, 30.0)}, "discord": {"address": Rate(1, 2.0)}}
    )
    assert (rules.retention, rules.notices_receiver) == (Retention(3600.0, 5 << 20), "us")


def test_each_bot_is_named_once_with_its_way_of_updates() -> None:
    rules, _ = resolved(
        "global: {telegram_bot_token: '7:t', telegram_updates: webhook, telegram_webhook_url: 'https://r.example.org'}\n"
        f"{ROUTE}receivers: [{{name: ops, telegram_configs: [{{chat_id: -1}}, {{chat_id: -2}}, "
        "{chat_id: -3, bot_token: '8:t', updates: polling}]}]"
    )
    address, url = "https://api.telegram.org", "https://r.example.org"
    assert rules.bots == (
        Bot(address, "7", Secret("7:t"), HttpOptions(), "webhook", url),
        Bot(address, "8", Secret("8:t"), HttpOptions(), "polling", url),
    )


def test_time_intervals_reach_routes_by_name_and_receivers_by_value() -> None:
    rules, _ = resolved(
        """time_intervals:
  - name: thursdays
    time_intervals:
    - {weekdays: thursday, times: [{start_time: "00:00", end_time: "01:00"}], location: UTC}
""".replace("thursday,", "[thursday],")
        + BOT
        + "route: {receiver: ops, routes: [{matchers: [a=b], mute_time_intervals: thursdays}]}\n"
        + "receivers: [{name: ops, quiet: thursdays, telegram_configs: [{chat_id: -1}]}]"
    )
    (quiet,) = rules.routing.targets["ops"][0].policy.quiet
    assert rules.routing.root.routes[0].mute == ("thursdays",)
    assert rules.intervals["thursdays"] == quiet
    assert contains(quiet, 0.0)  # 1 January 1970 was one
    assert not contains(quiet, 3600.0)


def test_tests_compare_receivers_in_any_order_and_are_counted() -> None:
    rules, faults = resolved(
        """
route:
  receiver: a
  routes: [{matchers: [x=y], receiver: b, continue: true}, {matchers: [x=y], receiver: a}]
receivers: [{name: a}, {name: b}]
tests:
- {name: both, labels: {x: y}, receivers: [a, b]}
- {name: one, labels: {port: 80}, receivers: a}
"""
    )
    assert rules.tests == 2
    assert not faults


def test_each_platform_mentions_those_of_the_words_whom_it_knows() -> None:
    """A word alone is told of every alert, `who` beside matchers of those that match."""
    rules, faults = resolved(f"""\
{BOT}people: [{{name: Anna, telegram: 12345, discord: "678"}}]
{ROUTE}receivers:
  - name: ops
    mentions: [Anna, "discord_role:111", {{matchers: [a=b], who: ["telegram_user:9"]}}]
    telegram_configs: [{{chat_id: -1}}]
    discord_configs: [{{webhook_url: "https://discord.com/api/webhooks/1/token"}}]
""")
    assert not faults
    told = {each.lane.platform: each.policy.mentions for each in rules.routing.targets["ops"]}
    assert told == {
        "telegram": (
            MentionRule((), Mention("user", "12345", "Anna")),
            MentionRule(matchers("a=b"), Mention("user", "9", "9")),
        ),
        "discord": (
            MentionRule((), Mention("user", "678", "Anna")),
            MentionRule((), Mention("role", "111", "111")),
        ),
    }


@pytest.mark.parametrize(
    ("mentions", "said"),
    [
        ('"discord_role:111"', "this mentions nobody on telegram"),
        ("everyone", "a mention names a person, a user or a role"),
        ("Anan", 'unknown person "Anan"'),
        ('"telegram_user:bob"', "a user is known by its number, not by its name"),
        ("{matchers: [a=b], who: [Bob]}", 'unknown person "Bob"'),
        ("{matchers: [a=b], who: [Anna], user: 5}", 'a mention needs one of "user", "role" and'),
    ],
)
def test_a_word_that_mentions_nobody_is_told_of(mentions: str, said: str) -> None:
    text = f"""\
{BOT}people: [{{name: Anna, telegram: 12345}}]
{ROUTE}receivers:
  - name: ops
    telegram_configs: [{{chat_id: -1, mentions: [{mentions}]}}]
"""
    config, faults = parse("relay.yml", text.encode(), PLATFORMS)
    assert config is not None
    _, more = resolve(config, Files("/etc/relay", {}, builtin=TEMPLATES), "serve")
    assert any(said in fault.message for fault in (*faults, *more)), (faults, more)
