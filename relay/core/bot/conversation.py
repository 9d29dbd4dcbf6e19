"""The effects of an update: commands are carried out and answered, chats are registered. It is
pure, so that the effects are committed together with the update.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from relay.core.bot.open_alerts import firing_already, open_alerts
from relay.core.bot.people import (
    MOST_TOPICS,
    TOKEN,
    BotReply,
    ChatContext,
    ChatEntry,
    Subscription,
    UpdateEffects,
    catalogue_language,
    subscribe,
)
from relay.core.bot.update import (
    CallbackQuery,
    ChatInfo,
    Command,
    Ignored,
    Membership,
    Migrated,
    Seen,
    Sort,
    Topic,
    Update,
    Written,
)
from relay.core.duration import parse_duration
from relay.core.routing.lane import Policy
from relay.core.routing.matcher import Matcher, MatcherError, parse
from relay.core.text.richtext import RichText, concat, join, plain, styled
from relay.core.text.texts_people import COMMANDS, emit
from relay.core.text.times import Reader

LONGEST_MUTE = 30 * 86400.0  # seconds
PRIVATE_COMMANDS = ("subscriptions", "mute", "stop", "alerts", "chatid", "help")
GROUP_COMMANDS = ("chatid", "alerts", "help")
_WORDS = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s"])+')


class _CommandContext(Struct, frozen=True):
    """A command and everything that its answer depends on."""

    command: Command
    known: ChatContext
    reader: Reader

    @property
    def own(self) -> tuple[Subscription, ...]:
        """The subscriptions of this chat that this person made."""
        return tuple(each for each in self.known.subscriptions if each.user == self.command.user)


def respond(update: Update, known: ChatContext, policy: Policy, now: float) -> UpdateEffects:
    """The effects of an update. `policy` is that of personal chats, for language and time zone."""
    match update:
        case Command():
            return _command(update, known, policy, now)
        case Membership(chat=chat, standing=standing, writes=writes):
            entry = _entry(known, chat, now)
            entry = entry and replace(entry, standing=standing, writes=writes)
            if update.is_in:
                return UpdateEffects("membership", entry, back=chat.id)
            return UpdateEffects(
                "membership", entry, ended=tuple(each.id for each in known.subscriptions)
            )
        case Migrated(old=old, chat=chat):
            moved = tuple(replace(each, chat=chat.id) for each in known.subscriptions)
            return UpdateEffects(
                "migrated", _entry(known, chat, now), changed=moved, moved=(old, chat.id)
            )
        case Seen(chat=chat, topic=topic) | Written(chat=chat, topic=topic):
            return UpdateEffects("seen", _entry(known, chat, now, topic))
        case Ignored() | CallbackQuery():
            return UpdateEffects("ignored")
        case _:
            assert_never(update)


def _entry(
    known: ChatContext, chat: ChatInfo, now: float, topic: Topic | None = None
) -> ChatEntry | None:
    """The chat's row in the registry, with what was known of it. Private chats have none."""
    if chat.kind == "private":
        return None
    old = known.entry
    entry = replace(old or ChatEntry(known.bot, chat), chat=chat, seen_at=now)
    titles = {each.id: each for each in entry.topics}
    if topic and topic.id and (topic.id not in titles or topic.title):
        titles[topic.id] = topic
    return replace(entry, topics=tuple(titles.values())[-MOST_TOPICS:])


def _command(command: Command, known: ChatContext, policy: Policy, now: float) -> UpdateEffects:
    private = command.chat.kind == "private"
    language = catalogue_language(command.language) if private else ""
    context = _CommandContext(
        command, known, Reader(language or policy.language, policy.timezone, now)
    )
    carry_out = _COMMANDS.get(command.name, _help if private else None)
    entry = _entry(known, command.chat, now, command.topic)
    if carry_out is None:
        return UpdateEffects("seen", entry)
    return replace(carry_out(context), entry=entry)


def _say(context: _CommandContext, *lines: RichText, heard: Sort = "command") -> UpdateEffects:
    command = context.command
    text = join("\n", lines)
    return UpdateEffects(
        heard,
        bot_replies=(
            BotReply(command.chat.id, command.topic.id, command.message, command.user, text),
        ),
    )


def _emit(context: _CommandContext, key: str, heard: Sort = "command") -> UpdateEffects:
    return _say(context, emit(context.reader.language, key), heard=heard)


def _start(context: _CommandContext) -> UpdateEffects:
    command, invite, now = context.command, context.known.invite, context.reader.now
    if not command.argument:
        return _help(context) if command.chat.kind == "private" else _chat_id(context)
    if command.user == 0:
        return _emit(context, "anonymous", "refused")
    if invite is None or not TOKEN.fullmatch(command.argument):
        return _emit(context, "invite_refused", "refused")
    present = [each for each in context.known.subscriptions if each.topic == command.topic.id]
    known = next((each for each in present if each.invite == invite.id), None)
    if known:
        return _welcome(context, known)
    if not invite.holds(now):
        return _emit(context, "invite_refused", "refused")
    lane_chat = present[0].lane_chat if present else command.chat.id
    language = catalogue_language(command.language) if command.chat.kind == "private" else ""
    added = subscribe(
        invite, command.chat, command.topic.id, command.user, language, now, lane_chat
    )
    return replace(_welcome(context, added), added=added, used=invite.id, back=command.chat.id)


