"""The links under a card: runbook, graph, silence, dashboard; only those that work from outside."""

import re
from collections.abc import Set
from functools import lru_cache
from ipaddress import ip_address
from itertools import islice
from urllib.parse import quote, urlsplit

from relay.core.card.view import AlertView, View
from relay.core.label_names import PLACING, is_volatile, tier
from relay.core.routing.lane import LinkRewrite, Policy
from relay.core.text.richtext import RichText, Span, address, concat, normalise, styled
from relay.core.text.times import Reader

_INSIDE = (".svc", ".local", ".localhost", ".localdomain")
_LONGEST = 1500
_MOST_NAMES, _MOST_LINKS = 20, 10
_ADDRESS = re.compile(r"https?://[^\s<>\"'()\[\]{}|\\^`]*[^\s<>\"'()\[\]{}|\\^`.,;:!?]")
# A text that reads as an address: it has a scheme, or a host and a path.
_HOST = re.compile(
    r"(?:[a-z]+://)?(?:[^/@\s]*@)?((?:[\w-]+\.)+[a-z]{2,}\.?)(?::\d+)?(?=[/?#]|$)", re.I
)
RUNBOOKS = ("runbook_url", "runbook")
DASHBOARDS = (
    "dashboard_url", "dashboard", "grafana_url", "__panel_url__", "__dashboard_url__"
)  # fmt: skip
_WORD = re.compile(r"\w{2,}")
_PROSE_WORDS = 3
_PERCENT = {number: quote(chr(number), safe="") for number in range(128)}
_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_OPENS, _BETWEEN, _CLOSES = "%7B", "%2C%20", "%7D"  # of a list of matchers: `{`, `, ` and `}`
_REMEMBERED = 1024  # characters of an address whose result is remembered
_LABEL_REMEMBERED = 200  # characters of a label whose matcher is remembered
_LONGEST_SEEN = 65536  # characters; a rewrite may shorten it


class Links(tuple[RichText, ...]):
    """The links that work from outside, ready to be joined, and the addresses by name, empty if
    there is none.
    """

    runbook: str
    graph: str
    silence: str
    dashboard: str
    target: str

    @property
    def first(self) -> str:
        """The address to open for the whole card: graph, else dashboard, else runbook."""
        return self.graph or self.dashboard or self.runbook


def links(view: View, alerts: tuple[AlertView, ...], policy: Policy, reader: Reader) -> Links:
    """The links of a card that shows `alerts`, after the policy's rewrites. A resolved card needs
    no silence.
    """
    first = alerts[0] if alerts else None
    found = {
        "runbook": _annotation(view, first, *RUNBOOKS),
        "graph": first.generator_url if first else "",
        "silence": _silence(view, policy.identity_ignores) if view.status == "firing" else "",
        "dashboard": _annotation(view, first, *DASHBOARDS),
        "target": target(view),
    }
    urls = {name: outside(url, policy.link_rewrites) for name, url in found.items()}
    result = Links(styled("link", reader.say(name), url) for name, url in urls.items() if url)
    result.runbook, result.graph, result.silence, result.dashboard, result.target = urls.values()
    return result


def silence(view: View, ignores: Set[str] = frozenset()) -> str:
    """Alertmanager's page for a new silence of every firing alert of the card, by the labels that
    they share (its user interface, `#/silences/new`) without those in `ignores`; empty if they
    share only a severity.
    """
    firing = [labels for alert in view.alerts for labels in alert.firing_labels]
    if not view.external_url or not firing:
        return ""
    names = sorted({labels.get("alertname", "") for labels in firing})
    others = firing[1:]
    shared = {
        name: value
        for name, value in firing[0].items()
        if value
        and name not in ignores
        and (not others or all(labels.get(name) == value for labels in others))
    }
    placing = {name for name in shared if tier(name)[0] in PLACING and not is_volatile(name)}
    kept = {
        name: value
        for name, value in shared.items()
        if name != "alertname" and (not placing or not is_volatile(name))
    }
    if not names[0] or (len(names) > 1 and len(names) > _MOST_NAMES):
        if not placing:
            return ""
        matchers = []
    elif len(names) == 1:
        matchers = [_matcher("alertname", names[0])]
    else:
        matchers = [_in_address(f"alertname=~{_quoted('|'.join(map(_literal, names)))}")]
    matchers += [_matcher(name, value) for name, value in sorted(kept.items())]
    written = f"{_OPENS}{_BETWEEN.join(matchers)}{_CLOSES}"
    return f"{view.external_url.rstrip('/')}/#/silences/new?filter={written}"


def _matcher(name: str, value: str) -> str:
    """`name="value"` for an address."""
    known = len(name) + len(value) <= _LABEL_REMEMBERED
    return _written(name, value) if known else _written.__wrapped__(name, value)


@lru_cache(maxsize=1024)  # alerts share most of their labels
def _written(name: str, value: str) -> str:
    return _in_address(f"{name}={_quoted(value)}")


def _silence(view: View, ignores: Set[str]) -> str:
    """Grafana's own page, which silences one alert, if the payload has it; else Alertmanager's."""
    own = [alert.annotations.get("__silence_url__", "") for alert in view.alerts]
    if any(own):
        return own[0] if len(own) == 1 else ""
    return silence(view, ignores)


