"""The message that tests a chat: its mark comes first wherever the platform begins to show a
message.
"""

from msgspec.structs import replace

from relay.core.template.test_message import banner, view_of_test_message
from relay.core.text.message import Message
from relay.core.text.richtext import RichText, styled
from relay.platforms import discord, telegram
from tests.build import POLICY, T0

FRENCH = replace(POLICY, language="fr")
CARD = Message(body=RichText("body"), title=RichText("title"), content=styled("bold", "content"))


def test_the_sample_began_two_minutes_ago() -> None:
    view = view_of_test_message(POLICY, T0)
    assert (view.now, view.since, view.receiver) == (T0, T0 - 120, "ops")
    assert [alert.starts_at for alert in view.alerts] == [T0 - 120]


def test_on_telegram_the_mark_stands_over_what_is_shown_of_the_message() -> None:
    assert telegram.with_banner(CARD, banner(POLICY)).body.text.startswith(
        "TEST of alert-relay: no alert"
    )
    assert telegram.with_banner(CARD, banner(POLICY)).body.text.endswith("\nbody")
    without_body = replace(CARD, body=RichText(" "))
    assert telegram.with_banner(without_body, banner(POLICY)).body.text.endswith("\ntitle")


def test_on_discord_the_mark_stands_over_the_embed_with_the_content_under_it() -> None:
    message = discord.with_banner(CARD, banner(FRENCH))
    assert (
        message.content.text
        == "TEST d'alert-relay : aucune alerte, rien à faire. Un exemple suit.\ncontent"
    )
    assert {(span.start, span.kind) for span in message.content.spans} == {
        (0, "bold"),
        (67, "bold"),
    }
    assert (message.title, message.body) == (CARD.title, CARD.body)


def test_an_empty_message_is_the_mark_alone() -> None:
    empty = Message(body=RichText(""))
    assert (
        "\n"
        not in telegram.with_banner(empty, banner(POLICY)).body.text
        + discord.with_banner(empty, banner(POLICY)).content.text
    )
