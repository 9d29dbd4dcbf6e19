"""The policy of an entry: its keys override its receiver's, those the file's, and those the
defaults.
"""

from collections.abc import Iterator, Set
from typing import TypeVar

from msgspec import Struct

from relay.config.people import mentioned
from relay.config.report import Report
from relay.config.schema import File, Global
from relay.config.schema_receiver import Receiver
from relay.config.source import Loc
from relay.core.action.rights import mentions_of
from relay.core.action.settings import Person, Who
from relay.core.card.severity import urgent_pattern
from relay.core.duration import quote
from relay.core.routing.interval import TimeInterval
from relay.core.routing.lane import Lifecycle, LinkRewrite, MentionRule, Policy
from relay.core.routing.matcher import Matcher, parse
from relay.core.routing.route import SUBSCRIPTION
from relay.core.text.message import Mention
from relay.platforms.contract import AnyPlatform
from relay.platforms.entry import Entry, Shared
from relay.platforms.entry import Lifecycle as LifecycleConfig
from relay.platforms.entry import Mention as MentionConfig
from relay.platforms.scalar import nearest

T = TypeVar("T")

_HINTED = 100  # names; finding the nearest of thousands takes too long
URGENT = parse(f'severity=~"{urgent_pattern()}"')
_DEFAULT = Policy(receiver="", template="", markup="none", urgent=URGENT)


class KnownNames(Struct, frozen=True):
    """The names that the configuration can refer to."""

    receivers: frozenset[str]
    intervals: dict[str, TimeInterval]
    templates: frozenset[str]
    people: dict[str, Person]


class Telling(Struct, frozen=True):
    """An entry of `mentions`: who is mentioned for the alerts that match, by words of `who` or by
    number.
    """

    matchers: tuple[Matcher, ...]
    who: tuple[Who, ...] = ()
    by_number: Mention | None = None

    def rules(self, platform: str) -> Iterator[MentionRule]:
        """Its rules for chats of a platform."""
        numbered = (self.by_number,) if self.by_number else ()
        for mention in (*numbered, *mentions_of(self.who, platform)):
            yield MentionRule(self.matchers, mention)


class CardSettings(Struct, frozen=True):
    """The card settings of an entry or a receiver; None if it does not have them."""

    shared: Shared
    quiet: tuple[TimeInterval, ...] | None
    urgent: tuple[Matcher, ...] | None
    mentions: tuple[Telling, ...] | None


def card_settings(
    shared: Shared, platforms: Set[str], loc: Loc, names: KnownNames, report: Report
) -> CardSettings:
    """The settings that an entry and its receiver share. Unknown names are reported. `platforms`
    are those of its chats.
    """
    if shared.fallback is not None:
        check_name(shared.fallback, names.receivers, "receiver", (*loc, "fallback"), report)
    urgent = None if shared.urgent is None else report.matchers(shared.urgent, (*loc, "urgent"))
    check_ignores(shared.identity_ignores or (), (*loc, "identity_ignores"), report)
    mentions = None
    if shared.mentions is not None:
        mentions = tuple(
            _mention(mention, platforms, (*loc, "mentions", index), names, report)
            for index, mention in enumerate(shared.mentions)
        )
    return CardSettings(shared, _quiet(shared, loc, names, report), urgent, mentions)


def check_ignores(names: tuple[str, ...], loc: Loc, report: Report) -> None:
    """Reports `alertname`, since alerts of other names are other alerts."""
    for index, name in enumerate(names):
        if name == "alertname":
            report.fault((*loc, index), '"alertname" cannot be ignored: it tells alerts apart')


def check_name(
    name: str, known: frozenset[str] | set[str], word: str, loc: Loc, report: Report
) -> bool:
    """Whether a name is known; if not, a fault with the nearest one is reported."""
    if name in known:
        return True
    hint = nearest(name, known) if len(report.faults) < _HINTED else ""
    report.fault(loc, f"unknown {word} {quote(name)}{hint}")
    return False


