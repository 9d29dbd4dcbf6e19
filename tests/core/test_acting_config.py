"""Acting in relay.yml: what each key comes to, and that nothing of it is on by default."""

import base64

from relay.config.config import parse
from relay.config.files import Files, file_names
from relay.config.resolve import resolve
from relay.config.rules import Rules, decided
from relay.core.action.settings import (
    DAY,
    ActingConfig,
    ActionRule,
    ChatAdmins,
    DiscordBot,
    Escalation,
    EscalationStep,
    Everyone,
    HeartbeatConfig,
    Named,
    Person,
    RoleId,
    UserId,
)
from relay.core.routing.lane import HttpOptions, LaneKey
from relay.core.routing.matcher import Matcher
from relay.core.secret import Secret
from relay.core.template.template import BUILT_IN
from relay.platforms import PLATFORMS

TEMPLATES = dict.fromkeys(
    BUILT_IN, "{% block card %}x{% endblock %}{% block reply %}x{% endblock %}"
)
DISCORD = f"{base64.urlsafe_b64encode(b'1234567890123').decode().rstrip('=')}.abcdef.{'x' * 27}"
ANNA = Person("Anna", "12345", "678")
PEOPLE = 'people: [{name: Anna, telegram: 12345, discord: "678"}]\n'
BASE = """
global: {telegram_bot_token: '7:token'}
route: {receiver: ops}
"""
OPS = "receivers: [{name: ops, telegram_configs: [{chat_id: -1001}]}]\n"


def rules(text: str, **secrets: str) -> Rules:
    config, faults = parse("relay.yml", text.encode(), PLATFORMS)
    assert config, faults
    files = Files("/etc", {name: Secret(value) for name, value in secrets.items()}, {}, TEMPLATES)
    assert file_names(config.file).secrets == frozenset(secrets)
    draft, more = resolve(config, files, "serve")
    found = decided(draft, (*faults, *more))
    assert found, (faults, more)
    return found


def acting(text: str, **secrets: str) -> ActingConfig:
    return rules(BASE + text, **secrets).active.acting


def test_nothing_of_it_is_on_by_default() -> None:
    assert acting(OPS) == ActingConfig()
    assert not acting(OPS).is_on


def test_rules_name_people_roles_and_administrators() -> None:
    found = acting(
        OPS
        + PEOPLE
        + """actions:
  rules:
    - {who: [telegram_chat_admins, "discord_role:111", telegram_user:5, Anna], may: [take, silence],
       matchers: [team="db"], longest: 2d}
    - {who: everyone, may: take}
"""
    )
    assert found.is_on
    assert found.actions
    words = ("telegram_chat_admins", "discord_role:111", "telegram_user:5", "Anna")
    first = (ChatAdmins(), RoleId("111"), UserId("telegram", "5"), Named(ANNA))
    db = (Matcher("team", "=", "db"),)
    assert found.actions.rules == (
        ActionRule(first, frozenset({"take", "silence"}), db, 2 * DAY, words),
        ActionRule((Everyone(),), frozenset({"take"}), (), DAY, ("everyone",)),
    )
    assert found.actions.silences == (3600.0, 14400.0)


def test_an_alertmanager_has_peers_and_headers() -> None:
    found = acting(
        OPS
        + """alertmanagers:
  - urls: [http://am-1:9093/am/, http://am-2:9093/am]
    poll_interval: 1s
    http_config:
      authorization: {credentials_file: am}
      http_headers: {X-Scope-OrgID: {values: [eu], files: [org]}}
  - {source: eu, urls: ["http://eu"], http_config: {basic_auth: {username: u, password: p}}}
""",
        am="canary",
        org="us",
    )
    own, eu = found.alertmanagers[""], found.alertmanagers["eu"]
    assert own.urls == ("http://am-1:9093/am", "http://am-2:9093/am")
    assert own.poll_interval == 1.0
    assert [(each.name, each.value.reveal()) for each in own.headers] == [
        ("Authorization", "Bearer canary"),
        ("X-Scope-OrgID", "eu"),
        ("X-Scope-OrgID", "us"),
    ]
    assert eu.poll_interval == 45.0
    assert eu.headers[0].value.reveal() == "Basic dTpw"
    assert "canary" not in repr(found)


def test_a_receiver_escalates() -> None:
    found = acting(
        PEOPLE
        + """
receivers:
  - name: ops
    telegram_configs: [{chat_id: -1001}]
    escalate:
      matchers: [severity="page"]
      steps: [{after: 10m, mention: Anna}, {after: 25m, receiver: leads}]
      repeat: {every: 30m, times: 4}
      taken_for: 2h
  - {name: leads, telegram_configs: [{chat_id: -1002}]}
"""
    )
    assert found.escalations == {
        "ops": Escalation(
            (Matcher("severity", "=", "page"),),
            (EscalationStep(600.0, (Named(ANNA),)), EscalationStep(1500.0, (), "leads")),
            1800.0,
            4,
            7200.0,
        )
    }


def test_a_heartbeat_tells_the_receiver_of_notices_unless_it_names_one() -> None:
    text = """heartbeats:
  - {name: eu, matchers: [alertname="Watchdog"], every: 1s, grace: 2s, by: cluster,
     ping_url_file: hc}
  - {name: us, matchers: [alertname="Watchdog"], source: us, receiver: ops}
"""
    eu, us = acting(OPS + text, hc="https://hc.example/canary").heartbeats
    watchdog = (Matcher("alertname", "=", "Watchdog"),)
    url = Secret("https://hc.example/canary")
    assert eu == HeartbeatConfig("eu", watchdog, "", 1.0, 2.0, ("cluster",), "ops", url)
    assert us == HeartbeatConfig("us", watchdog, "us", 60.0, 300.0, (), "ops")


def test_a_channel_id_makes_a_lane_of_the_bot_beside_its_former_webhook() -> None:
    hook = "https://discord.com/api/webhooks/222/canary"
    found = rules(
        """
global: {discord_bot_token_file: bot}
route: {receiver: ops}
receivers:
  - name: ops
    discord_configs:
      - {channel_id: 1234567, thread_id: 99, webhook_url_file: hook}
""",
        bot=DISCORD,
        hook=hook,
    )
    (target,) = found.routing.targets["ops"]
    api = "https://discord.com/api/v10"
    assert target.lane == LaneKey("discord", api, "1234567890123", "1234567", "99")
    assert target.endpoint.secret == Secret(DISCORD)
    assert target.endpoint.former is not None
    assert target.endpoint.former.secret == Secret(hook)
    assert not target.endpoint.former.lane.chat
    assert "canary" in {each.reveal() for each in target.endpoint.secrets}
    assert found.active.acting.discord == DiscordBot(
        api, "1234567890123", Secret(DISCORD), HttpOptions()
    )


def test_a_webhook_alone_stays_as_it_was() -> None:
    (target,) = rules(
        """
global: {discord_bot_token_file: bot}
route: {receiver: ops}
receivers:
  - name: ops
    discord_configs: [{webhook_url: "https://discord.com/api/webhooks/222/canary"}]
""",
        bot=DISCORD,
    ).routing.targets["ops"]
    assert target.lane == LaneKey("discord", "https://discord.com", "222", "")
    assert target.endpoint.former is None
