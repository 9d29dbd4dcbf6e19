"""The words of messages: one catalogue in English and French. Labels are never translated."""

import re
from functools import lru_cache
from string import Formatter
from types import MappingProxyType
from typing import NamedTuple

from relay.core.text.richtext import RichText, concat

Value = RichText | str
LANGUAGES = ("en", "fr")
NO_BREAK = "\u00a0"


class Text(NamedTuple):
    """One text in each language: a pattern, or two (one, other) if a count decides."""

    en: str | tuple[str, str]
    fr: str | tuple[str, str]


CATALOGUE = MappingProxyType(
    {
        "firing": Text("firing", "en alerte"),
        "resolved": Text("resolved", "résolu"),
        "gone": Text("no longer reported", "n'est plus signalé"),
        "unnamed": Text("unnamed alert", "alerte sans nom"),
        "left_out": Text(
            "name left out: this chat does not take it",
            "nom omis : cette discussion ne l'accepte pas",
        ),
        "unknown_time": Text("unknown time", "heure inconnue"),
        "new": Text("new", "nouveau"),
        "reported_again": Text("reported again", "signalé de nouveau"),
        "value": Text("value", "valeur"),
        "since_alone": Text("since {start}", "depuis {start}"),
        "raised_since": Text(
            "{severity} since {start}, {was} since {before}",
            "{severity} depuis {start}, {was} depuis {before}",
        ),
        "now_raised": Text("now {severity} (was {was})", "maintenant {severity} (avant : {was})"),
        "memory": Text(
            "{nth} time this week, last {start} ({age})",
            "{nth} fois cette semaine, la dernière {start} ({age})",
        ),
        "target": Text("Target", "Cible"),
        "since": Text("since {start} ({age})", "depuis {start} ({age})"),
        "resolved_at": Text("resolved {end} after {age}", "résolu à {end} après {age}"),
        "gone_since": Text("no longer reported since {end}", "n'est plus signalé depuis {end}"),
        "since_unknown": Text("since an unknown time", "depuis une heure inconnue"),
        "until": Text("until {end}", "jusqu'à {end}"),
        "from_to": Text("{start} to {end} ({age})", "de {start} à {end} ({age})"),
        "over": Text("fired {start}, resolved {end}", "alerte à {start}, résolue à {end}"),
        "more": Text(
            "… and {n} more: {parts}", ("… et {n} autre : {parts}", "… et {n} autres : {parts}")
        ),
        "others": Text("and {n} more", ("et {n} autre", "et {n} autres")),
        "names_more": Text(
            "{names} and {n} more", ("{names} et {n} autre", "{names} et {n} autres")
        ),
        "firing_now": Text("{n} firing now", "{n} en alerte"),
        "still": Text("still firing after {age}", "toujours en alerte après {age}"),
        "of": Text("{n} of {all}", "{n} sur {all}"),
        "resolved_after": Text("resolved after {age}", "résolu après {age}"),
        "gone_after": Text("no longer reported after {age}", "n'est plus signalé après {age}"),
        "firing_again": Text("firing again", "de nouveau en alerte"),
        "nth_time": Text("{nth} time in {age}", "{nth} fois en {age}"),
        "before": Text("before: {start} to {end}", "avant : de {start} à {end}"),
        "unreachable": Text(
            "{age} late: this chat could not be reached from {start} to {end}",
            "{age} de retard : cette discussion était injoignable de {start} à {end}",
        ),
        "rate_limited": Text(
            "{age} late: this chat took no more messages from {start} to {end}",
            "{age} de retard : cette discussion n'acceptait plus de messages de {start} à {end}",
        ),
        "refused": Text(
            "{age} late: this chat refused messages from {start} to {end}",
            "{age} de retard : cette discussion refusait les messages de {start} à {end}",
        ),
        "pace": Text(
            (
                "{age} late: this chat takes {n} message a minute",
                "{age} late: this chat takes {n} messages a minute",
            ),
            (
                "{age} de retard : cette discussion accepte {n} message par minute",
                "{age} de retard : cette discussion accepte {n} messages par minute",
            ),
        ),
        "restarted": Text(
            "{age} late: the relay did not run or was behind from {start} to {end}",
            "{age} de retard : le relais était arrêté ou en retard de {start} à {end}",
        ),
        "stale": Text(
            "no report of this group for {age}: it may have changed",
            "aucune nouvelle de ce groupe depuis {age} : il a pu changer",
        ),
        "went_on": Text("goes on in another message", "continue dans un autre message"),
        "fallback_for": Text(
            "for {receiver}, whose chat could not be reached",
            "pour {receiver}, dont la discussion était injoignable",
        ),
        "may_be_repeated": Text(
            "may be repeated: no answer came when it was first sent",
            "peut-être répété : aucune réponse au premier envoi",
        ),
        "truncated": Text(
            (
                "Alertmanager left out {n} alert (max_alerts)",
                "Alertmanager left out {n} alerts (max_alerts)",
            ),
            (
                "Alertmanager a omis {n} alerte (max_alerts)",
                "Alertmanager a omis {n} alertes (max_alerts)",
            ),
        ),
        "failed": Text(
            "(template {template} failed: {why})", "(le modèle {template} a échoué : {why})"
        ),
        "characters": Text(
            ("({n} character)", "({n} characters)"),
            ("({n} caractère)", "({n} caractères)"),
        ),
        "alerts": Text(("{n} alert", "{n} alerts"), ("{n} alerte", "{n} alertes")),
        "storm": Text(
            ("{n} group firing", "{n} groups firing"),
            ("{n} groupe en alerte", "{n} groupes en alerte"),
        ),
        "storm_joined": Text(
            ("{n} more group firing", "{n} more groups firing"),
            ("{n} groupe de plus en alerte", "{n} groupes de plus en alerte"),
        ),
        "storm_since": Text("since {start}", "depuis {start}"),
        "storm_over": Text(
            ("{n} group over", "{n} groups over"), ("{n} groupe terminé", "{n} groupes terminés")
        ),
        "storm_more": Text(
            ("… and {n} more name, {groups} groups", "… and {n} more names, {groups} groups"),
            ("… et {n} autre nom, {groups} groupes", "… et {n} autres noms, {groups} groupes"),
        ),
        "quiet_over": Text(
            (
                "quiet hours are over: {n} group fires",
                "quiet hours are over: {n} groups fire",
            ),
            (
                "fin des heures calmes : {n} groupe en alerte",
                "fin des heures calmes : {n} groupes en alerte",
            ),
        ),
        "quiet_nothing": Text(
            "quiet hours are over: nothing fires",
            "fin des heures calmes : rien n'est en alerte",
        ),
        "quiet_silent": Text(
            ("{n} came without a sound", "{n} came without a sound"),
            ("{n} arrivé sans son", "{n} arrivés sans son"),
        ),
        "storm_note": Text(
            "In one message because this chat takes {n} a minute.",
            "En un seul message car cette discussion en accepte {n} par minute.",
        ),
        "notice_refused": Text(
            "a payload was answered with {code}, and Alertmanager does not repeat it: see the "
            "relay's log",
            "une notification a reçu la réponse {code}, et Alertmanager y renonce : voir le "
            "journal du relais",
        ),
        "notice_chat_down": Text(
            "{why}: receiver {receiver} on {platform} takes no messages; see {place}",
            "{why} : le récepteur {receiver} sur {platform} ne prend plus de messages ; voir "
            "{place}",
        ),
        "notice_chat_down_over": Text(
            "receiver {receiver} on {platform} takes messages again; it was: {why}",
            "le récepteur {receiver} sur {platform} reprend les messages ; c'était : {why}",
        ),
        "notice_undelivered": Text(
            "NOT DELIVERED to {receiver}: {lost}. {why}; alert-relay queue list",
            "NON LIVRÉ à {receiver} : {lost}. {why} ; alert-relay queue list",
        ),
        "notice_config": Text(
            (
                "the new configuration has {n} fault and is refused, the old one stays: {first}",
                "the new configuration has {n} faults and is refused, the old one stays: {first}",
            ),
            (
                "nouvelle configuration refusée ({n} erreur), l'ancienne reste : {first}",
                "nouvelle configuration refusée ({n} erreurs), l'ancienne reste : {first}",
            ),
        ),
        "notice_config_over": Text(
            "a new configuration is in force", "une nouvelle configuration est en vigueur"
        ),
        "notice_moved": Text(
            "the group of receiver {receiver} is a supergroup now: write chat_id {chat} at {place}",
            "le groupe du récepteur {receiver} est devenu un supergroupe : écrire chat_id {chat} "
            "à {place}",
        ),
        "notice_thread_gone": Text(
            "the thread of receiver {receiver} is gone, its messages go to the main chat: see "
            "{place}",
            "le fil du récepteur {receiver} n'existe plus, ses messages vont dans la discussion "
            ": voir {place}",
        ),
        "notice_dead": Text(
            (
                (
                    "{n} delivery of receiver {receiver} cannot be delivered ({why}): alert-relay "
                    "queue list"
                ),
                (
                    "{n} deliveries of receiver {receiver} cannot be delivered ({why}): "
                    "alert-relay "
                    "queue list"
                ),
            ),
            (
                (
                    "{n} livraison du récepteur {receiver} est impossible ({why}) : alert-relay "
                    "queue list"
                ),
                (
                    "{n} livraisons du récepteur {receiver} sont impossibles ({why}) : alert-relay "
                    "queue list"
                ),
            ),
        ),
        "notice_expired": Text(
            (
                "{n} delivery of receiver {receiver} waited too long and was given up",
                "{n} deliveries of receiver {receiver} waited too long and were given up",
            ),
            (
                "{n} livraison du récepteur {receiver} a trop attendu et est abandonnée",
                "{n} livraisons du récepteur {receiver} ont trop attendu et sont abandonnées",
            ),
        ),
        "notice_template": Text(
            "the template {template} fails, plain text is sent instead: {why}",
            "le modèle {template} échoue, du texte simple le remplace : {why}",
        ),
        "notice_contradicted": Text(
            "{a} and {b} contradict each other: unless they form one cluster, let each post to its "
            "own /alerts/SOURCE",
            "{a} et {b} se contredisent : hors d'un même cluster, chacun doit poster à son "
            "propre /alerts/SOURCE",
        ),
        "notice_storage": Text(
            "the storage was damaged, and a new one was started: alert-relay queue salvage {file}",
            "le stockage était endommagé, un nouveau est commencé : alert-relay queue salvage "
            "{file}",
        ),
        "notice_lost": Text(
            "the files of the storage in {folder} were removed, replaced or truncated: nothing is "
            "accepted until the relay is restarted",
            "les fichiers du stockage dans {folder} ont été supprimés, remplacés ou tronqués : "
            "rien n'est accepté avant un redémarrage du relais",
        ),
        "notice_clock": Text(
            "the clock of the machine was set by {seconds} s: hours follow it",
            "l'horloge de la machine a été changée de {seconds} s : les heures la suivent",
        ),
        "notice_deaf": Text(
            "the Telegram bot {bot} receives no updates: {why}; {remedy}",
            "le bot Telegram {bot} ne reçoit aucune mise à jour : {why} ; {remedy}",
        ),
        "runbook": Text("Runbook", "Procédure"),
        "graph": Text("Graph", "Graphe"),
        "silence": Text("Silence", "Silence"),
        "dashboard": Text("Dashboard", "Tableau de bord"),
    }
)

