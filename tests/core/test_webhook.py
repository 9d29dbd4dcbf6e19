"""Discord webhook URLs: one lane however the address was copied, and no fault that shows it."""

import pytest

from relay.platforms.discord.webhook import parse_webhook


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com/api/webhooks/7/canary_-1",
        "https://discordapp.com/api/webhooks/7/canary_-1",
        "https://ptb.discord.com/api/webhooks/7/canary_-1/",
        "https://canary.discordapp.com/api/v10/webhooks/7/canary_-1",
        "HTTPS://DISCORD.com/api/webhooks/7/canary_-1",
    ],
)
def test_all_forms_of_an_address_are_one_webhook(url: str) -> None:
    webhook = parse_webhook(url)
    assert (webhook.api, webhook.id) == ("https://discord.com", "7")
    assert webhook.url.reveal() == "https://discord.com/api/webhooks/7/canary_-1"
    assert "canary" not in repr(webhook)


@pytest.mark.parametrize(
    ("url", "api"),
    [
        ("http://127.0.0.1:8090/api/webhooks/7/x", "http://127.0.0.1:8090"),
        ("http://localhost:1/api/webhooks/7/x", "http://localhost:1"),
        ("http://[::1]:1/api/webhooks/7/x", "http://[::1]:1"),
        ("https://chat.example.org/api/webhooks/7/x", "https://chat.example.org"),
    ],
)
def test_other_hosts_keep_their_address_and_this_machine_needs_no_tls(url: str, api: str) -> None:
    assert parse_webhook(url).api == api


@pytest.mark.parametrize(
    "url",
    [
        "",
        "canary",
        "http://discord.com/api/webhooks/7/canary",
        "http://127.0.0.1.example.org/api/webhooks/7/canary",
        "ftp://discord.com/api/webhooks/7/canary",
        "https:///api/webhooks/7/canary",
        "https://discord.com/api/webhooks/7",
        "https://discord.com/api/webhooks/x/canary",
        "https://discord.com/api/webhooks/7/canary/slack",
        "https://discord.com/api/webhooks/7/canary?wait=true",
        "https://discord.com/api/webhooks/7/canary#x",
        "https://user:canary@discord.com/api/webhooks/7/canary",
        "https://discord.com:99999/api/webhooks/7/canary",
        "https://[discord.com/api/webhooks/7/canary",
        "https://discord.com/api/webhooks/7/can\x00ary",
    ],
)
def test_what_is_no_webhook_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ValueError, match="webhook") as caught:
        parse_webhook(url)
    assert "canary" not in str(caught.value)
