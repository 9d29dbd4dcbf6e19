"""The transactions of the store for the people and chats that a bot knows, as in `protocol`."""

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from relay.core.bot.people import (
    BotReply,
    ChatContext,
    ChatEntry,
    Invite,
    Subscription,
    UpdateEffects,
)
from relay.core.bot.update import BotId, PollState, Update
from relay.core.budget import Block, Limit
from relay.core.card.lane_state import Down
from relay.core.routing.lane import LaneKey

BOT_REPLY_SECONDS = 60.0  # after which an answer to a command is not worth sending any more
Turn = Literal["go", "later", "dropped"]


class Outgoing(Struct, frozen=True):
    """An answer to a command, waiting to be sent."""

    id: int
    bot: BotId
    bot_reply: BotReply


class PeopleStore(Protocol):
    """The part of the store about people. `known`, then `take_update` in the same job make one
    transaction.
    """

    def poll_state(self, bot: BotId) -> PollState:
        """The last update that the bot received."""

    def keep_webhook(self, bot: BotId, address: str) -> None:
        """Stores the address of the webhook that the relay has set for the bot; empty: none any
        more.
        """

    def known(self, bot: BotId, update: Update) -> ChatContext:
        """The chat, invitation, subscriptions and cards that an update may concern."""

    def take_update(
        self, bot: BotId, update_id: int, effects: UpdateEffects, now: float
    ) -> tuple[LaneKey, ...]:
        """Stores the effects, and that the bot was polled up to this update. Returns the lanes that
        have work now.

        A lane that moves is changed outside its turn. If a turn under way writes the old state
        back, the platform's answer to the next call tells the new one again.
        """

    def subscriptions(self) -> tuple[Subscription, ...]:
        """All of them, the oldest first."""

    def end_subscriptions(self, ids: Sequence[str]) -> tuple[Subscription, ...]:
        """Ends the subscriptions with these ids and their pending deliveries, and returns those
        that existed.
        """

    def fallen(self) -> tuple[tuple[Subscription, Down], ...]:
        """The subscriptions whose chats are down, and how."""

    def chats(self) -> tuple[ChatEntry, ...]:
        """The registry."""

    def create_invite(self, invite: Invite) -> None:
        """Stores an invitation. Invitations that expired more than a month before are forgotten."""

    def invites(self) -> tuple[Invite, ...]:
        """All stored invitations, the oldest first."""

    def revoke_invite(self, invite_id: str) -> bool:
        """Removes an invitation; False if there is none with that id."""

    def restore(
        self, invites: Sequence[Invite], subscriptions: Sequence[Subscription]
    ) -> tuple[int, int]:
        """Stores those that do not exist yet; returns how many invitations and how many
        subscriptions.
        """

    def restore_chats(self, entries: Sequence[ChatEntry]) -> int:
        """Stores chats that the registry lacks, as long as it has room, and topics that it does not
        know of the others. Returns how many chats were stored.
        """

    def restore_poll_state(self, bot: BotId, found: PollState) -> None:
        """Sets the last update of the bot, unless it has received later ones."""

    def bot_replies(self) -> tuple[Outgoing, ...]:
        """The waiting answers to commands, the oldest first."""

    def keep_bot_reply(self, bot: BotId, bot_reply: BotReply, now: float) -> None:
        """Stores an answer to be sent, unless very many wait."""

    def take_bot_reply(self, reply_id: int, limits: Sequence[Limit], now: float) -> Turn:
        """Takes the budgets for an answer, if alerts leave them half free, and removes it, so that
        it is sent at most once. `dropped`: it is too old.
        """

    def block(self, blocks: Sequence[Block]) -> None:
        """Applies the blocks to their budgets."""
