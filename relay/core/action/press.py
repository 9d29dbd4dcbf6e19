"""A press of a button: its values, from the press to its effects."""

from typing import Literal

from msgspec import Struct

from relay.core.action.episode import ShownAlert
from relay.core.action.pressed import ButtonData, ForgedData, OldData, Verb
from relay.core.action.reconcile import Suppressed
from relay.core.action.rights import Presser
from relay.core.action.silence import Silencing
from relay.core.action.take import Taken
from relay.core.alert import Labels
from relay.core.routing.lane import LaneKey
from relay.core.routing.matcher import Matcher
from relay.core.text.richtext import RichText

Outcome = Literal[
    "done", "held", "denied", "over", "old", "forged", "off", "nothing", "asked", "refused", "flood"
]


class MessagePlace(Struct, frozen=True):
    """The address of the pressed message: the platform, the bot or webhook that wrote it, its chat,
    its id. An empty `account` matches any: Discord's ids are unique.
    """

    platform: str
    api: str
    account: str
    chat: str
    message: str


class Question(Struct, frozen=True):
    """A person was asked for how long. `data` is that of the button, `message` the card's message.
    `expires_at` is Unix seconds.
    """

    place: MessagePlace
    message: str
    user: int
    data: ButtonData
    expires_at: float


class Press(Struct, frozen=True):
    """A button that somebody pressed. `key` identifies the press, so that it counts once.

    `lane_chat` and `message` are the address of the message; `data` is that of the button, decoded
    and checked (`pressed.decode`). `at` is Unix seconds, `reason` is what the person wrote.
    """

    key: str
    presser: Presser
    chat: str
    message: str
    data: ButtonData | OldData | ForgedData
    at: float
    reason: str = ""


class ShownCard(Struct, frozen=True):
    """The card whose message was pressed: its name (`card_name`), source, group labels and alerts.
    `closed_at`: when it ended. `link` leads to its newest message, or is empty. `seq` is the
    delivery up to which that message shows the card. `lane` and `receiver` are those of the card.
    """

    name: str
    source: str
    group_labels: Labels
    alerts: tuple[ShownAlert, ...]
    closed_at: float | None = None
    link: str = ""
    title: str = ""
    seq: int = 0
    lane: LaneKey | None = None
    receiver: str = ""


class PressContext(Struct, frozen=True):
    """What the store knows for a press: the card of that message, and the state of its alerts by
    their keys. `made` are silences that the relay wrote, as last known. `told_at`: when the person
    was told who has it. `presses`: how often the person pressed within the last minute.
    """

    card: ShownCard | None
    takes: dict[str, Taken] = {}
    suppressed: dict[str, Suppressed] = {}
    asked: tuple[Silencing, ...] = ()
    made: tuple[Silencing, ...] = ()
    told_at: float | None = None
    presses: int = 0


class SilenceChoice(Struct, frozen=True):
    """What a person may silence for any duration: the alerts that the card shows (`silence`), or
    its whole group (`group`); the matchers, and those of the alerts that the card shows.
    """

    verb: Literal["silence", "group"]
    matchers: tuple[Matcher, ...]
    alerts: tuple[Labels, ...]


class SilenceMenu(Struct, frozen=True):
    """The choices of a person, for at most `longest` seconds, with the data of the button and the
    source of Alertmanager.
    """

    source: str
    data: ButtonData
    choices: tuple[SilenceChoice, ...]
    longest: float


class PressAnswer(Struct, frozen=True):
    """The answer that only the person sees who pressed. `alert`: as a dialog instead of a passing
    line. `asks`: it asks the person to write a duration; `offers`: it has a button to take the
    alert over. `menu` are the silences to choose from.
    """

    text: RichText
    alert: bool = False
    asks: bool = False
    offers: bool = False
    menu: SilenceMenu | None = None


class PressEffects(Struct, frozen=True):
    """The effects of a press: rows to store, the answer to the person, and the words for the
    history.
    """

    answer: PressAnswer
    outcome: Outcome
    verb: Verb | None = None
    alerts: tuple[str, ...] = ()
    takes: tuple[Taken, ...] = ()
    released: tuple[str, ...] = ()
    silencings: tuple[Silencing, ...] = ()
    source: str = ""