_UNITS = {"en": ("s", "min", "h", "d"), "fr": ("s", "min", "h", "j")}
_MONTHS = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "fr": ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.",
        "nov.", "déc."],
}  # fmt: skip
_ORDINALS = {
    "en": ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth"],
    "fr": ["première", "deuxième", "troisième", "quatrième", "cinquième", "sixième", "septième",
           "huitième", "neuvième", "dixième"],
}  # fmt: skip
_FORMATTER = Formatter()
_HIGH_SIGNS = re.compile(r" (?=[:;»])|(?<=«) ")


def language(wanted: str) -> str:
    """The language of the catalogue for a configured one; English if the catalogue does not have
    it.
    """
    return wanted if wanted in LANGUAGES else "en"


def say(wanted: str, key: str, n: int | None = None, **values: Value) -> RichText:
    """The text `key` with its values filled in; `n` decides between one and other and fills `{n}`.

    Raises KeyError for an unknown text or value.
    """
    if n is None and not values:
        return _constant(wanted, key)
    return fill(wanted, CATALOGUE[key], n, **values)


@lru_cache(maxsize=256)
def _constant(wanted: str, key: str) -> RichText:
    """A text without values."""
    return fill(wanted, CATALOGUE[key])


def fill(wanted: str, text: Text, n: int | None = None, **values: Value) -> RichText:
    """The text with its values filled in, as `say` does it, for any catalogue."""
    if n is not None:
        values["n"] = number(wanted, n)
    parts: list[Value] = []
    for literal, name in _parsed(_pattern(language(wanted), text, n), wanted):
        parts.append(literal)
        if name:
            parts.append(values[name])
    return concat(parts)


