"""The contract of a platform; one contract test runs over all of them. A platform is a package
whose `__init__` has all these names; mypy names one that is left out.
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
    """The model of its keys under `global`; `Model` itself when there are none."""
    LIMITS: type[Model]
    """The model of `limits.NAME`: a key for each of `RATES`, None where the default holds."""
    RATES: Mapping[str, Rate]
    """The default rates by name, a little under what the platform states."""
    SECRET_KEYS: frozenset[str]
    """The keys whose values no excerpt of the file may show."""
    WRITINGS: Mapping[str, Writing]
    """What templates may be written in, by the words of the configuration; the first is usual."""
    IMPORTED: Imported
    """What an import of alertmanager.yml carries over."""
    SUBSCRIBERS: Entry | None
    """The entry that chats of subscribers count as having; None where no bot hears people."""
    ERRORS: tuple[ErrorRow, ...]
    """Every answer and what it comes to; the first row that fits decides."""

    FORM: Form
    """By how much a message is too large, as `excess`, and which blocks of a template it shows."""

    def parse_mode(self, entry: E) -> str:
        """Which of `WRITINGS` the entry's template is in."""
        ...

    def secret_files(self, entry: E) -> Iterator[str]:
        """The secret files that an entry names."""
        ...

    def global_secret_files(self, common: G) -> Iterator[str]:
        """The secret files that the platform's global keys name."""
        ...

    def chats(self, entry: E, common: G, policy: Policy, loc: Loc, reader: EntryReader) -> Chats:
        """The chats of the entry at `loc`; faults are reported to the reader."""
        ...

    def refined(self, policy: Policy, entry: E) -> Policy:
        """The policy with what keys of this platform alone say of messages."""
        ...

    def spell(self, lane: LaneKey) -> str:
        """A chat for people: on one line, in words of the configuration, nothing secret."""
        ...

    def remedy(self, outcome: ThreadGone | ChatDown | BotDown, place: str) -> str:
        """What the operator can do, with `place` (FILE:LINE) of the entry."""
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
        """The call that makes `step` show `message`; `plain`: without any style, after it was
        rejected.

        A message that is too large is shortened, so that whatever is sent keeps the platform's
        limits.
        """
        ...

    def probe(self, endpoint: Endpoint) -> Request:
        """A call that changes nothing and tells whether the chat can be reached."""
        ...

    def needs_guild(self, endpoint: Endpoint, step: Step) -> bool:
        """Whether the step is worth a `probe` first, for the guild (Discord's word for a server)
        that its answer names.
        """
        ...

    def guild_of(self, response: Response | NoAnswer) -> str:
        """The id of the guild that the answer to a probe names; "-" when it names none."""
        ...

    def needs_kind(self, endpoint: Endpoint) -> bool:
        """Whether a `probe` has to tell first which buttons messages of the chat can have."""
        ...

    def kind_of(self, response: Response | NoAnswer) -> str:
        """What the answer to a probe tells of that, in the platform's word; "-" for nothing."""
        ...

    def buttons_in(self, lane: LaneKey, kind: str, acting: ActingConfig) -> ButtonsIn:
        """The buttons that messages of the chat can have; `kind` is empty until it is known."""
        ...

    def message_link(self, ref: MessageRef, guild: str) -> str:
        """The address of a message for people, or empty where the platform has none. `guild` is the
        Discord server, once it is known.
        """
        ...

    def outcome(self, lane: LaneKey, step: Step | None, response: Response | NoAnswer) -> Outcome:
        """What an attempt at `step` (None: a probe) came to, by the platform's table `ERRORS`."""
        ...

    def budgets(self, endpoint: Endpoint, limits: Limits, channel: str = "") -> tuple[Limit, ...]:
        """The budgets that every call of the lane takes from; `channel` is where its messages were
        seen to arrive.
        """
        ...

    def pace(self, lane: LaneKey, response: Response) -> tuple[tuple[str, float], ...]:
        """What the headers of an answer forbid: budget keys, and for how many seconds."""
        ...

    def excess(self, message: Message) -> int:
        """How much too large the message is in its written form, in UTF-16 units or the like; 0
        when it fits.
        """
        ...

    def fits(self, message: Message) -> bool:
        """Whether the message keeps the platform's limits in its written form."""
        ...

    def squeeze(self, message: Message) -> Message:
        """The message made to fit, its largest parts shortened: the last resort behind a template's
        own fitting.
        """
        ...


AnyPlatform = PlatformContract[Any, Any]
Platforms = Mapping[str, AnyPlatform]
"""The platforms in use, by the name that stands in the configuration, lanes and metrics."""


def registry(**platforms: AnyPlatform) -> Platforms:
    """The platforms by name; mypy names what one of them leaves out of the contract."""
    return platforms
