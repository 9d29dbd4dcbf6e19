"""Cards of given alerts as the built-in templates write them, on both platforms."""

from msgspec import Struct

from relay.core.alert import Labels
from relay.core.card.step import ReplyKind
from relay.core.card.view import AlertView, View
from relay.core.routing.lane import Policy
from relay.core.template import sample, template
from relay.core.text.message import Form, Message
from relay.platforms import discord, telegram
from relay.platforms.discord.text import write
from relay.platforms.telegram import text as telegram_text
from relay.settings.load import BUILTIN

TEMPLATES, _ = template.compile({path.name: path.read_text() for path in BUILTIN.glob("*.j2")})


class Alike(Struct, frozen=True):
    """What a reader sees: `telegram` whole, of `discord` the content and the rest, as they are
    sent."""

    telegram: str
    content: str
    embed: str

    @property
    def locks(self) -> tuple[str, str]:
        """What each phone shows of it while it is locked."""
        return self.telegram[:80], self.content[:80]

    @property
    def heads(self) -> tuple[str, str]:
        """The first line on each."""
        return self.telegram.partition("\n")[0], self.content


def card(
    alerts: tuple[AlertView, ...], group: Labels | None = None, reply: ReplyKind | None = None
) -> Alike:
    """The card of these alerts, or the reply about the last of them."""
    view = sample.view(alerts, group={} if group is None else group, about=alerts[-1:])
    shown, _ = telegram_text.write(_rendered(view, "telegram.html.j2", reply).body)
    message = _rendered(view, "discord.md.j2", reply)
    content = message.content if message.content.text else message.body
    return Alike(shown, write(content), message.body.text)


def _rendered(view: View, name: str, reply: ReplyKind | None) -> Message:
    policy = Policy("ops", name, template.BUILT_IN[name], timezone="Europe/Paris")
    form = Form(discord.excess if policy.markup == "discord" else telegram.excess)
    rendered = template.render(TEMPLATES, policy, view, "reply" if reply else "card", reply, form)
    assert rendered.failed == ""
    return rendered.message