def prose(annotation: str) -> str:
    """A runbook that is text or has text around its address; empty if it is just an address, or a
    link with a word or two.
    """
    seen = annotation[:_LONGEST_SEEN]
    if "://" not in seen:
        return annotation.strip()
    beside = _ADDRESS.sub(" ", seen)
    is_link = beside != seen and len(_WORD.findall(beside)) < _PROSE_WORDS
    return "" if is_link else annotation.strip()


def linked(text: str, rewrites: tuple[LinkRewrite, ...] = ()) -> RichText | str:
    """The text, with the http(s) addresses that work from outside as links."""
    parts: list[RichText | str] = []
    position = 0
    for found in islice(_ADDRESS.finditer(text), _MOST_LINKS):
        url = outside(found[0], rewrites)
        if url:
            parts += (text[position : found.start()], styled("link", found[0], url))
            position = found.end()
    return concat([*parts, text[position:]]) if parts else text


def followed(rich: RichText, rewrites: tuple[LinkRewrite, ...] = ()) -> RichText:
    """The text of a value with those of its links that work from outside, and with the addresses in
    it as links. A link whose text is the address of another host is no link.
    """
    spans: list[Span] = []
    for span in rich.spans:
        if span.kind != "link":
            spans.append(span)
        elif (url := outside(span.value, rewrites)) and _honest(span, rich.text):
            spans.append(Span("link", span.start, span.end, url))
    taken = [span for span in spans if span.kind in ("link", "code", "pre")]
    for found in islice(_ADDRESS.finditer(rich.text), _MOST_LINKS):
        url = outside(found[0], rewrites)
        free = all(span.end <= found.start() or found.end() <= span.start for span in taken)
        if url and free:
            spans.append(Span("link", *found.span(), url))
    return normalise(RichText(rich.text, tuple(spans)))


def _honest(span: Span, text: str) -> bool:
    """Whether the link's text is not the address of another host than the one it leads to."""
    shown = text[span.start : span.end].strip()
    named = _HOST.match(shown)
    host = (urlsplit(span.value).hostname or "").removeprefix("www.")
    return bool(shown) and (
        named is None or named[1].lower().rstrip(".").removeprefix("www.") == host
    )


def outside(url: str, rewrites: tuple[LinkRewrite, ...] = ()) -> str:
    """The address in the form that works from outside, after the first rewrite whose prefix it has;
    empty if it does not.
    """
    if len(url) > _REMEMBERED:
        return _outside(url, rewrites) if len(url) <= _LONGEST_SEEN else ""
    return _known_outside(url, rewrites)


@lru_cache(maxsize=1024)
def _known_outside(url: str, rewrites: tuple[LinkRewrite, ...]) -> str:
    return _outside(url, rewrites)


def _outside(url: str, rewrites: tuple[LinkRewrite, ...]) -> str:
    rewrite = next((rule for rule in rewrites if rule.match and url.startswith(rule.match)), None)
    url = address(rewrite.replace + url[len(rewrite.match) :] if rewrite else url)
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
    return url if len(url) <= _LONGEST and _reachable(host) else ""


def inside(url: str, rewrites: tuple[LinkRewrite, ...] = ()) -> str:
    """The scheme and host of an address that is left out because its host has no dot or works only
    inside; empty for any other address.
    """
    parts = url[:_LONGEST].split("/", 3)
    if parts[0] not in ("http:", "https:") or len(parts) < 3 or outside(url, rewrites):
        return ""
    address = "/".join(parts[:3])
    return address if parts[2] and not outside(address, rewrites) else ""


def rewrite_hint(address: str) -> str:
    """The `link_rewrites` entry to paste for an address that is left out."""
    host = (urlsplit(address).hostname or "").partition(".")[0]
    return f"link_rewrites: [{{match: '{address}', replace: 'https://{host}.example.org'}}]"


@lru_cache(maxsize=1024)
def _reachable(host: str) -> bool:
    """Whether Telegram keeps a link to the host: it drops those whose host has no dot and is not an
    IPv6 address (td/telegram/LinkManager.cpp).
    """
    try:
        known = ip_address(host)
    except ValueError:
        return "." in host and not host.endswith(_INSIDE)
    return not (known.is_loopback or known.is_unspecified or known.is_link_local)


def _annotation(view: View, first: AlertView | None, *names: str) -> str:
    sources = (view.common_annotations, first.annotations if first else {})
    found = next((source[name] for name in names for source in sources if source.get(name)), "")
    if not found:
        return ""
    within = _ADDRESS.search(found[:_LONGEST_SEEN])  # as in `[Runbook](https://...)`
    return within[0] if within and not found.startswith(within[0]) else found


def target(view: View) -> str:
    """The probed address, if it is the same for all alerts."""
    found = (view.common_labels.get(name, "") for name in ("instance", "target", "url"))
    return next((url for url in found if url.startswith(("http://", "https://"))), "")


def _in_address(text: str) -> str:
    """Percent-encoded except letters, digits and `_.-~`, as `urllib.parse.quote` does it."""
    if text.isascii():
        return text.translate(_PERCENT)
    return quote(text, safe="", errors="replace")


def _literal(value: str) -> str:
    """A regular expression (RE2) that matches only the value."""
    return _META.sub(r"\\\g<0>", value)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
