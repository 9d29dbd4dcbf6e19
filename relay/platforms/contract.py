"""The contract of a platform, which one contract test checks for all of them. A platform is a
package whose `__init__` has all these names; mypy names one that is missing.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar

from relay.core.action.settings import ActingConfig
from relay.core.budget import Limit, Limits, Rate
from relay.core.card.outcome import BotDown, ChatDown, Outcome, ThreadGone
from relay.core.card.step import MessageRef, Step
from relay.core.routing.lane import Endpoint, LaneKey, Policy
from relay.core.text.message import ButtonsIn, Form, Message
from relay.core.text.richtext import RichText
from relay.platforms.answer import ErrorRow
from relay.platforms.entry import Chats, Entry, EntryReader, Imported, Loc, Writing
from relay.platforms.http import NoAnswer, Request, Response
from relay.platforms.scalar import Model

E = TypeVar("E", bound=Entry)
G = TypeVar("G", bound=Model)


class PlatformContract(Protocol[E, G]):
    """A chat platform: its part of the configuration, and pure functions from a step to a request
    and from a response to an outcome. `E` is the model of an entry, `G` that of its global keys.
    """

    TITLE: str
    """The platform's name as people write it."""
    CHATS: str
    """What the platform calls its chats, in the plural."""
    ENTRY: type[E]
    """The model of an entry of `NAME_configs` of a receiver."""
    GLOBALS: type[G]
    """The model of its keys under `global`; `Model` itself if there are none."""
    LIMITS: type[Model]
    """The model of `limits.NAME`: a key for each of `RATES`; None means the default."""
    RATES: Mapping[str, Rate]
    """The default rates by name, a little below what the platform states."""
    SECRET_KEYS: frozenset[str]
    """The keys whose values no excerpt of the file shows."""
    WRITINGS: Mapping[str, Writing]
    """The markups of templates, by the words of the configuration; the first is the usual one."""
    IMPORTED: Imported
    """The keys that an import of alertmanager.yml keeps."""
    SUBSCRIBERS: Entry | None
    """The entry by which the chats of subscribers are configured; None if the platform has no bots
    that people talk to.
    """
    ERRORS: tuple[ErrorRow, ...]
    """Every answer with its outcome; the first row that matches decides."""

    FORM: Form
    """How the platform measures a message, and which blocks of a template it shows."""

    def parse_mode(self, entry: E) -> str:
        """The key of `WRITINGS` for the entry's template."""
        ...

    def secret_files(self, entry: E) -> Iterator[str]:
        """The secret files that an entry names."""
        ...

    def global_secret_files(self, common: G) -> Iterator[str]:
        """The secret files that the platform's global keys name."""
        ...

    def chats(self, entry: E, common: G, policy: Policy, loc: Loc, reader: EntryReader) -> Chats:
        """The chats of the entry at `loc`. Faults are reported to the reader."""
        ...

    def refined(self, policy: Policy, entry: E) -> Policy:
        """The policy with the settings that only this platform has."""
        ...

    def spell(self, lane: LaneKey) -> str:
        """The name of a chat for people: one line, in words of the configuration, without
        secrets.
        """
        ...

    def remedy(self, outcome: ThreadGone | ChatDown | BotDown, place: str) -> str:
        """What the operator can do; `place` is FILE:LINE of the entry."""
        ...

    def with_banner(self, message: Message, banner: RichText) -> Message:
        """The message with `banner` before anything else that its readers see."""
        ...

    def request(
        self,
        endpoint: Endpoint,
        policy: Policy,
        step: Step,
        message: Message,
        *,
        plain: bool = False,
    ) -> Request:
        """The call for `step`, which shows `message`; `plain`: without any style, after it was
        rejected.

        A message that is too large is shortened, so that every call keeps the platform's limits.
        """
        ...

    def probe(self, endpoint: Endpoint) -> Request:
        """A call that changes nothing and shows whether the chat can be reached."""
        ...

    def needs_guild(self, endpoint: Endpoint, step: Step) -> bool:
        """Whether to probe before the step, for the guild (Discord's word for a server) in the
        answer.
        """
        ...

    def guild_of(self, response: Response | NoAnswer) -> str:
        """The id of the guild in the answer to a probe; "-" if it names none."""
        ...

    def needs_kind(self, endpoint: Endpoint) -> bool:
        """Whether to probe first, to learn which buttons messages of the chat can have."""
        ...

    def kind_of(self, response: Response | NoAnswer) -> str:
        """What the answer to a probe says about that, in the platform's word; "-" if nothing."""
        ...

    def buttons_in(self, lane: LaneKey, kind: str, acting: ActingConfig) -> ButtonsIn:
        """The buttons that messages of the chat can have. `kind` is empty until it is known."""
        ...

    def message_link(self, ref: MessageRef, guild: str) -> str:
        """The address of a message for people, or empty if the platform has none. `guild` is the
        Discord server, once it is known.
        """
        ...

    def outcome(self, lane: LaneKey, step: Step | None, response: Response | NoAnswer) -> Outcome:
        """The outcome of an attempt at `step` (None: a probe), by the platform's table `ERRORS`."""
        ...

    def budgets(self, endpoint: Endpoint, limits: Limits, channel: str = "") -> tuple[Limit, ...]:
        """The budgets of every call of the lane. `channel` is where its messages were seen to
        arrive.
        """
        ...

    def pace(self, lane: LaneKey, response: Response) -> tuple[tuple[str, float], ...]:
        """The blocks that the headers of an answer demand: budget keys, and for how many
        seconds.
        """
        ...

    def excess(self, message: Message) -> int:
        """By how much the message is too large in its written form, in the platform's unit (UTF-16
        code units); 0 if it fits.
        """
        ...

    def fits(self, message: Message) -> bool:
        """Whether the message keeps the platform's limits in its written form."""
        ...

    def squeeze(self, message: Message) -> Message:
        """The message made to fit by shortening its largest parts, after a template's own fitting
        failed.
        """
        ...


AnyPlatform = PlatformContract[Any, Any]
Platforms = Mapping[str, AnyPlatform]
"""The platforms in use, by their names in the configuration, lanes and metrics."""


def registry(**platforms: AnyPlatform) -> Platforms:
    """The platforms by name. mypy names members of the contract that one of them lacks."""
    return platforms
