"""Requests of operators about people and chats, and the storage's answers."""

from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from relay.core.bot.people import ChatEntry, Invite, Subscription
from relay.store.people import PeopleStore
from relay.store.queue import Refused


class ListChats(Struct, frozen=True, tag="chats"):
    """Asks for the registry."""


class ListInvites(Struct, frozen=True, tag="invites"):
    """Asks for the invitations."""


class CreateInvite(Struct, frozen=True, tag="invite"):
    """Asks to store an invitation."""

    invite: Invite


class RevokeInvite(Struct, frozen=True, tag="revoke"):
    """Asks to revoke an invitation, so that its link does not work any more."""

    id: str


class ListSubscriptions(Struct, frozen=True, tag="subscriptions"):
    """Asks for all subscriptions."""


class RemoveSubscription(Struct, frozen=True, tag="remove"):
    """Asks to end a subscription."""

    id: str


class Chats(Struct, frozen=True, tag="chats"):
    """The registry."""

    chats: tuple[ChatEntry, ...]


class Invites(Struct, frozen=True, tag="invites"):
    """Invitations, without their hashes: all, the one that was created, or the one that was
    revoked.
    """

    invites: tuple[Invite, ...]


class Subscriptions(Struct, frozen=True, tag="subscriptions"):
    """Subscriptions: all, or the one that was ended."""

    subscriptions: tuple[Subscription, ...]


RosterRequest = (
    ListChats | ListInvites | CreateInvite | RevokeInvite | ListSubscriptions | RemoveSubscription
)
RosterAnswer = Chats | Invites | Subscriptions | Refused


def perform_roster(store: PeopleStore, request: RosterRequest) -> RosterAnswer:
    """Carries out a request, within `Store.batch`."""
    match request:
        case ListChats():
            return Chats(store.chats())
        case ListInvites():
            return Invites(tuple(replace(invite, hash="") for invite in store.invites()))
        case CreateInvite(invite):
            store.create_invite(invite)
            return Invites((replace(invite, hash=""),))
        case RevokeInvite(id):
            known = [replace(invite, hash="") for invite in store.invites() if invite.id == id]
            done = store.revoke_invite(id)
            return (
                Invites(tuple(known))
                if done
                else Refused(f"there is no invitation {id}: see `invite list`")
            )
        case ListSubscriptions():
            return Subscriptions(store.subscriptions())
        case RemoveSubscription(id):
            ended = store.end_subscriptions([id])
            return (
                Subscriptions(ended)
                if ended
                else Refused(f"there is no subscription {id}: see `subscriptions list`")
            )
        case _:
            assert_never(request)
