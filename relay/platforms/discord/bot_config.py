"""The Discord bot in relay.yml: its keys under `global`, and what can be read from its token."""

import re
from base64 import urlsafe_b64decode
from typing import Literal

from relay.core.action.settings import DiscordBot
from relay.core.secret import Secret
from relay.platforms.entry import EntryReader, Loc
from relay.platforms.scalar import Address, Model, SecretText, Text

_TOKEN = re.compile(r"([A-Za-z0-9_-]{16,40})\.[A-Za-z0-9_-]{4,20}\.[A-Za-z0-9_-]{20,200}")
_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_AT: Loc = ("global",)


class DiscordGlobals(Model):
    """Settings of all Discord channels."""

    discord_api_url: Address = "https://discord.com/api/v10"
    """Address of the API, for the bot; a webhook's URL has its own."""
    discord_bot_token: SecretText | None = None
    """Token of the bot, for entries with `channel_id`; better in a file."""
    discord_bot_token_file: str | None = None
    """File that holds the token of the bot."""
    discord_interactions: Literal["gateway", "endpoint"] = "gateway"
    """How presses arrive: over a connection that the relay opens, or by POST to
    `/discord/APPLICATION`.
    """
    discord_application_id: Text = ""
    """Id of the application, if presses come by POST, or if it differs from the bot's."""
    discord_public_key: Text = ""
    """Public key of the application, if presses come by POST."""


def account_of(token: Secret) -> str:
    """The id of the bot's user, with which the token begins; empty if it is not a bot token."""
    found = _TOKEN.fullmatch(token.reveal())
    if found is None:
        return ""
    try:
        number = urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode("ascii")
    except ValueError:
        return ""
    return number if re.fullmatch("[0-9]{5,20}", number) else ""


def bot_of(common: DiscordGlobals, reader: EntryReader) -> DiscordBot | None:
    """The bot of the file; None if it has none. Faults are reported at their keys."""
    if common.discord_bot_token is None and common.discord_bot_token_file is None:
        return None
    token, at = reader.secret(
        common.discord_bot_token, common.discord_bot_token_file, (*_AT, "discord_bot_token")
    )
    account = account_of(token) if token else f"file:{common.discord_bot_token_file}"
    if not account:
        reader.fault(at, "not a bot token: Discord's tokens have three parts with dots between")
    application, key = common.discord_application_id, common.discord_public_key
    if common.discord_interactions == "endpoint":
        _check_endpoint(common, reader)
    return DiscordBot(
        common.discord_api_url,
        account,
        token or Secret(""),
        reader.http(None, _AT),
        common.discord_interactions,
        application,
        key.lower(),
    )


def _check_endpoint(common: DiscordGlobals, reader: EntryReader) -> None:
    loc = (*_AT, "discord_interactions")
    if not re.fullmatch("[1-9][0-9]{4,19}", common.discord_application_id):
        said = (*_AT, "discord_application_id") if common.discord_application_id else loc
        reader.fault(said, 'endpoint needs "discord_application_id", the number of the application')
    if not _PUBLIC_KEY.fullmatch(common.discord_public_key):
        said = (*_AT, "discord_public_key") if common.discord_public_key else loc
        reader.fault(said, 'endpoint needs "discord_public_key", 64 hexadecimal digits')