def policy(
    receiver: Receiver,
    entry: Entry,
    said: tuple[CardSettings, CardSettings],
    file: Global,
    platform: AnyPlatform,
) -> Policy:
    """The policy of one entry of a platform. `said` are the settings of the entry and of its
    receiver.
    """
    own, common = said
    first, second = own.shared, common.shared
    writing = platform.WRITINGS[platform.parse_mode(entry)]
    common_policy = Policy(
        receiver=receiver.name,
        template=entry.template or writing.template,
        markup=writing.markup,
        send_resolved=entry.send_resolved,
        silent=entry.disable_notifications,
        per=_first(first.per, second.per, _DEFAULT.per),
        lifecycle=_lifecycle(first.lifecycle or second.lifecycle),
        quiet=_first(own.quiet, common.quiet, _DEFAULT.quiet),
        urgent=_first(own.urgent, common.urgent, _DEFAULT.urgent),
        fallback=_first(first.fallback, second.fallback, _DEFAULT.fallback),
        fallback_after=_first(first.fallback_after, second.fallback_after, _DEFAULT.fallback_after),
        link_rewrites=_link_rewrites(first, second, file),
        overflow=_first(first.overflow, second.overflow, _DEFAULT.overflow),
        language=_first(first.language, second.language, file.language),
        timezone=_first(first.timezone, second.timezone, file.timezone),
        dedup_window=_first(file.dedup_window, None, _DEFAULT.dedup_window),
        digest_after=_first(first.digest_after, second.digest_after, _DEFAULT.digest_after),
        late_hold=_first(first.late_hold, second.late_hold, _DEFAULT.late_hold),
        identity_ignores=frozenset(
            _first(first.identity_ignores, second.identity_ignores, file.identity_ignores)
        ),
        stale_after=_first(first.stale_after, second.stale_after, _DEFAULT.stale_after),
        expire_after=_first(first.expire_after, second.expire_after, _DEFAULT.expire_after),
    )
    return platform.refined(common_policy, entry)


def mentions(said: tuple[CardSettings, CardSettings], platform: str) -> tuple[MentionRule, ...]:
    """The mention rules for the chats of an entry. `said` are the settings of the entry and of its
    receiver.
    """
    own, common = said
    tellings = _first(own.mentions, common.mentions, ())
    return tuple(rule for each in tellings for rule in each.rules(platform))


def personal(file: File) -> Policy:
    """The policy of chats that subscribed: the defaults, with the file's global settings."""
    receiver = Receiver(name=SUBSCRIPTION)
    for platform in file.platforms.values():
        entry = platform.SUBSCRIBERS
        if entry is not None:
            nothing = CardSettings(entry, None, None, None)
            return policy(receiver, entry, (nothing, nothing), file.global_, platform)
    return _DEFAULT


def _first(own: T | None, common: T | None, default: T) -> T:
    if own is not None:
        return own
    return default if common is None else common


def _quiet(
    shared: Shared, loc: Loc, names: KnownNames, report: Report
) -> tuple[TimeInterval, ...] | None:
    if shared.quiet is None:
        return None
    known = frozenset(names.intervals)
    return tuple(
        names.intervals[name]
        for index, name in enumerate(shared.quiet)
        if check_name(name, known, "time interval", (*loc, "quiet", index), report)
    )


def _mention(
    mention: MentionConfig | str,
    platforms: Set[str],
    loc: Loc,
    names: KnownNames,
    report: Report,
) -> Telling:
    if isinstance(mention, str):
        told = mentioned(mention, names.people, platforms, loc, report)
        return Telling((), (told,) if told else ())
    matchers = report.matchers(mention.matchers, (*loc, "matchers"))
    given = [key for key in ("user", "role", "who") if getattr(mention, key)]
    if len(given) != 1:
        report.lack(loc, 'a mention needs one of "user", "role" and "who"')
    found = tuple(
        who
        for index, word in enumerate(mention.who)
        if (who := mentioned(word, names.people, platforms, (*loc, "who", index), report))
    )
    if mention.who:
        return Telling(matchers, found)
    kind, number = ("role", mention.role) if mention.role else ("user", mention.user or "")
    if number and not number.isdecimal():
        report.fault((*loc, kind), f"a {kind} is mentioned by its number, not by its name")
    return Telling(matchers, by_number=Mention(kind, number, mention.name or number))


def _lifecycle(said: LifecycleConfig | None) -> Lifecycle:
    if said is None:
        return _DEFAULT.lifecycle
    window = _first(said.reopen_window, None, _DEFAULT.lifecycle.reopen_window)
    return Lifecycle(said.reply_joined, said.reply_repeated, said.reply_resolved, window)


def _link_rewrites(own: Shared, common: Shared, file: Global) -> tuple[LinkRewrite, ...]:
    rewrites = _first(own.link_rewrites, common.link_rewrites, file.link_rewrites)
    return tuple(LinkRewrite(rewrite.match, rewrite.replace) for rewrite in rewrites)
