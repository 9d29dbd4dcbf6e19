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
    "none": "Nothing was found.", "none_yet": "Nothing was found among the newer ones.",
    "older": "Older", "id": "ID", "chain": "What became of it",
    "route": "Route", "matched": "matched", "reached": "the alert ends here",
    "failed": "did not match", "reaches": "It reaches", "at": "At (UTC, RFC 3339)",
    "discards": "has no chat: discarded", "ago": "ago", "default": "(default)",
    "per_minute": "The last hour, by the minute", "minute": "Minute", "backlog": "Backlog",
    "at_most": "at most", "budget": "Calls left", "within": "within",
    "payloads": "Payloads", "deliveries": "Deliveries", "table": "As a table",
    "plots_note": "Prometheus has the whole history: see /metrics.",
    "login": "Log in", "token": "Bearer token", "login_failed": "That token is not known.",
    "logout": "Log out", "faulty": "Write labels as NAME=VALUE, with spaces between.",
    "now_word": "now", "all": "all", "link": "open", "show": "Show", "no_chats":
    "No chat got anything yet.", "firing_now": "firing",
    "templates": "Templates", "configuration": "Configuration", "template": "Template",
    "begin_with": "Begin with", "load": "Load", "markup": "Written in", "sample": "Sample",
    "payload_id": "or a payload by its ID", "try": "Try", "made": "Messages",
    "faults": "Faults and warnings",
    "faults_new": "Faults and warnings of the changed file", "no_faults": "No faults.", "not_made":
    "The template failed; the plain text stands in for it",
    "templates_note": "Nothing is saved: to use a template, write it to a file that the "
    "configuration names.",
    "no_payload": "No payload with that ID is kept.",
    "took_too_much": "It took more time or memory than it may, or could not be tried.",
    "on_disk": "The file on disk", "in_force": "In force", "same": "the file on disk",
    "other": "not the file on disk: it was changed or refused since", "digest_of": "SHA-256",
    "file": "File", "lines_left": "The file is longer.", "diff": "What a changed file would do",
    "upload": "A changed relay.yml", "pasted": "or its text", "compare": "Compare",
    "diff_note": "It is compared by the payloads of the last seven days, and not saved. Files that "
    "it names are not read, its templates are not tried.",
    "compared": "Compared by", "payload_count": "payloads", "alert_count": "firing alerts",
    "name_count": "alert names", "nothing_changes": "Every alert reaches the same chats as before.",
    "gained": "gained", "lost": "lost", "moved": "moved", "nobody": "Would reach nobody",
    "unmatched": "Routes that took none of these alerts", "busy":
    "Chats that would get more in a minute than they take", "times": "Times", "example": "Example",
    "change": "Change", "to": "to", "no_payloads": "No payloads are kept to compare by.",
    "previews": "The message as each chat would get it", "cannot_show":
    "The file cannot be shown: see the faults.", "warning": "warning", "fault": "fault",
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
    "any": "toutes", "none": "Rien n'a été trouvé.",
    "none_yet": "Rien n'a été trouvé parmi les plus récents.", "older": "Plus anciens", "id": "ID",
    "chain": "Ce qu'il en est advenu", "route": "Route", "matched": "convient",
    "reached": "l'alerte s'arrête ici", "failed": "ne convient pas", "reaches": "Elle atteint",
    "at": "À (UTC, RFC 3339)", "discards": "n'a pas de salon : écartée",
    "ago": "il y a", "default": "(défaut)",
    "per_minute": "La dernière heure, minute par minute", "minute": "Minute",
    "backlog": "En attente", "at_most": "au plus", "budget": "Appels restants",
    "within": "en", "payloads": "Charges",
    "deliveries": "Livraisons", "table": "En tableau",
    "plots_note": "Prometheus a tout l'historique : voir /metrics.",
    "login": "Se connecter", "token": "Jeton", "login_failed": "Ce jeton n'est pas connu.",
    "logout": "Se déconnecter", "faulty": "Écrivez NOM=VALEUR, séparés par des espaces.",
    "now_word": "maintenant", "all": "tous", "link": "ouvrir", "show": "Montrer",
    "no_chats": "Aucun salon n'a rien reçu.", "firing_now": "en cours",
    "templates": "Modèles", "configuration": "Configuration", "template": "Modèle",
    "begin_with": "Partir de", "load": "Charger", "markup": "Écrit en", "sample": "Exemple",
    "payload_id": "ou une charge par son ID", "try": "Essayer", "made": "Messages",
    "faults": "Fautes et avertissements",
    "faults_new": "Fautes et avertissements du fichier modifié",
    "no_faults": "Aucune faute.", "not_made":
    "Le modèle a échoué ; le texte simple le remplace",
    "templates_note": "Rien n'est enregistré : pour utiliser un modèle, écrivez-le dans un fichier "
    "que nomme la configuration.",
    "no_payload": "Aucune charge de cet ID n'est gardée.",
    "took_too_much": "L'essai a pris plus de temps ou de mémoire que permis, ou n'a pu se faire.",
    "on_disk": "Le fichier sur disque", "in_force": "En vigueur", "same": "le fichier sur disque",
    "other": "pas le fichier sur disque : il a changé ou a été refusé depuis",
    "digest_of": "SHA-256", "file": "Fichier", "lines_left": "Le fichier est plus long.",
    "diff": "Ce que ferait un fichier modifié", "upload": "Un relay.yml modifié",
    "pasted": "ou son texte", "compare": "Comparer",
    "diff_note": "La comparaison se fait sur les charges des sept derniers jours, sans rien "
    "enregistrer. Les fichiers qu'il nomme ne sont pas lus, ses modèles ne sont pas essayés.",
    "compared": "Comparé sur", "payload_count": "charges", "alert_count": "alertes en cours",
    "name_count": "noms d'alerte",
    "nothing_changes": "Chaque alerte atteint les mêmes salons qu'avant.",
    "gained": "gagnées", "lost": "perdues", "moved": "déplacées",
    "nobody": "N'atteindraient personne",
    "unmatched": "Routes qui n'ont pris aucune de ces alertes", "busy":
    "Salons qui recevraient plus par minute qu'ils n'acceptent", "times": "Fois",
    "example": "Exemple", "change": "Changement", "to": "vers",
    "no_payloads": "Aucune charge n'est gardée pour comparer.",
    "previews": "Le message tel que chaque salon le recevrait", "cannot_show":
    "Le fichier ne peut être montré : voir les fautes.", "warning": "avertissement",
    "fault": "faute",
}  # fmt: skip
WORDS: Mapping[str, Mapping[str, str]] = {"en": _EN, "fr": _FR}


def language_of(header: str) -> str:
    """The language that an `Accept-Language` header prefers among those that the console has."""
    for each in header.split(","):
        found = each.partition(";")[0].strip().lower()[:2]
        if found in WORDS:
            return found
    return "en"
