"""What follows from an update: commands are carried out and answered, chats noted; pure, so that it
can be committed together with the update."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from relay.core.bot.open_alerts import open_alerts
from relay.core.bot.people import (
    MOST_TOPICS,
    TOKEN,
    BotReply,
    ChatEntry,
    Effects,
    Known,
    Subscription,
    spoken,
    subscribe,
)
from relay.core.bot.update import (
    ChatInfo,
    Command,
    Ignored,
    Membership,
    Migrated,
    Seen,
    Sort,
    Topic,
    Update,
)
from relay.core.duration import parse_duration
from relay.core.routing.lane import Policy
from relay.core.routing.matcher import Matcher, MatcherError, parse
from relay.core.text.richtext import RichText, concat, join, plain, styled
from relay.core.text.texts_people import emit
from relay.core.text.times import Reader

LONGEST_MUTE = 30 * 86400.0  # seconds
PRIVATE_COMMANDS = ("subscriptions", "mute", "stop", "alerts", "chatid", "help")
GROUP_COMMANDS = ("chatid", "alerts", "help")
_WORDS = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s"])+')


class _Asked(Struct, frozen=True):
    """A command and all that its answer depends on."""

    command: Command
    known: Known
    reader: Reader

    @property
    def own(self) -> tuple[Subscription, ...]:
        """The subscriptions of this chat that this person made."""
        return tuple(each for each in self.known.subscriptions if each.user == self.command.user)


def respond(update: Update, known: Known, policy: Policy, now: float) -> Effects:
    """What an update causes. `policy` is that of personal chats, for language and time zone."""
    match update:
        case Command():
            return _command(update, known, policy, now)
        case Membership(chat=chat, standing=standing, writes=writes):
            entry = _entry(known, chat, now)
            entry = entry and replace(entry, standing=standing, writes=writes)
            if update.is_in:
                return Effects("membership", entry, back=chat.id)
            return Effects(
                "membership", entry, ended=tuple(each.id for each in known.subscriptions)
            )
        case Migrated(old=old, chat=chat):
            moved = tuple(replace(each, chat=chat.id) for each in known.subscriptions)
            return Effects(
                "migrated", _entry(known, chat, now), changed=moved, moved=(old, chat.id)
            )
        case Seen(chat=chat, topic=topic):
            return Effects("seen", _entry(known, chat, now, topic))
        case Ignored():
            return Effects("ignored")
        case _:
            assert_never(update)


def _entry(
    known: Known, chat: ChatInfo, now: float, topic: Topic | None = None
) -> ChatEntry | None:
    """The chat's line in the registry, with what was known of it; private chats have none."""
    if chat.kind == "private":
        return None
    old = known.entry
    entry = replace(old or ChatEntry(known.bot, chat), chat=chat, seen_at=now)
    titles = {each.id: each for each in entry.topics}
    if topic and topic.id and (topic.id not in titles or topic.title):
        titles[topic.id] = topic
    return replace(entry, topics=tuple(titles.values())[-MOST_TOPICS:])


def _command(command: Command, known: Known, policy: Policy, now: float) -> Effects:
    private = command.chat.kind == "private"
    language = spoken(command.language) if private else ""
    asked = _Asked(command, known, Reader(language or policy.language, policy.timezone, now))
    carry_out = _COMMANDS.get(command.name, _help if private else None)
    entry = _entry(known, command.chat, now, command.topic)
    if carry_out is None:
        return Effects("seen", entry)
    return replace(carry_out(asked), entry=entry)


def _say(asked: _Asked, *lines: RichText, heard: Sort = "command") -> Effects:
    """Nothing but an answer."""
    command = asked.command
    text = join("\n", lines)
    return Effects(
        heard,
        bot_replies=(
            BotReply(command.chat.id, command.topic.id, command.message, command.user, text),
        ),
    )


def _emit(asked: _Asked, key: str, heard: Sort = "command") -> Effects:
    return _say(asked, emit(asked.reader.language, key), heard=heard)


def _start(asked: _Asked) -> Effects:
    command, invite, now = asked.command, asked.known.invite, asked.reader.now
    if not command.argument:
        return _help(asked) if command.chat.kind == "private" else _chat_id(asked)
    if command.user == 0:
        return _emit(asked, "anonymous", "refused")
    if invite is None or not TOKEN.fullmatch(command.argument):
        return _emit(asked, "invite_refused", "refused")
    present = [each for each in asked.known.subscriptions if each.topic == command.topic.id]
    known = next((each for each in present if each.invite == invite.id), None)
    if known:
        return _welcome(asked, known)
    if not invite.holds(now):
        return _emit(asked, "invite_refused", "refused")
    lane_chat = present[0].lane_chat if present else command.chat.id
    language = spoken(command.language) if command.chat.kind == "private" else ""
    added = subscribe(
        invite, command.chat, command.topic.id, command.user, language, now, lane_chat
    )
    return replace(_welcome(asked, added), added=added, used=invite.id, back=command.chat.id)


