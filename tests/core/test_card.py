"""The card's whole behaviour as timetables: what arrives when, and which step follows."""

from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from relay.core.alert import Alert
from relay.core.budget import Block
from relay.core.card.advance import advance
from relay.core.card.brief_entries import DETAILED
from relay.core.card.card import Card, is_firing, is_settled, rest, status
from relay.core.card.digest import DIGEST, absorbing
from relay.core.card.fold import fold
from relay.core.card.lane_state import LaneState
from relay.core.card.operator import waive
from relay.core.card.outcome import (
    Delivered,
    MessageGone,
    Outcome,
    RateLimited,
    Rejected,
    Unavailable,
    Unknown,
)
from relay.core.card.plan import is_urgent, plan
from relay.core.card.ripening import ripen
from relay.core.card.step import Edit, MessageRef, Post, Reply, Step, Wait
from relay.core.card.view import Round
from relay.core.routing.lane import Lifecycle, Policy
from relay.core.routing.matcher import parse
from tests.build import POLICY, T0, alert, arriving, card

REF = MessageRef("-1001", "", "7")


class Chat:
    """A card, its chat and a clock: what arrives is folded, what is planned is delivered at
    once.
    """

    def __init__(self, policy: Policy = POLICY) -> None:
        self.card: Card = card()
        self.policy = policy
        self.state = LaneState()
        self.seq = 0
        self.duplicates: list[int] = []
        self.messages = 6

    def arrive(self, at: float, *alerts: Alert, reason: str = "", truncated: int = 0) -> None:
        self.seq += 1
        delivery = arriving(self.seq, T0 + at, *alerts, reason=reason, truncated=truncated)
        folded = fold(ripen(self.card, self.policy, T0 + at), [delivery], self.policy)
        self.card = folded.card
        self.duplicates += folded.duplicates

    def step(self, at: float) -> Step | Wait:
        self.card = ripen(self.card, self.policy, T0 + at)
        return plan(self.card, self.policy, T0 + at)

    def come_to(self, at: float, outcome: Outcome) -> None:
        step = self.step(at)
        assert not isinstance(step, Wait)
        after = advance(self.card, self.state, step, outcome, T0 + at, 0.5)
        self.card, self.state = after.card, after.state

    def drain(self, at: float) -> list[str]:
        """Everything that the chat gets at that time, in words."""
        said: list[str] = []
        while not isinstance(step := self.step(at), Wait):
            said.append(_word(step))
            ref = REF
            if isinstance(step, Post):
                self.messages += 1
                ref = MessageRef("-1001", "", str(self.messages))
            elif isinstance(step, Edit):
                ref = step.message
            self.come_to(at, Delivered(ref))
        return said


def _word(step: Step) -> str:
    match step:
        case Post(silent=silent, reply_to=reply_to):
            return f"post{' silent' if silent else ''}{f' after {reply_to.id}' if reply_to else ''}"
        case Edit(message=message):
            return f"edit {message.id}"
        case Reply(kind=kind, silent=silent):
            return f"{kind}{' silent' if silent else ''}"


def test_a_group_that_fires_is_one_message_with_sound() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"), alert("b"))
    assert chat.drain(0) == ["post"]
    assert chat.drain(5) == []


def test_an_alert_that_joins_is_a_loud_reply_and_an_edit() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(3, alert("a"), alert("b"))
    assert chat.drain(3) == ["joined", "edit 7"]


def test_some_that_resolve_are_a_silent_edit_alone() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"), alert("b"))
    chat.drain(0)
    chat.arrive(9, alert("a"), alert("b", "resolved"))
    assert chat.drain(9) == ["edit 7"]
    assert chat.card.change == "shrank"


def test_the_last_resolve_turns_the_message_and_closes_it_silently() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(60, alert("a", "resolved"))
    assert chat.drain(60) == ["edit 7", "resolved silent"]
    assert chat.card.closed_at == T0 + 60


def test_without_send_resolved_the_card_turns_and_nothing_is_said() -> None:
    chat = Chat(replace(POLICY, send_resolved=False))
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(60, alert("a", "resolved"))
    assert chat.drain(60) == ["edit 7"]


