"""The words for people who talk to the bot, in English and French."""

from types import MappingProxyType

from relay.core.text.richtext import RichText, styled
from relay.core.text.texts import Text, Value, fill

# The bot's own commands, which can be tapped.
COMMANDS = MappingProxyType(
    {
        name: styled("command", f"/{name}")
        for name in ("subscriptions", "mute", "stop", "alerts", "chatid", "help")
    }
)

PEOPLE = MappingProxyType(
    {
        "welcome": Text(
            "You will get the alerts of “{name}” here: {matchers}",
            "Vous recevrez ici les alertes de « {name} » : {matchers}",
        ),
        "welcome_group": Text(
            "This group will get the alerts of “{name}”: {matchers}",
            "Ce groupe recevra les alertes de « {name} » : {matchers}",
        ),
        "how_to_stop": Text(
            "{mute} 2h for some quiet, {stop} to end it, {help} for the rest.",
            "{mute} 2h pour avoir du calme, {stop} pour arrêter, {help} pour le reste.",
        ),
        "all": Text("all alerts", "toutes les alertes"),
        "invite_refused": Text(
            "This link does not work (any more). Please ask for a new one.",
            "Ce lien ne fonctionne pas (ou plus). Merci d'en demander un nouveau.",
        ),
        "stranger": Text(
            "This bot sends alerts to people who were invited by a link.",
            "Ce bot envoie des alertes aux personnes invitées par un lien.",
        ),
        "anonymous": Text(
            "That needs a name: write it as yourself, not as an anonymous administrator or a "
            "channel.",
            "Il faut un nom : écrivez en votre nom, pas comme administrateur anonyme ni comme "
            "canal.",
        ),
        "not_yours": Text(
            "Only the person who subscribed this group can change that; else ask your operators.",
            "Seule la personne qui a abonné ce groupe peut changer cela ; sinon demandez à vos "
            "opérateurs.",
        ),
        "stopped": Text(
            "Stopped: no more alerts come here. A new link starts them again.",
            "Arrêté : plus aucune alerte n'arrive ici. Un nouveau lien reprend l'envoi.",
        ),
        "none": Text("No alerts are sent here by a link.",
            "Aucune alerte n'arrive ici par un lien."),
        "listed": Text("“{name}”: {matchers}", "« {name} » : {matchers}"),
        "muted": Text(
            "Muted until {until}. Alerts that still fire then will be shown.",
            "Muet jusqu'à {until}. Ce qui sera encore en alerte sera alors affiché.",
        ),
        "is_muted": Text("muted until {until}", "muet jusqu'à {until}"),
        "alerts_muted": Text(
            "Muted until {until}: new alerts are shown after that.",
            "Muet jusqu'à {until} : le nouveau n'est affiché qu'ensuite.",
        ),
        "unmuted": Text("Not muted (any more).", "Le son est actif."),
        "mute_how": Text(
            "Write how long, such as {mute} 30m or {mute} 2h (at most 30d); {mute} 0 ends it.",
            "Écrivez la durée, par exemple {mute} 30m ou {mute} 2h (au plus 30d) ; {mute} 0 y met "
            "fin.",
        ),
        "chat_id": Text("Chat id: {chat}", "Identifiant de la discussion : {chat}"),
        "topic_id": Text("Topic id: {topic}", "Identifiant du sujet : {topic}"),
        "open": Text(("{n} alert is open", "{n} alerts are open"),
            ("{n} alerte ouverte", "{n} alertes ouvertes")),
        "nothing_open": Text("Nothing is open here.", "Rien n'est ouvert ici."),
        "no_such": Text(
            "No open alert here matches.",
            "Aucune des alertes ouvertes ici ne correspond."
        ),
        "bad_matcher": Text("This is not a matcher: {why}", "Ce n'est pas un filtre : {why}"),
        "do_stop": Text("no more alerts", "plus aucune alerte"),
        "do_subscriptions": Text("what you get", "ce que vous recevez"),
        "do_mute": Text("quiet for a while, such as 2h", "du calme un moment, par exemple 2h"),
        "do_alerts": Text("what is open here, as in {alerts} team=db",
            "ce qui est ouvert ici, comme {alerts} team=db"),
        "do_chatid": Text("the id of this chat", "l'identifiant de cette discussion"),
        "do_help": Text("these commands", "ces commandes"),
    }
)  # fmt: skip


def emit(wanted: str, key: str, n: int | None = None, **values: Value) -> RichText:
    """The text `key` with its values and commands filled in, as `texts.say` does it."""
    return fill(wanted, PEOPLE[key], n, **COMMANDS, **values)