def _welcome(context: _CommandContext, subscription: Subscription) -> UpdateEffects:
    language = context.reader.language
    key = "welcome" if context.command.chat.kind == "private" else "welcome_group"
    name, matchers = styled("bold", subscription.name), _matchers(subscription.matchers, language)
    already = firing_already(context.known.cards, subscription.matchers, context.reader)
    return _say(
        context,
        emit(language, key, name=name, matchers=matchers),
        emit(language, "how_to_stop"),
        *([already] if already else []),
    )


def _matchers(matchers: Iterable[Matcher], language: str) -> RichText:
    shown = [styled("code", str(matcher)) for matcher in matchers]
    return join(", ", shown) if shown else emit(language, "all")


def _refusal(context: _CommandContext) -> UpdateEffects | None:
    """Why this person may not change the chat's subscriptions; None if the person may."""
    if context.own:
        return None
    if context.command.user == 0:
        return _emit(context, "anonymous", "refused")
    if context.known.subscriptions:
        return _emit(context, "not_yours", "refused")
    return _emit(context, "stranger" if context.command.chat.kind == "private" else "none")


def _stop(context: _CommandContext) -> UpdateEffects:
    refusal = _refusal(context)
    return refusal or replace(
        _emit(context, "stopped"), ended=tuple(each.id for each in context.own)
    )


def _mute(context: _CommandContext) -> UpdateEffects:
    refusal = _refusal(context)
    if refusal:
        return refusal
    now, command = context.reader.now, context.command
    try:
        seconds = parse_duration(command.argument)
    except ValueError:
        seconds = LONGEST_MUTE + 1
    if seconds > LONGEST_MUTE:
        return _emit(context, "mute_how")
    written_at = min(command.at, now) if command.at else now
    until = written_at + seconds
    muted = tuple(replace(each, muted_until=until if until > now else 0.0) for each in context.own)
    if until <= now:
        return replace(_emit(context, "unmuted"), changed=muted)
    said = emit(context.reader.language, "muted", until=context.reader.time(until).rich())
    return replace(_say(context, said), changed=muted)


def _subscriptions(context: _CommandContext) -> UpdateEffects:
    language, now = context.reader.language, context.reader.now
    if not context.known.subscriptions:
        return _emit(context, "stranger" if context.command.chat.kind == "private" else "none")
    lines = []
    for each in context.known.subscriptions:
        matchers = _matchers(each.matchers, language)
        line = emit(language, "listed", name=styled("bold", each.name), matchers=matchers)
        until = context.reader.time(each.muted_until).rich()
        muted = concat([" · ", emit(language, "is_muted", until=until)])
        lines.append(concat([line, muted]) if each.muted_until > now else line)
    return _say(context, *lines)


def _chat_id(context: _CommandContext) -> UpdateEffects:
    command, language = context.command, context.reader.language
    lines = [emit(language, "chat_id", chat=styled("code", command.chat.id))]
    if command.topic.id:
        lines.append(emit(language, "topic_id", topic=styled("code", command.topic.id)))
    return _say(context, *lines)


def _alerts(context: _CommandContext) -> UpdateEffects:
    language = context.reader.language
    try:
        wanted = _parse(context.command.argument)
    except MatcherError as error:
        return _say(context, emit(language, "bad_matcher", why=str(error)))
    said = open_alerts(context.known.cards, wanted, context.reader)
    muted = [each.muted_until for each in context.known.subscriptions]
    if not muted or min(muted) <= context.reader.now:
        return _say(context, said)
    until = context.reader.time(min(muted)).rich()
    return _say(context, emit(language, "alerts_muted", until=until), said)


def _parse(text: str) -> tuple[Matcher, ...]:
    """Matchers separated by spaces, as amtool takes them, or by commas, as in a route. Raises
    MatcherError.
    """
    if not text:
        return ()
    try:
        return tuple(matcher for word in _WORDS.findall(text) for matcher in parse(word))
    except MatcherError:
        return parse(text)


def _help(context: _CommandContext) -> UpdateEffects:
    language = context.reader.language
    if context.command.chat.kind != "private":
        return _say(context, *_described(GROUP_COMMANDS, language))
    if not context.known.subscriptions:
        return _emit(context, "stranger")
    return _say(context, *_described(PRIVATE_COMMANDS, language))


def _described(names: Iterable[str], language: str) -> list[RichText]:
    return [concat([COMMANDS[name], plain(" – "), emit(language, f"do_{name}")]) for name in names]


_COMMANDS: Mapping[str, Callable[[_CommandContext], UpdateEffects]] = {
    "start": _start,
    "stop": _stop,
    "mute": _mute,
    "subscriptions": _subscriptions,
    "chatid": _chat_id,
    "alerts": _alerts,
    "help": _help,
}