@pytest.mark.parametrize(
    ("after", "reason", "said", "duplicates"),
    [
        (15, "", [], [2]),
        (15, "repeat interval elapsed", [], [2]),
        (119, "first notification", [], [2]),
        (121, "first notification", [], [2]),
        (121, "new alerts added", [], [2]),
        (121, "some alerts resolved", [], [2]),
        (121, "repeat interval elapsed", ["repeated"], []),
        (121, "", ["repeated"], []),
    ],
)
def test_the_same_again_is_a_duplicate_or_a_repeat(
    after: float, reason: str, said: list[str], duplicates: list[int]
) -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(after, alert("a"), reason=reason)
    assert chat.drain(after) == said
    assert chat.duplicates == duplicates


def test_a_copy_with_another_start_from_a_second_prometheus_changes_nothing() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(15, alert("a", at=T0 + 3))
    assert chat.drain(15) == []
    assert chat.duplicates == [2]


def test_a_firing_that_arrives_after_its_resolve_is_held_and_dropped_when_contradicted() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(60, alert("a", "resolved"))
    chat.drain(60)
    chat.arrive(70, alert("a"))
    assert chat.drain(100) == []
    chat.arrive(101, alert("a", "resolved"))
    assert chat.drain(200) == []
    assert not is_firing(chat.card)


def test_a_firing_that_outlives_the_hold_is_shown_as_a_new_round() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(60, alert("a", "resolved"))
    chat.drain(60)
    chat.arrive(70, alert("a"))
    assert chat.drain(116) == ["post after 7"]


def test_a_new_episode_after_a_resolve_is_a_new_message_that_answers_the_old_one() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(60, alert("a", "resolved"))
    chat.drain(60)
    chat.arrive(90, alert("a", at=T0 + 88))
    assert chat.drain(90) == ["post after 7"]
    assert chat.card.rounds == (Round(T0, T0 + 60),)


def test_fired_resolved_and_fired_again_before_it_could_be_shown_is_one_message() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.arrive(30, alert("a", "resolved", ends=T0 + 29))
    chat.arrive(60, alert("a", at=T0 + 58))
    assert chat.drain(300) == ["post"]


def test_the_late_end_of_an_earlier_episode_does_not_end_the_one_that_fires() -> None:
    chat = Chat()
    chat.arrive(0, alert("a", at=T0 - 10))
    chat.drain(1)
    chat.arrive(20, alert("a", "resolved", at=T0 - 100, ends=T0 - 50))
    assert chat.drain(25) == []
    assert is_firing(chat.card)


def test_an_end_that_someone_posted_without_a_start_ends_what_fires() -> None:
    chat = Chat()
    chat.arrive(0, alert("a", at=T0 - 10))
    chat.drain(1)
    chat.arrive(20, alert("a", "resolved", at=T0 - 60, ends=T0 - 60))
    assert chat.drain(25) == ["edit 7", "resolved silent"]
    assert [entry.ends_at for entry in chat.card.entries] == [T0 - 10]


def test_an_episode_that_was_over_before_it_was_shown_appears_once_and_silently() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.arrive(30, alert("a", "resolved"))
    assert chat.drain(300) == ["post silent"]


def test_an_alert_missing_from_a_whole_payload_is_no_longer_reported_after_the_hold() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"), alert("b"))
    chat.drain(0)
    chat.arrive(10, alert("a"))
    assert chat.drain(54) == []
    assert chat.drain(55) == ["edit 7"]
    assert [entry.status for entry in chat.card.entries] == ["firing", "gone"]


def test_a_truncated_payload_says_nothing_of_what_it_does_not_list() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"), alert("b"))
    chat.drain(0)
    chat.arrive(10, alert("a"), truncated=1)
    chat.drain(100)
    assert [entry.status for entry in chat.card.entries] == ["firing", "firing"]


def test_an_empty_delivery_tells_that_all_alerts_of_the_card_are_gone() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(10)
    assert chat.drain(55) == ["edit 7"]
    assert status(chat.card) == "gone"


def test_a_group_that_is_not_posted_any_more_turns_stale_silently() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    assert chat.drain(25 * 3600 - 1) == []
    assert chat.drain(25 * 3600) == ["edit 7"]
    assert chat.card.stale


def test_edits_within_two_seconds_become_one() -> None:
    chat = Chat(replace(POLICY, lifecycle=Lifecycle(reply_joined=False)))
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(0.5, alert("a"), alert("b"))
    assert chat.drain(0.5) == []
    chat.arrive(1, alert("a"), alert("b"), alert("c"))
    assert chat.drain(1) == []
    assert chat.drain(2) == ["edit 7"]


