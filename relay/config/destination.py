"""The chats behind the receivers: entries of the configuration become targets, secrets in place."""

import re
from collections.abc import Iterator
from typing import Literal, TypeVar

from relay.config.files import Files
from relay.config.policy import KnownNames, card_settings, check_name, policy
from relay.config.report import Report
from relay.config.schema import Global
from relay.config.schema_receiver import (
    ByLabel,
    DiscordConfig,
    HttpConfig,
    Receiver,
    TelegramConfig,
    Updates,
)
from relay.config.source import Loc
from relay.config.webhook import Webhook, parse_webhook
from relay.core.bot.account import Bot
from relay.core.routing.lane import Endpoint, HttpOptions, LaneKey, Policy, Target
from relay.core.routing.matcher import Matcher
from relay.core.secret import Secret

T = TypeVar("T")
Mode = Literal["check", "serve"]
When = tuple[Matcher, ...]

BOT_TOKEN = re.compile(r"([0-9]{1,20}):[A-Za-z0-9_-]{1,200}")
_USERNAME_TRAP = re.compile("clyde|discord", re.IGNORECASE)


class Destinations:
    """Turns receivers into targets. In mode `check` a stand-in takes the place of what a missing
    secret file holds.
    """

    def __init__(
        self, file: Global, files: Files, mode: Mode, names: KnownNames, report: Report
    ) -> None:
        self.bots: dict[tuple[str, str], Bot] = {}
        self._global = file
        self._files = files
        self._missing: Literal["fault", "warning"] = "warning" if mode == "check" else "fault"
        self._names = names
        self._report = report

    def targets(self, receiver: Receiver, loc: Loc) -> tuple[Target, ...]:
        """All chats of one receiver, those that a label chooses one by one."""
        common = card_settings(receiver, loc, self._names, self._report)
        found: list[Target] = []
        for at, entry in _entries(receiver, loc):
            said = card_settings(entry, at, self._names, self._report)
            how = policy(receiver, entry, (said, common), self._global)
            check_name(
                how.template, self._names.templates, "template", (*at, "template"), self._report
            )
            lanes = (
                self._telegram(entry, at, how)
                if isinstance(entry, TelegramConfig)
                else self._discord(entry, at)
            )
            place = self._report.line(at)
            found += [Target(endpoint, how, place, when) for when, endpoint in lanes]
            self._once(found, at)
        return tuple(found)

    def _once(self, targets: list[Target], loc: Loc) -> None:
        ways = [(target.lane, target.when) for target in targets]
        if len(set(ways)) < len(ways):
            self._report.warn(
                loc,
                "an earlier entry of this receiver leads to the same chat: this one is never used",
            )

    def _telegram(
        self, entry: TelegramConfig, loc: Loc, how: Policy
    ) -> Iterator[tuple[When, Endpoint]]:
        if any(rule.mention.kind == "role" for rule in how.mentions):
            self._report.fault((*loc, "mentions"), "Telegram has no roles: mention users")
        account, token = self._bot_token(entry, loc)
        api = entry.api_url or self._global.telegram_api_url
        http = self._http(entry.http_config, loc)
        self._note_bot(Bot(api, account, token, http, *self._updates(entry, loc)), loc)
        thread = str(entry.message_thread_id or "")
        if entry.message_thread_id is not None and entry.message_thread_id <= 0:
            self._report.fault((*loc, "message_thread_id"), "a topic has a positive number")
        for when, chat in self._chats(entry, loc):
            yield when, Endpoint(LaneKey("telegram", api, account, chat, thread), token, http)

    def _bot_token(self, entry: TelegramConfig, loc: Loc) -> tuple[str, Secret]:
        own = entry.bot_token is not None or entry.bot_token_file is not None
        where: Loc = loc if own else ("global",)
        key = "bot_token" if own else "telegram_bot_token"
        inline = entry.bot_token if own else self._global.telegram_bot_token
        path = entry.bot_token_file if own else self._global.telegram_bot_token_file
        if inline is None and path is None:
            advice = 'write "bot_token_file" here or "telegram_bot_token_file" under "global"'
            self._report.lack(loc, f"this chat has no bot: {advice}")
            return "", Secret("")
        token, at = self._secret(inline, path, (*where, key))
        if token is None:
            return f"file:{path}", Secret("")
        found = BOT_TOKEN.fullmatch(token.reveal())
        if found is None:
            self._report.fault(
                at, "not a bot token: BotFather's tokens begin with digits and a colon"
            )
        return found[1] if found else "", token

    def _secret(
        self, inline: Secret | None, path: str | None, loc: Loc
    ) -> tuple[Secret | None, Loc]:
        """A secret that stands in the file or in a file of its own, and where to point when it is
        wrong.
        """
        beside = (*loc[:-1], f"{loc[-1]}_file")
        if inline is not None and path is not None:
            self._report.fault(loc, f'write one of "{loc[-1]}" and "{loc[-1]}_file"')
        return (inline, loc) if inline is not None else (self._file(path or "", beside), beside)

    def _file(self, path: str, loc: Loc) -> Secret | None:
        if path in self._files.secrets:
            return self._files.secrets[path]
        why = self._files.problems.get(path, "it was not read")
        self._report.missing(loc, f"secret file {path}: {why}", self._missing)
        return None

    def _updates(self, entry: TelegramConfig, loc: Loc) -> tuple[Updates, str]:
        updates = entry.updates or self._global.telegram_updates
        url = entry.webhook_url or self._global.telegram_webhook_url or ""
        if updates == "webhook" and not url:
            where: Loc = (*loc, "updates") if entry.updates else ("global", "telegram_updates")
            key = "webhook_url" if entry.updates else "telegram_webhook_url"
            self._report.fault(
                where, f'updates by webhook need "{key}", the public address of this relay'
            )
        return updates, url

    def _note_bot(self, bot: Bot, loc: Loc) -> None:
        first = self.bots.setdefault((bot.api, bot.account), bot)
        if first.updates != bot.updates:
            self._report.fault(
                (*loc, "updates"), f"another entry with this bot says {first.updates}"
            )

    def _chats(self, entry: TelegramConfig, loc: Loc) -> Iterator[tuple[When, str]]:
        if (entry.chat_id is None) == (entry.chat_id_file is None):
            self._report.lack(loc, 'a chat needs one of "chat_id" and "chat_id_file"')
        elif entry.chat_id_file is not None:
            yield (), self._chat_of_file(entry.chat_id_file, (*loc, "chat_id_file"))
        else:
            for when, chat, at in _expand(entry.chat_id, (*loc, "chat_id")):
                yield when, self._chat(chat, at)

    def _chat_of_file(self, path: str, loc: Loc) -> str:
        text = self._file(path, loc)
        if text is None:
            return f"file:{path}"
        if not re.fullmatch("-?[1-9][0-9]{0,15}", text.reveal()):
            self._report.fault(
                loc, "this file holds no chat id: a number, negative for groups and channels"
            )
            return ""
        return self._chat(int(text.reveal()), loc)

    def _chat(self, chat: int, loc: Loc) -> str:
        if chat >= 1 << 31:
            self._report.warn(loc, "groups and channels have negative ids: is the minus missing?")
        return str(chat)

    def _discord(self, entry: DiscordConfig, loc: Loc) -> Iterator[tuple[When, Endpoint]]:
        self._check_discord(entry, loc)
        http = self._http(entry.http_config, loc)
        thread = entry.thread_id or (f"name:{entry.thread_name}" if entry.thread_name else "")
        for when, webhook in self._webhooks(entry, loc):
            yield (
                when,
                Endpoint(
                    LaneKey("discord", webhook.api, webhook.id, "", thread), webhook.url, http
                ),
            )

    def _check_discord(self, entry: DiscordConfig, loc: Loc) -> None:
        """Limits of https://discord.com/developers/docs/resources/webhook that would fail every
        message.
        """
        if entry.thread_id and entry.thread_name:
            self._report.fault((*loc, "thread_name"), 'write one of "thread_id" and "thread_name"')
        if entry.thread_id and not entry.thread_id.isdecimal():
            self._report.fault((*loc, "thread_id"), "a thread is named by its number")
        if len(entry.thread_name) > 100:
            self._report.fault((*loc, "thread_name"), "Discord takes at most 100 characters here")
        if len(entry.username) > 80 or _USERNAME_TRAP.search(entry.username):
            self._report.fault(
                (*loc, "username"),
                'Discord takes at most 80 characters, without "discord" or "clyde"',
            )

    def _webhooks(self, entry: DiscordConfig, loc: Loc) -> Iterator[tuple[When, Webhook]]:
        if entry.webhook_url is not None and entry.webhook_url_file is not None:
            self._report.fault(
                (*loc, "webhook_url"), 'write one of "webhook_url" and "webhook_url_file"'
            )
        elif entry.webhook_url is not None:
            yield from self._webhook((), entry.webhook_url, (*loc, "webhook_url"))
        elif entry.webhook_url_file is not None:
            for when, path, at in _expand(entry.webhook_url_file, (*loc, "webhook_url_file")):
                url = self._file(path, at)
                if url is None:
                    yield when, Webhook("", f"file:{path}", Secret(""))
                else:
                    yield from self._webhook(when, url, at)
        else:
            self._report.lack(loc, 'a channel needs "webhook_url_file" or "webhook_url"')

    def _webhook(self, when: When, url: Secret, loc: Loc) -> Iterator[tuple[When, Webhook]]:
        try:
            yield when, parse_webhook(url.reveal())
        except ValueError as error:
            self._report.fault(loc, str(error))

    def _http(self, config: HttpConfig | None, loc: Loc) -> HttpOptions:
        where: Loc = ("global",) if config is None else loc
        chosen = config or self._global.http_config
        if chosen is None:
            return HttpOptions()
        tls = chosen.tls_config
        at = (*where, "http_config", "tls_config")
        for key, path in (
            ("ca_file", tls.ca_file),
            ("cert_file", tls.cert_file),
            ("key_file", tls.key_file),
        ):
            if path in self._files.problems:
                self._report.fault((*at, key), f"{path}: {self._files.problems[path]}")
        if bool(tls.cert_file) != bool(tls.key_file):
            self._report.fault(at, 'a client certificate needs both "cert_file" and "key_file"')
        return HttpOptions(
            proxy_url=chosen.proxy_url,
            ca_file=self._files.path(tls.ca_file),
            cert_file=self._files.path(tls.cert_file),
            key_file=self._files.path(tls.key_file),
            server_name=tls.server_name,
            insecure_skip_verify=tls.insecure_skip_verify,
        )


def _entries(receiver: Receiver, loc: Loc) -> Iterator[tuple[Loc, TelegramConfig | DiscordConfig]]:
    for index, telegram in enumerate(receiver.telegram_configs):
        yield (*loc, "telegram_configs", index), telegram
    for index, discord in enumerate(receiver.discord_configs):
        yield (*loc, "discord_configs", index), discord


def _expand(value: T | ByLabel[T] | None, loc: Loc) -> Iterator[tuple[When, T, Loc]]:
    """Each value that a label may choose with the condition for it; a fixed value has none."""
    if value is None:
        return
    if not isinstance(value, ByLabel):
        yield (), value, loc
        return
    for name, chosen in value.allow.items():
        yield (Matcher(value.label, "=", name),), chosen, (*loc, "allow", name)
    if value.default is not None:
        others = tuple(Matcher(value.label, "!=", name) for name in value.allow)
        yield others, value.default, (*loc, "default")
