"""The words of the console, in English and French."""

from collections.abc import Mapping

_EN = {
    "now": "Now", "history": "History", "explain": "Explain", "chats": "Chats", "alert": "Alert",
    "skip": "Skip to the content", "open": "Open cards", "none_open": "Nothing is open.",
    "since": "Since", "severity": "Severity", "alerts": "Alerts", "firing": "Firing",
    "receiver": "Receiver", "chat": "Chat", "message": "Message", "digest": "in the digest",
    "sources": "Sources", "source": "Source", "heard": "Last heard", "heartbeat": "Heartbeat",
    "state": "State", "up": "up", "down": "down", "pending": "Pending", "oldest": "Oldest",
    "last_message": "Last message", "next_call": "Next call", "waits": "Waits for",
    "config": "Configuration", "loaded": "loaded", "version": "Version", "uptime": "Up for",
    "time": "Time (UTC)", "outcome": "Outcome", "why": "What became of it", "search": "Search",
    "labels": "Labels", "labels_hint": "alertname=DiskFull team=db", "any": "any",
    "none": "Nothing was found.", "older": "Older", "id": "ID", "chain": "What became of it",
    "route": "Route", "matched": "matched", "reached": "the alert ends here",
    "failed": "did not match", "reaches": "It reaches", "at": "At (UTC, RFC 3339)",
    "discards": "has no chat: discarded", "ago": "ago", "default": "(default)",
    "per_minute": "Payloads and deliveries per minute, the last hour", "minute": "Minute",
    "payloads": "Payloads", "deliveries": "Deliveries", "table": "As a table",
    "plots_note": "Prometheus has the whole history: see /metrics.",
    "login": "Log in", "token": "Bearer token", "login_failed": "That token is not known.",
    "logout": "Log out", "faulty": "Write labels as NAME=VALUE, with spaces between.",
    "now_word": "now", "all": "all", "link": "open", "show": "Show", "no_chats":
    "No chat got anything yet.", "firing_now": "firing",
}  # fmt: skip
_FR = {
    "now": "Maintenant", "history": "Historique", "explain": "Expliquer", "chats": "Salons",
    "alert": "Alerte", "skip": "Aller au contenu", "open": "Cartes ouvertes",
    "none_open": "Rien n'est ouvert.", "since": "Depuis", "severity": "Gravité",
    "alerts": "Alertes", "firing": "En cours", "receiver": "Récepteur", "chat": "Salon",
    "message": "Message", "digest": "dans le résumé", "sources": "Sources", "source": "Source",
    "heard": "Entendue", "heartbeat": "Battement", "state": "État", "up": "joignable",
    "down": "injoignable", "pending": "En attente", "oldest": "La plus ancienne",
    "last_message": "Dernier message", "next_call": "Prochain appel", "waits": "Attend",
    "config": "Configuration", "loaded": "chargée", "version": "Version", "uptime": "En marche",
    "time": "Heure (UTC)", "outcome": "Issue", "why": "Ce qu'il en est advenu",
    "search": "Chercher", "labels": "Étiquettes", "labels_hint": "alertname=DiskFull team=db",
    "any": "toutes", "none": "Rien n'a été trouvé.", "older": "Plus anciens", "id": "ID",
    "chain": "Ce qu'il en est advenu", "route": "Route", "matched": "convient",
    "reached": "l'alerte s'arrête ici", "failed": "ne convient pas", "reaches": "Elle atteint",
    "at": "À (UTC, RFC 3339)", "discards": "n'a pas de salon : écartée",
    "ago": "il y a", "default": "(défaut)",
    "per_minute": "Charges et livraisons par minute, dernière heure", "minute": "Minute",
    "payloads": "Charges", "deliveries": "Livraisons", "table": "En tableau",
    "plots_note": "Prometheus a tout l'historique : voir /metrics.",
    "login": "Se connecter", "token": "Jeton", "login_failed": "Ce jeton n'est pas connu.",
    "logout": "Se déconnecter", "faulty": "Écrivez NOM=VALEUR, séparés par des espaces.",
    "now_word": "maintenant", "all": "tous", "link": "ouvrir", "show": "Montrer",
    "no_chats": "Aucun salon n'a rien reçu.", "firing_now": "en cours",
}  # fmt: skip
WORDS: Mapping[str, Mapping[str, str]] = {"en": _EN, "fr": _FR}


def language_of(header: str) -> str:
    """The language that an `Accept-Language` header likes best, of those the console has."""
    for each in header.split(","):
        found = each.partition(";")[0].strip().lower()[:2]
        if found in WORDS:
            return found
    return "en"