def test_refused_markup_goes_out_plain_and_refused_plain_text_waits_for_the_next_change() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.come_to(0, Rejected("markup"))
    assert chat.card.plain
    chat.come_to(0, Rejected("still"))
    assert chat.drain(1) == []
    chat.arrive(5, alert("a"), alert("b"))
    assert chat.drain(5) == ["post"]


def test_a_message_that_is_gone_is_posted_anew_without_a_sound() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(9, alert("a", "resolved"), alert("b"))
    chat.come_to(9, Delivered(REF))  # the reply
    chat.come_to(9, MessageGone("deleted"))
    assert chat.drain(9) == ["post silent"]


def test_a_new_round_whose_old_message_is_gone_is_posted_without_a_reply_to_it() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(60, alert("a", "resolved"))
    chat.drain(60)
    chat.arrive(100, alert("a", at=T0 + 90))
    chat.come_to(100, MessageGone("message to be replied not found"))
    assert chat.step(100) == Post(silent=False)


def test_failures_pause_longer_and_longer_and_success_forgets_them() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    pauses: list[float] = []
    at = 0.0
    for _ in range(12):
        chat.come_to(at, Unavailable("502"))
        assert chat.card.failures is not None
        pauses.append(chat.card.failures.retry_at - T0 - at)
        at = chat.card.failures.retry_at - T0
    assert pauses[:3] == pytest.approx([0.75, 1.5, 3.0])
    assert max(pauses) == pytest.approx(225.0)
    assert chat.drain(at) == ["post"]
    assert (chat.state.attempts, chat.card.failures) == (0, None)


def test_an_unknown_outcome_of_a_post_is_repeated_after_a_pause_and_says_so() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.come_to(0, Unknown("cut"))
    assert chat.card.doubt
    assert chat.card.failures is not None
    assert chat.card.failures.retry_at == T0 + 15
    assert chat.drain(2) == ["post"]
    assert not chat.card.doubt


def test_a_rate_limit_blocks_its_budgets_and_costs_no_attempt() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    after = advance(
        chat.card, chat.state, Post(silent=False), RateLimited(7.0, ("chat", "old"), "bot"), T0, 0.5
    )
    assert after.blocks == (Block(("chat", "old"), T0, 7.0, "bot"),)
    assert after.state.attempts == 0


def test_a_firing_that_is_held_is_dropped_by_a_whole_payload_without_it() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"), alert("b"))
    chat.drain(0)
    chat.arrive(60, alert("a", "resolved"), alert("b"))
    chat.drain(60)
    chat.arrive(75, alert("a"), alert("b"))  # a peer's snapshot from before the resolve
    chat.arrive(90, alert("b"), alert("c"))
    assert chat.drain(90) == ["joined", "edit 7"]
    assert chat.drain(1000) == []


def test_a_firing_that_is_held_is_not_forgotten_by_the_round_that_another_alert_begins() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"), alert("b"))
    chat.drain(0)
    chat.arrive(60, alert("a", "resolved"))  # and b is not listed any more
    chat.drain(200)
    chat.arrive(300, alert("a"), alert("b"))
    assert chat.drain(300) == ["post after 7"]
    assert is_firing_in(chat.card) == {"b"}
    chat.drain(346)
    assert is_firing_in(chat.card) == {"a", "b"}


def is_firing_in(card: Card) -> set[str]:
    return {entry.fingerprint for entry in card.entries if entry.status == "firing"}


def test_a_card_keeps_the_labels_of_its_most_urgent_alerts_only() -> None:
    many: Sequence[Alert] = [alert(f"i{index:04}") for index in range(DETAILED + 50)]
    chat = Chat()
    chat.arrive(0, *many, alert("worst", severity="critical"))
    assert chat.card.entries[0].fingerprint == "worst"
    assert len(chat.card.entries) == DETAILED + 51
    assert chat.card.entries[-1].labels == {"alertname": "Disk", "severity": "warning"}


