"""The words of acting from the chat, in English and French: buttons, lines of cards, answers."""

from types import MappingProxyType

from relay.core.text.richtext import RichText
from relay.core.text.texts import Text, Value, fill

ACTING = MappingProxyType(
    {
        # buttons, at most 14 characters each
        "take": Text("✋ Take", "✋ Prendre"),
        "release": Text("↩ Release", "↩ Rendre"),
        "over": Text("✋ Take over", "✋ Reprendre"),
        "silence_for": Text("🔕 {age}", "🔕 {age}"),
        "menu": Text("🔕 …", "🔕 …"),
        "end": Text("🔔 End silence", "🔔 Fin silence"),
        # lines of cards
        "taken_line": Text("✋ {name} since {since}", "✋ {name} depuis {since}"),
        "taken_new": Text(("{n} new since", "{n} new since"), ("{n} nouvelle", "{n} nouvelles")),
        "silenced_line": Text("🔕 until {until}", "🔕 jusqu'à {until}"),
        "asked_line": Text("⏳ asked {since}", "⏳ demandé {since}"),
        "asked_late_line": Text(
            "⏳ asked {since}, Alertmanager does not answer",
            "⏳ demandé {since}, Alertmanager ne répond pas",
        ),
        "goes_on": Text(
            "➡ {name} goes on in another message", "➡ {name} : suite dans un autre message"
        ),
        "not_silenced_line": Text("⚠ not silenced: {why}", "⚠ pas de silence : {why}"),
        "inhibited_line": Text("inhibited by {by}", "inhibé par {by}"),
        "inhibited_alone": Text("inhibited", "inhibé"),
        "no_news_line": Text(
            "no news from {name} since {since}", "sans nouvelles de {name} depuis {since}"
        ),
        "administrator": Text("an administrator", "un administrateur"),
        # answers to a press
        "yours": Text("It is yours.", "C'est à vous."),
        "yours_over": Text("It is yours now; {name} had it.", "C'est à vous ; c'était à {name}."),
        "yours_already": Text("It has been yours since {since}.", "C'est à vous depuis {since}."),
        "held": Text(
            "{name} has it since {since}. Press once more within a minute to take it over.",
            "C'est à {name} depuis {since}. Appuyez encore une fois dans la minute pour reprendre.",
        ),
        "released": Text("Nobody has it now.", "Ce n'est plus à personne."),
        "not_taken": Text("Nobody has taken it.", "Ce n'était à personne."),
        "silencing": Text(
            (
                "Asking Alertmanager for {age}: this alert.",
                "Asking Alertmanager for {age}: {n} alerts.",
            ),
            (
                "Demande de {age} à Alertmanager : cette alerte.",
                "Demande de {age} à Alertmanager : {n} alertes.",
            ),
        ),
        "silencing_group": Text(
            "Asking Alertmanager for {age}: the whole group.",
            "Demande de {age} à Alertmanager : tout le groupe.",
        ),
        "mutes_others": Text(
            ("It mutes {n} other alert.", "It mutes {n} other alerts."),
            ("{n} autre alerte sera muette.", "{n} autres alertes seront muettes."),
        ),
        "silent_already": Text(
            "It is already silenced until {until} ({name}).",
            "C'est déjà silencieux jusqu'à {until} ({name}).",
        ),
        "ending": Text("Asking Alertmanager to end it.", "Demande de fin à Alertmanager."),
        "not_silenced": Text("It is not silenced.", "Ce n'est pas silencieux."),
        "over_since": Text("It has been over since {since}.", "C'est fini depuis {since}."),
        "over_now": Text("It is over.", "C'est fini."),
        "denied": Text(
            "You may not do this here. Ask {ask}.",
            "Vous n'en avez pas le droit ici. Demandez à {ask}.",
        ),
        "denied_alone": Text(
            "You may not do this here. Ask your operators.",
            "Vous n'en avez pas le droit ici. Demandez à vos opérateurs.",
        ),
        "too_long": Text(
            "You may silence for {age} at most.", "Au plus {age} de silence pour vous."
        ),
        "no_alertmanager": Text(
            "No Alertmanager is configured for this alert.",
            "Aucun Alertmanager n'est configuré pour cette alerte.",
        ),
        "old_button": Text(
            "This button is from an older message; the newest is {link}.",
            "Ce bouton vient d'un ancien message ; le plus récent : {link}.",
        ),
        "old_button_alone": Text(
            "This button is from an older message.", "Ce bouton vient d'un ancien message."
        ),
        "switched_off": Text("Buttons are switched off.", "Les boutons sont désactivés."),
        "forged": Text("This button does not work.", "Ce bouton ne fonctionne pas."),
        "not_stored": Text("Not stored: press again.", "Pas enregistré : appuyez encore."),
        "too_often": Text(
            "Too many presses: wait a minute.", "Trop d'appuis : attendez une minute."
        ),
        "silence_how": Text(
            "For how long? Write 90m, 2d or until 18:00.",
            "Pour combien de temps ? Écrivez 90m, 2d ou until 18:00.",
        ),
        "silence_how_group": Text(
            "For the whole group write 2h group.", "Pour tout le groupe écrivez 2h group."
        ),
        "menu_title": Text("Silence for how long?", "Silence de combien de temps ?"),
        "menu_until": Text("until {at}", "jusqu'à {at}"),
        "menu_other": Text("other …", "autre …"),
        "menu_group": Text("group: {age}", "groupe : {age}"),
        "choice_card": Text(
            ("this alert", "these {n} alerts"), ("cette alerte", "ces {n} alertes")
        ),
        "choice_group": Text("the whole group", "tout le groupe"),
        "choice_mutes": Text(
            ("mutes {n} alert", "mutes {n} alerts"), ("{n} alerte muette", "{n} alertes muettes")
        ),
        "choice_others": Text(
            ("{n} of them elsewhere", "{n} of them elsewhere"),
            ("dont {n} ailleurs", "dont {n} ailleurs"),
        ),
        "silence_bad": Text(
            "This is not a duration: write 90m, 2d or until 18:00.",
            "Ce n'est pas une durée : écrivez 90m, 2d ou until 18:00.",
        ),
        "form_title": Text("Silence", "Silence"),
        "form_duration": Text("How long? 90m, 2d, until 18:00", "Durée ? 90m, 2d, until 18:00"),
        "form_reason": Text("Why?", "Pourquoi ?"),
        "form_scope": Text("What?", "Quoi ?"),
        # why a silence was not written
        "nothing_fires": Text("nothing fires", "rien n'est en alerte"),
        "label_too_long": Text("a label is too long", "un label est trop long"),
        "nothing_shared": Text("the alerts share no label", "les alertes n'ont aucun label commun"),
        "too_many": Text("too many alerts for one silence", "trop d'alertes pour un silence"),
        "wide": Text(
            ("it would mute {n} other alert", "it would mute {n} other alerts"),
            ("il rendrait muette {n} autre alerte", "il rendrait muettes {n} autres alertes"),
        ),
        # escalation and heartbeats
        "escalated": Text("nobody has taken it for {age}", "personne ne l'a pris depuis {age}"),
        "escalated_from": Text(
            "nobody in {receiver} took it for {age}", "personne de {receiver} ne l'a pris en {age}"
        ),
        "last_reminder": Text(
            ("nobody took it, {n} reminder", "nobody took it, {n} reminders"),
            ("personne ne l'a pris, {n} rappel", "personne ne l'a pris, {n} rappels"),
        ),
        "still_yours": Text(
            "still yours, {name}? It still fires", "toujours à vous, {name} ? L'alerte continue"
        ),
        "silence_over": Text(
            "the silence is over, still firing", "le silence est fini, toujours en alerte"
        ),
        "beat_lost": Text(
            "NO NEWS from {name} since {since}", "SANS NOUVELLES de {name} depuis {since}"
        ),
        "beat_back": Text(
            "news from {name} again, after {age}", "des nouvelles de {name}, après {age}"
        ),
        "beat_refused": Text(
            ("we refused {n} payload meanwhile", "we refused {n} payloads meanwhile"),
            ("nous avons refusé {n} notification", "nous avons refusé {n} notifications"),
        ),
        "beat_slept": Text("this relay was down meanwhile", "ce relais était arrêté entre-temps"),
        "beat_suppressed": Text(
            "its alert is silenced by {name} until {until}",
            "son alerte est en silence par {name} jusqu'à {until}",
        ),
        "beat_inhibited": Text("its alert is inhibited", "son alerte est inhibée"),
    }
)


def act(wanted: str, key: str, n: int | None = None, **values: Value) -> RichText:
    """The text `key` with its values filled in, as `texts.say` does it."""
    return fill(wanted, ACTING[key], n, **values)