def _welcome(asked: _Asked, subscription: Subscription) -> Effects:
    language = asked.reader.language
    key = "welcome" if asked.command.chat.kind == "private" else "welcome_group"
    name, matchers = styled("bold", subscription.name), _matchers(subscription.matchers, language)
    return _say(
        asked, emit(language, key, name=name, matchers=matchers), emit(language, "how_to_stop")
    )


def _matchers(matchers: Iterable[Matcher], language: str) -> RichText:
    shown = [styled("code", str(matcher)) for matcher in matchers]
    return join(", ", shown) if shown else emit(language, "all")


def _refusal(asked: _Asked) -> Effects | None:
    """Why this person may not change the chat's subscriptions, or None."""
    if asked.own:
        return None
    if asked.command.user == 0:
        return _emit(asked, "anonymous", "refused")
    if asked.known.subscriptions:
        return _emit(asked, "not_yours", "refused")
    return _emit(asked, "stranger" if asked.command.chat.kind == "private" else "none")


def _stop(asked: _Asked) -> Effects:
    refusal = _refusal(asked)
    return refusal or replace(_emit(asked, "stopped"), ended=tuple(each.id for each in asked.own))


def _mute(asked: _Asked) -> Effects:
    refusal = _refusal(asked)
    if refusal:
        return refusal
    now, command = asked.reader.now, asked.command
    try:
        seconds = parse_duration(command.argument)
    except ValueError:
        seconds = LONGEST_MUTE + 1
    if seconds > LONGEST_MUTE:
        return _emit(asked, "mute_how")
    written_at = min(command.at, now) if command.at else now
    until = written_at + seconds
    muted = tuple(replace(each, muted_until=until if until > now else 0.0) for each in asked.own)
    if until <= now:
        return replace(_emit(asked, "unmuted"), changed=muted)
    said = emit(asked.reader.language, "muted", until=asked.reader.time(until).rich())
    return replace(_say(asked, said), changed=muted)


def _subscriptions(asked: _Asked) -> Effects:
    language, now = asked.reader.language, asked.reader.now
    if not asked.known.subscriptions:
        return _emit(asked, "stranger" if asked.command.chat.kind == "private" else "none")
    lines = []
    for each in asked.known.subscriptions:
        matchers = _matchers(each.matchers, language)
        line = emit(language, "listed", name=styled("bold", each.name), matchers=matchers)
        until = asked.reader.time(each.muted_until).rich()
        muted = concat([" · ", emit(language, "is_muted", until=until)])
        lines.append(concat([line, muted]) if each.muted_until > now else line)
    return _say(asked, *lines)


def _chat_id(asked: _Asked) -> Effects:
    command, language = asked.command, asked.reader.language
    lines = [emit(language, "chat_id", chat=styled("code", command.chat.id))]
    if command.topic.id:
        lines.append(emit(language, "topic_id", topic=styled("code", command.topic.id)))
    return _say(asked, *lines)


def _alerts(asked: _Asked) -> Effects:
    language = asked.reader.language
    try:
        wanted = _parse(asked.command.argument)
    except MatcherError as error:
        return _say(asked, emit(language, "bad_matcher", why=str(error)))
    return _say(asked, open_alerts(asked.known.cards, wanted, language))


def _parse(text: str) -> tuple[Matcher, ...]:
    """Matchers with commas between them, as in a route, or with spaces, as amtool takes them.
    Raises MatcherError.
    """
    if not text:
        return ()
    try:
        return parse(text)
    except MatcherError:
        words = _WORDS.findall(text)
        if len(words) < 2:
            raise
        return tuple(matcher for word in words for matcher in parse(word))


def _help(asked: _Asked) -> Effects:
    language = asked.reader.language
    if asked.command.chat.kind != "private":
        return _say(asked, *_described(GROUP_COMMANDS, language))
    if not asked.known.subscriptions:
        return _emit(asked, "stranger")
    return _say(asked, *_described(PRIVATE_COMMANDS, language))


def _described(names: Iterable[str], language: str) -> list[RichText]:
    return [concat([f"/{name} ", plain("– "), emit(language, f"do_{name}")]) for name in names]


_COMMANDS: Mapping[str, Callable[[_Asked], Effects]] = {
    "start": _start,
    "stop": _stop,
    "mute": _mute,
    "subscriptions": _subscriptions,
    "chatid": _chat_id,
    "alerts": _alerts,
    "help": _help,
}
