"""Nothing is undocumented: keys, metrics, verbs, flags, template names, filters and blocks each
stand in the docs.
"""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import yaml

from relay.config.rules import Rules
from relay.config.schema import File
from relay.core.active_config import Refusing
from relay.core.card.digest import DigestView
from relay.core.event import Event, Settlement
from relay.core.notice import chat_down, notice_of
from relay.core.template import sample
from relay.core.template.context import ContextShape, TemplateContext
from relay.core.template.digest_context import DigestContext
from relay.core.template.filters import FILTERS, FUNCTIONS
from relay.core.text.message import BLOCKS
from relay.core.text.texts import CATALOGUE
from relay.inbound.web_config import TlsServer, WebFile
from relay.platforms import PLATFORMS
from relay.platforms.answer import ErrorRow
from relay.settings.load import load
from tests.docs import generated, keys, metrics, objects, pages

DOCS = pages.ROOT / "docs"
TEMPLATES = DOCS / "templates.md"
SHAPE = ContextShape(9, 9, 99)
KEYS = [key for model in keys.models(File) for key in keys.keys(model)]
OFTEN_GENERATED = [page for page in pages.PAGES if list(generated.parts(pages.text(page)))]


@pytest.mark.medium
@pytest.mark.parametrize("page", OFTEN_GENERATED, ids=pages.name)
def test_the_generated_parts_are_as_the_code_is(page: Path) -> None:
    content = pages.text(page)
    assert generated.regenerated(content) == content, "run .venv/bin/python -m tests.docs.generated"


def test_every_generated_part_stands_on_one_page() -> None:
    assert sorted(
        part for page in OFTEN_GENERATED for part in generated.parts(pages.text(page))
    ) == sorted(generated.PARTS)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.model}.{key.name}")
def test_each_key_has_a_sentence(key: keys.Key) -> None:
    assert key.text.endswith(".")
    assert len(key.text) > 3


def test_what_is_said_to_be_a_default_is_one(tmp_path: Path) -> None:
    assert _rules(tmp_path / "said.yml", _config(_said())) == _rules(
        tmp_path / "silent.yml", _config({})
    )


def test_a_default_that_is_said_wrong_is_noticed(tmp_path: Path) -> None:
    wrong = {**_said(), "Shared": {**_said()["Shared"], "late_hold": "46s"}}
    assert _rules(tmp_path / "wrong.yml", _config(wrong)) != _rules(
        tmp_path / "silent.yml", _config({})
    )


def _said() -> dict[str, dict[str, object]]:
    """The defaults that the reference names, by model and key."""
    said: dict[str, dict[str, object]] = {}
    for key in KEYS:
        if key.default not in ("", "needed"):
            plain = key.kind in ("text", "text or list")
            said.setdefault(key.model, {})[key.name] = (
                key.default if plain else yaml.safe_load(key.default)
            )
    return said


def _config(said: dict[str, dict[str, object]]) -> dict[str, Any]:
    def of(*models: str) -> dict[str, object]:
        return {key: value for model in models for key, value in said.get(model, {}).items()}

    shared = {**of("Shared"), "lifecycle": of("Lifecycle")} if said else {}
    http = {"http_config": {"tls_config": of("TlsConfig")}} if said else {}
    telegram = {**shared, **of("Entry", "TelegramConfig"), **http, "chat_id": -1}
    discord = {
        **shared,
        **of("Entry", "DiscordConfig"),
        **http,
        "webhook_url": "https://discord.com/api/webhooks/1/x",
    }
    limits = {"telegram": of("TelegramLimits"), "discord": of("DiscordLimits")}
    return {
        "global": {**of("Global"), "telegram_bot_token": "1:x"},
        "limits": limits,
        "retention": of("Retention"),
        "route": {"receiver": "ops", **of("Route")},
        "receivers": [
            {"name": "ops", "telegram_configs": [telegram], "discord_configs": [discord]}
        ],
    }


def _rules(path: Path, config: dict[str, Any]) -> tuple[object, ...]:
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    rules, faults = load(path, "serve")
    assert isinstance(rules, Rules), faults
    targets = [(target.endpoint, target.policy) for target in rules.routing.targets["ops"]]
    return targets, rules.limits, rules.retention, rules.notices_receiver, rules.bots