@lru_cache(maxsize=1024)
def _parsed(pattern: str, wanted: str) -> tuple[tuple[str, str | None], ...]:
    """The literal pieces of a pattern, each with the name of the value after it."""
    if wanted == "fr":  # no line begins with these
        pattern = _HIGH_SIGNS.sub(NO_BREAK, pattern)
    return tuple((literal, name) for literal, name, _, _ in _FORMATTER.parse(pattern))


def _pattern(wanted: str, text: Text, n: int | None) -> str:
    found = text.fr if wanted == "fr" else text.en
    if isinstance(found, str):
        return found
    # French counts zero as one thing, English as several (Unicode CLDR plural rules).
    one = n == 1 or (n == 0 and wanted == "fr")
    return found[0] if one else found[1]


def duration(wanted: str, seconds: float) -> str:
    """Seconds in at most two units: `45 s`, `12 min`, `1 h 12 min`, `3 d 4 h`, with no-break
    spaces. Smaller units are dropped.
    """
    if seconds != seconds or seconds in (float("inf"), float("-inf")):
        return "?"
    whole = abs(int(seconds))
    text = _spelled(wanted, whole)
    return f"-{text}" if seconds < 0 and whole else text


@lru_cache(maxsize=1024)
def _spelled(wanted: str, whole: int) -> str:
    """So many seconds in at most two units."""
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    units = _UNITS[language(wanted)]
    if whole < 60:
        parts = [(whole, units[0])]
    elif minutes < 60:
        parts = [(minutes, units[1])]
    elif hours < 24:
        parts = [(hours, units[2]), (minutes % 60, units[1])]
    else:
        parts = [(days, units[3]), (hours % 24, units[2])]
    shown = [
        f"{count}{NO_BREAK}{unit}" for at, (count, unit) in enumerate(parts) if count or not at
    ]
    return NO_BREAK.join(shown)


def ordinal(wanted: str, n: int) -> str:
    """`first`, `second` ...; feminine in French, where it stands before `fois`."""
    words = _ORDINALS[language(wanted)]
    if 1 <= n <= len(words):
        return words[n - 1]
    if language(wanted) == "fr":
        return f"{n}e"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th") if n % 100 not in (11, 12, 13) else "th"
    return f"{n}{ending}"


def number(wanted: str, n: int) -> str:
    """The number with separated thousands: `81,234`, in French with a narrow space."""
    text = f"{n:,}"
    return text.replace(",", "\u202f") if language(wanted) == "fr" else text


def month(wanted: str, index: int) -> str:
    """The short name of month 1 to 12."""
    return _MONTHS[language(wanted)][index - 1]