def test_a_payload_in_parts_says_one_thing() -> None:
    """Its first part ends all that fires, its second brings something new: the group grew, it did
    not fire again.
    """
    chat = Chat()
    chat.arrive(0, alert("a"), alert("b"))
    chat.drain(0)
    whole = arriving(3, T0 + 60, alert("a", "resolved"), alert("b", "resolved"), alert("c"))
    parts = [
        replace(whole, seq=2, alerts=whole.alerts[:2], last=False),
        replace(whole, alerts=whole.alerts[2:]),
    ]
    assert fold(chat.card, parts, POLICY) == fold(chat.card, [whole], POLICY)
    again = [replace(part, seq=part.seq + 2) for part in parts]
    assert fold(fold(chat.card, parts, POLICY).card, again, POLICY).duplicates == (4, 5)


def test_an_alert_that_was_made_brief_is_kept_as_it_is() -> None:
    chat = Chat()
    chat.arrive(0, *(alert(f"i{index:04}") for index in range(DETAILED + 50)))
    brief = chat.card.entries[-1]
    chat.arrive(60, *(alert(f"i{index:04}") for index in range(DETAILED)), truncated=50)
    assert chat.card.entries[-1] is brief


def test_of_every_alert_the_labels_are_kept_that_say_whether_it_is_urgent() -> None:
    policy = replace(POLICY, urgent=parse('instance="i0249"'))
    many = [alert(f"i{index:04}") for index in range(DETAILED + 50)]
    chat = Chat(policy)
    chat.arrive(0, *many)
    assert is_urgent(chat.card, policy)


def test_a_repeat_of_what_the_platform_refused_is_tried_again() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.come_to(0, Rejected("markup"))
    chat.come_to(0, Rejected("still"))
    chat.arrive(4 * 3600, alert("a"), reason="repeat interval elapsed")
    assert chat.drain(4 * 3600) == ["post"]


def refused(chat: Chat, at: float) -> None:
    """The platform takes the next step neither with markup nor without."""
    chat.come_to(at, Rejected("markup"))
    chat.come_to(at, Rejected("still"))
    chat.card = rest(chat.card, T0 + at)


def dropped(chat: Chat, at: float) -> None:
    chat.card = rest(waive(chat.card), T0 + at)


@pytest.mark.parametrize("give_up", [refused, dropped])
def test_a_card_whose_end_will_not_be_shown_closes_and_fires_anew_as_a_new_round(
    give_up: Callable[[Chat, float], None],
) -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(60, alert("a", "resolved"))
    give_up(chat, 60)
    assert (chat.card.closed_at, chat.drain(70)) == (T0 + 60, [])
    chat.arrive(100, alert("a", at=T0 + 90))
    assert chat.drain(100) == ["post after 7"]


@pytest.mark.parametrize("give_up", [refused, dropped])
def test_a_card_of_which_something_fires_or_is_held_back_stays_open_whatever_is_not_shown(
    give_up: Callable[[Chat, float], None],
) -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(60, alert("a"), alert("b"))
    chat.card = replace(chat.card, owed=())
    give_up(chat, 60)
    assert chat.card.closed_at is None
    chat.arrive(70, alert("a", "resolved"), alert("b", "resolved"))
    chat.arrive(80, alert("a"), alert("b", "resolved"))
    give_up(chat, 80)
    assert chat.card.closed_at is None
    assert chat.drain(80 + POLICY.late_hold) == ["again", "edit 7"]


def test_a_digest_that_closed_without_a_message_is_open_again_when_it_takes_cards_in() -> None:
    refused_at_first = Card(DIGEST, "", "ops", refused="whatever it said", closed_at=T0)
    assert absorbing(refused_at_first, "ops", T0 + 60, pressed=True).closed_at is None


def test_a_card_that_was_only_told_what_is_absent_owes_nothing() -> None:
    chat = Chat()
    chat.arrive(0)
    assert chat.drain(1000) == []
    assert is_settled(chat.card)
    chat.arrive(2000, alert("a"))
    assert chat.drain(2000) == ["post"]
    assert chat.card.rounds == ()


def test_a_round_long_after_the_one_before_stands_for_itself() -> None:
    chat = Chat()
    chat.arrive(0, alert("a"))
    chat.drain(0)
    chat.arrive(60, alert("a", "resolved"))
    chat.drain(60)
    chat.arrive(60 + 1801, alert("a", at=T0 + 1800))
    assert chat.drain(60 + 1801) == ["post"]
    assert chat.card.rounds == ()
