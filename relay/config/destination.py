"""The chats of receivers: entries of the configuration become targets, with their secrets."""

from typing import Literal

from msgspec.structs import replace

from relay.config.files import Files
from relay.config.policy import KnownNames, card_settings, check_name, mentions, policy
from relay.config.report import Report
from relay.config.schema import File
from relay.config.schema_receiver import Receiver
from relay.config.source import Loc
from relay.core.bot.account import Bot
from relay.core.duration import quote
from relay.core.routing.lane import HttpOptions, Target
from relay.core.secret import Secret
from relay.core.template.built_in import BUILT_IN
from relay.core.text.markup import MarkupName
from relay.platforms.contract import AnyPlatform
from relay.platforms.entry import HttpConfig

Mode = Literal["check", "serve"]


class Destinations:
    """Turns receivers into targets; it is the platforms' `EntryReader`. In mode `check` a
    placeholder replaces the contents of a missing secret file.
    """

    def __init__(
        self, file: File, files: Files, mode: Mode, names: KnownNames, report: Report
    ) -> None:
        self._without_effect: set[Loc] = set()
        self.bots: dict[tuple[str, str], Bot] = {}
        self._global = file.global_
        self._platforms = file.platforms
        self._files = files
        self._missing: Literal["fault", "warning"] = "warning" if mode == "check" else "fault"
        self._names = names
        self._report = report

    def targets(self, receiver: Receiver, loc: Loc) -> tuple[Target, ...]:
        """All chats of one receiver; those that a label chooses one by one."""
        platforms = {platform for platform, _, _ in receiver.entries()}
        common = card_settings(receiver, platforms, loc, self._names, self._report)
        found: list[Target] = []
        for platform, below, entry in receiver.entries():
            at, brings = (*loc, *below), self._platforms[platform]
            said = card_settings(entry, {platform}, at, self._names, self._report)
            how = policy(receiver, entry, (said, common), self._global, brings)
            how = replace(how, mentions=mentions((said, common), platform))
            check_name(
                how.template, self._names.templates, "template", (*at, "template"), self._report
            )
            if is_foreign(how.template, how.markup, self._files):
                self._report.fault((*at, "template"), _otherwise(how.template, brings))
            chats = brings.chats(entry, self._global, how, at, self)
            if chats.bot:
                self._note_bot(chats.bot, at)
            place = self._report.line(at)
            before = {(target.lane, target.when) for target in found}
            more = [Target(endpoint, how, place, when) for when, endpoint in chats.endpoints]
            if any((target.lane, target.when) in before for target in more):
                self._warn_twice(at)
            found += more
        return tuple(found)

    def _warn_twice(self, loc: Loc) -> None:
        message = "an earlier entry of this receiver leads to the same chat: this one is never used"
        self._report.warn(loc, message)

    def _note_bot(self, bot: Bot, loc: Loc) -> None:
        first = self.bots.setdefault((bot.api, bot.account), bot)
        if first.updates != bot.updates:
            self.fault((*loc, "updates"), f"another entry with this bot says {first.updates}")

    def _ignored(self, where: Loc, key: str) -> None:
        """Warns once about a key of `http_config` that has no effect, at its first place."""
        loc = (*where, "http_config", key)
        if loc not in self._without_effect:
            self._without_effect.add(loc)
            self._report.warn(loc, f"{quote(key)} has no effect here")

    def fault(self, loc: Loc, message: str) -> None:
        self._report.fault(loc, message)

    def lack(self, loc: Loc, message: str) -> None:
        self._report.lack(loc, message)

    def warn(self, loc: Loc, message: str) -> None:
        self._report.warn(loc, message)

    def secret(
        self, inline: Secret | None, path: str | None, loc: Loc
    ) -> tuple[Secret | None, Loc]:
        beside = (*loc[:-1], f"{loc[-1]}_file")
        if inline is not None and path is not None:
            self.fault(loc, f'write one of "{loc[-1]}" and "{loc[-1]}_file"')
        return (
            (inline, loc) if inline is not None else (self.secret_file(path or "", beside), beside)
        )

    def secret_file(self, path: str, loc: Loc) -> Secret | None:
        if path in self._files.secrets:
            return self._files.secrets[path]
        why = self._files.problems.get(path, "it was not read")
        self._report.missing(loc, f"secret file {path}: {why}", self._missing)
        return None

    def http(self, config: HttpConfig | None, loc: Loc) -> HttpOptions:
        where: Loc = ("global",) if config is None else loc
        chosen = config or self._global.http_config
        if chosen is None:
            return HttpOptions()
        for key in ("follow_redirects", "enable_http2"):
            if getattr(chosen, key) is not None:
                self._ignored(where, key)
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


def is_foreign(template: str, markup: MarkupName, files: Files) -> bool:
    """Whether a built-in template is written in another markup than its user's."""
    own = "none" if template in files.templates else BUILT_IN.get(template, "none")
    return own not in ("none", markup)


def _otherwise(template: str, platform: AnyPlatform) -> str:
    fitting = [mode for mode, each in platform.WRITINGS.items() if each.template == template]
    instead = f", or write parse_mode: {fitting[0]}" if fitting else ""
    return f'{quote(template)} is not written in this parse_mode: leave "template" out{instead}'