@pytest.mark.parametrize("key", [*WebFile.model_fields, *TlsServer.model_fields])
def test_each_key_of_the_web_configuration_is_documented(key: str) -> None:
    assert f"`{key}`" in pages.text(DOCS / "configuration.md").partition("## web.yml")[2]


def test_each_name_of_a_card_is_documented_and_no_other() -> None:
    known = set(TemplateContext(sample.VIEWS["one"], sample.POLICY, None).names(SHAPE))
    digest = set(DigestContext(DigestView(0, 0, 0, 0.0, 0.0, 0, ()), sample.POLICY).names(SHAPE))
    generated_ones = {
        name for _, kind, hidden in objects.KINDS for name in objects.attributes(kind, hidden)
    }
    aliases = {
        each
        for _, kind, hidden in objects.KINDS
        for others in objects.attributes(kind, hidden).values()
        for each in others
    }
    documented = pages.first_column(TEMPLATES, "## Names")
    assert known | digest <= documented
    assert documented <= known | digest | generated_ones | aliases


def test_each_name_of_a_digest_is_documented_and_no_other() -> None:
    known = set(DigestContext(DigestView(0, 0, 0, 0.0, 0.0, 0, ()), sample.POLICY).names(SHAPE))
    section = pages.text(TEMPLATES).partition("In block `digest` only:")[2].partition("<!--")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == known


def test_each_filter_is_documented_and_no_other() -> None:
    assert pages.first_column(TEMPLATES, "## Filters") == {
        name for name in FILTERS if not name.startswith("_")
    }


def test_each_function_is_documented() -> None:
    line = pages.text(TEMPLATES).partition("\nFunctions: ")[2].partition("\n")[0]
    assert set(re.findall(r"`(\w+)`", line)) == {*FUNCTIONS, "range", "namespace"}


def test_each_block_is_documented_and_no_other() -> None:
    assert pages.first_column(TEMPLATES, "## Blocks") == set(BLOCKS)


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_no_page_names_a_metric_that_is_not_there(page: Path) -> None:
    exist = set(metrics.names())
    found = set(re.findall(r"\balert_relay_\w+", pages.text(page))) - {"alert_relay_bot"}
    assert {
        name for name in found if re.sub(r"_(bucket|count|sum)$", "", name) not in exist
    } == set()


def test_each_notice_is_documented_and_no_other() -> None:
    notices = [
        notice for kind in get_args(Event) for event in _all(kind) if (notice := notice_of(event))
    ]
    notices.append(chat_down(Refusing("telegram", "ops", "", "")))
    assert {f"notice_{notice.kind}" for notice in notices} == {
        key for key in CATALOGUE if key.startswith("notice_") and not key.endswith("_over")
    }
    assert {notice.name for notice in notices} == pages.first_column(
        DOCS / "operating.md", "## Notices"
    )


def _all(kind: type[Event]) -> Iterator[Event]:
    """Events of a kind with every choice that its fields have, and one or two values for the
    others.
    """
    plain: dict[object, tuple[object, ...]] = {
        str: ("", "x"),
        int: (400,),
        float: (1.0,),
        bool: (True, False),
    }
    hints = get_type_hints(kind)
    fields = [
        plain.get(hint) or get_args(hint) if get_origin(hint) is not tuple else ((),)
        for hint in hints.values()
    ]
    return (kind(**dict(zip(hints, values, strict=True))) for values in product(*fields))


NEEDS_SOMEONE = [
    (platform, row)
    for platform, file in PLATFORMS.items()
    for row in file.ERRORS
    if row.outcome.partition(",")[0] in ("ThreadGone", "ChatDown", "BotDown")
    and (row.words or row.codes)
]


@pytest.mark.parametrize(
    ("platform", "row"), NEEDS_SOMEONE, ids=lambda each: getattr(each, "meaning", each)
)
def test_each_error_that_needs_someone_has_its_remedy(platform: str, row: ErrorRow) -> None:
    page = pages.text(DOCS / "troubleshooting.md").lower()
    assert (
        any(
            f"{platform} " in line and word in line
            for line in page.splitlines()
            for word in row.words
        )
        or row.codes
    )
    assert [code for code in row.codes if not re.search(rf"\b{code}\b", page)] == []


def test_each_end_of_a_delivery_is_in_the_glossary() -> None:
    assert {*get_args(Settlement), "pending"} <= set(
        re.findall(r"^\| (\w+)", pages.text(DOCS / "glossary.md"), re.MULTILINE)
    )
