"""Templates: compiled and tried at load, rendered and fitted at run time. If one fails, a built-in
text is sent.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import lru_cache
from typing import Literal, NamedTuple

from jinja2 import Template as JinjaTemplate
from jinja2 import TemplateSyntaxError, nodes
from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.card.digest import DigestView
from relay.core.card.step import ReplyKind
from relay.core.card.view import AlertView, View
from relay.core.routing.lane import Policy
from relay.core.routing.matcher import matches
from relay.core.template import static_check as guard
from relay.core.template.built_in import BUILT_IN
from relay.core.template.built_in import DISCORD as _DISCORD
from relay.core.template.built_in import TELEGRAM as _TELEGRAM
from relay.core.template.context import MOST_SHOWN, ContextShape, TemplateContext
from relay.core.template.digest_context import DigestContext
from relay.core.template.filters import FILTERS, FUNCTIONS
from relay.core.template.fitting import WHOLE, Drawn, Fitted, fit, richest
from relay.core.template.listing import listing
from relay.core.template.literal_markup import literal_markup
from relay.core.template.parts import Part, TemplateError, draw, draw_digest, draw_reply
from relay.core.template.plain import plain
from relay.core.template.sandbox import Sandbox
from relay.core.template.template_fault import TemplateFault
from relay.core.text.markup import MarkupName
from relay.core.text.message import BLOCKS, Form, Mention, Message
from relay.core.text.richtext import RichText

__all__ = [
    "BUILT_IN",
    "Rendered",
    "TemplateError",
    "TemplateFault",
    "Templates",
    "check",
    "compile",
    "render",
    "shipped",
]

_EVERYWHERE = frozenset({"footer", "color"})  # blocks of Discord's template that all get
_SANDBOX = Sandbox(FILTERS, FUNCTIONS)
_FEW_LINES = 4  # of a digest on Discord, beside head, places, rows and note
# Of a digest: names, and lines of groups with and without folding.
_MOST_NAMES, _MOST_DIGEST_LINES, _MOST_OPEN_LINES = 20, 150, 35
_LONG_NAME, _SHORT_NAME = 200, 60
_REPLIES: tuple[ReplyKind, ...] = ("joined", "raised", "repeated", "resolved", "again")
_MOST_LINES = 10  # alerts of a built-in card on Discord, which cannot fold text
_MOST_ALIKE = 4  # repetitions of a fault that end a check: a costly one would take too long
_REPLY, _DIGEST = frozenset({"reply"}), frozenset({"digest"})
_OF_CARD = frozenset(BLOCKS) - _REPLY - _DIGEST
_TRIED = (ContextShape(99, 99, WHOLE), ContextShape(1, 2, 80))


class _Block(NamedTuple):
    """One compiled block of a file. Its markup is known once it is used."""

    template: JinjaTemplate
    uses: frozenset[str]
    only: str


class Compiled(Struct, frozen=True):
    """One template file. A built-in one is compiled when it is first used."""

    name: str
    source: str
    built: "_Built | None" = None

    @property
    def blocks(self) -> dict[str, _Block]:
        """Its blocks, or the file itself as the block `card`."""
        return (self.built or _shipped(self.name, self.source)).blocks

    @property
    def whole(self) -> bool:
        """Whether it has no blocks."""
        return (self.built or _shipped(self.name, self.source)).whole


class _Built(Struct, frozen=True):
    """The result of compiling a template file."""

    blocks: dict[str, _Block]
    whole: bool


@lru_cache(maxsize=16)
def _shipped(name: str, source: str) -> _Built:
    return _built(name, _SANDBOX.parse(source, name, name))


class Templates(Struct, frozen=True, eq=False):
    """All templates of a configuration by name, without those that have faults. `builtin` are the
    built-in ones, even if others have taken their names; their blocks replace missing ones.
    """

    by_name: dict[str, Compiled]
    builtin: dict[str, Compiled] = {}

    def parts(
        self, name: str, markup: MarkupName, shows: Set[str] = frozenset(BLOCKS)
    ) -> Mapping[str, Part]:
        """The blocks of a template that a platform `shows`, with built-in ones in place of those
        that it leaves out. Raises TemplateError.
        """
        return _parts(self, name, markup, frozenset(shows))


@lru_cache(maxsize=32)  # for a few receivers, by the identity of the templates
def _parts(
    templates: Templates, name: str, markup: MarkupName, shows: frozenset[str]
) -> Mapping[str, Part]:
    """`Templates.parts`."""
    by_name = templates.by_name
    if name not in by_name:
        raise TemplateError(name, 1, f"there is no template {name!r}")
    own = by_name[name]
    discord = markup == "discord" or not own.blocks.keys().isdisjoint({"title", "content"})
    base = _DISCORD if discord else _TELEGRAM
    parts: dict[str, Part] = {}
    for lending in (templates.builtin, by_name):
        parts |= _blocks(lending, _DISCORD, "discord", _EVERYWHERE & shows)
        parts |= _blocks(lending, base, BUILT_IN[base], shows)
    if own.whole or by_name.get(base, own).whole:  # its first line becomes the content
        parts.pop("content", None)
    return parts | _blocks(by_name, name, markup, shows)


def _blocks(
    templates: Mapping[str, Compiled], name: str, markup: MarkupName, only: Set[str]
) -> dict[str, Part]:
    found = templates.get(name)
    blocks = found.blocks if found and only else {}
    return {
        block: Part(
            block, name, found.source, compiled.template, compiled.uses, compiled.only, markup
        )
        for block, compiled in blocks.items()
        if found and block in only
    }


class RenderedDigest(Struct, frozen=True):
    """The message of a digest, the cards that it names (group and fingerprint), and why the
    template `failed` (or empty).
    """

    message: Message
    failed: str
    named: frozenset[tuple[GroupId, str]]


class Rendered(Struct, frozen=True):
    """A message, the fingerprints of the alerts that it names and of those that it only counts, and
    why the template `failed` (or empty).
    """

    message: Message
    failed: str
    named: tuple[str, ...]
    counted: tuple[str, ...]


def compile(sources: Mapping[str, str]) -> tuple[Templates, tuple[TemplateFault, ...]]:  # noqa: A001 - the word for it
    """Compiles template files by name, the built-in ones among them, and returns every fault of
    every file.
    """
    if not sources:
        return Templates({}), ()
    known = {*_names_of_context(), *_SANDBOX.globals}
    compiled: dict[str, Compiled] = {}
    faults: list[TemplateFault] = []
    for name, source in sources.items():
        result = _compiled(name, source, known)
        if isinstance(result, Compiled):
            compiled[name] = result
        else:
            faults += result
    return Templates(compiled), tuple(faults)


def shipped(sources: Mapping[str, str]) -> Templates:
    """The built-in template files by name. They are known to be good, and compiled when
    first used.
    """
    return Templates({name: Compiled(name, source) for name, source in sources.items()})


def warm_up(templates: Templates, policy: Policy, form: Form) -> None:
    """Compiles what messages by the policy need. Raises TemplateError."""
    for shows in (form.shows & _OF_CARD, _REPLY, _DIGEST):
        templates.parts(policy.template, policy.markup, shows)


def _names_of_context() -> Iterable[str]:
    from relay.core.template import sample  # noqa: PLC0415 - few starts have templates to check

    digest = DigestContext(DigestView(0, 0, 0, 0.0, 0.0, 0, ()), sample.POLICY)
    return {
        **TemplateContext(sample.VIEWS["one"], sample.POLICY, None).names(_TRIED[0]),
        **digest.names(_TRIED[0]),
    }


def _compiled(name: str, source: str, known: set[str]) -> Compiled | list[TemplateFault]:
    if len(source) > guard.MAX_SOURCE:
        return [
            TemplateFault(
                name,
                1,
                1,
                f"a template of {len(source):,} characters: at most {guard.MAX_SOURCE:,}",
            )
        ]
    try:
        tree = _SANDBOX.parse(source, name, name)
        found = guard.findings(tree, known, _SANDBOX.filters)
        if found:
            return _go_faults(name, source) or [
                TemplateFault(name, f.line, guard.column(source, f.line, f.word), f.message)
                for f in found
            ]
        return Compiled(name, source, _built(name, tree))
    except TemplateSyntaxError as error:
        return _go_faults(name, source) or [
            TemplateFault(
                name,
                error.lineno,
                guard.column(
                    source, error.lineno, guard.quoted(str(error.message).rpartition("got")[2])
                ),
                error.message or "bad syntax",
            )
        ]
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError):
        return [TemplateFault(name, 1, 1, "too deeply nested, or a number that is too large")]


def _go_faults(name: str, source: str) -> list[TemplateFault]:
    """Go's syntax in a template that cannot be compiled, since Jinja's own message helps nobody
    there.
    """
    return [
        TemplateFault(name, source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at), message)
        for at, message in guard.go(source)
    ]


def _built(name: str, tree: nodes.Template) -> _Built:
    guard.transform(tree)
    blocks = {node.name: node.body for node in tree.body if isinstance(node, nodes.Block)}
    head = [node for node in tree.body if isinstance(node, (nodes.Macro, nodes.Assign))]
    if not blocks:
        return _Built({"card": _block(name, [], tree.body)}, whole=True)
    built = {block: _block(name, head, body) for block, body in blocks.items()}
    return _Built(built, whole=False)


def _block(name: str, head: Sequence[nodes.Macro | nodes.Assign], body: list[nodes.Node]) -> _Block:
    only = _only(body)
    tree = nodes.Template([*_needed(head, body), *body], lineno=1)
    tree.set_environment(_SANDBOX)
    code = _SANDBOX.compile(tree, name, name)
    uses = frozenset(node.name for node in tree.find_all(nodes.Name))
    return _Block(JinjaTemplate.from_code(_SANDBOX, code, _SANDBOX.globals), uses, only)


def _needed(
    head: Sequence[nodes.Macro | nodes.Assign], body: Sequence[nodes.Node]
) -> Sequence[nodes.Node]:
    """The assignments of the head, and the macros that these, the body or one of them uses."""
    kept: list[nodes.Macro | nodes.Assign] = []
    names, more = _names(body), True
    while more:
        found = [node for node in head if isinstance(node, nodes.Assign) or node.name in names]
        names |= _names(found)
        kept, more = found, len(found) > len(kept)
    return kept


def _names(among: Sequence[nodes.Node]) -> set[str]:
    return {name.name for node in among for name in node.find_all(nodes.Name)}


def _only(body: list[nodes.Node]) -> str:
    """The name that a block prints, if that is all it does."""
    match body:
        case [nodes.Output(nodes=[nodes.Name(name=name)])]:
            return str(name)
        case _:
            return ""


def check(templates: Templates, name: str, markup: MarkupName) -> tuple[TemplateFault, ...]:
    """Renders the template on all samples, in full and in short, and returns each failure once."""
    from relay.core.template import sample  # noqa: PLC0415 - few starts have templates to check

    found: dict[TemplateFault, None] = {}
    for reply in (None, *_REPLIES):
        failures: Counter[TemplateFault] = Counter()
        for view in sample.VIEWS.values():
            fault = _tried(
                templates, name, markup, TemplateContext(view, sample.POLICY, reply), reply
            )
            if fault:
                failures[fault] += 1
                if failures[fault] == _MOST_ALIKE:
                    break
        found |= dict.fromkeys(failures)
    return tuple(found)


def warnings(templates: Templates, name: str, markup: MarkupName) -> tuple[TemplateFault, ...]:
    """Doubtful parts of a template: markup that will be shown as text."""
    source = templates.by_name[name].source
    return tuple(literal_markup(name, source, _SANDBOX.parse(source, name, name), markup))


def _tried(
    templates: Templates,
    name: str,
    markup: MarkupName,
    scene: TemplateContext,
    reply: ReplyKind | None,
) -> TemplateFault | None:
    try:
        parts = templates.parts(name, markup)
        for context_shape in _TRIED:
            message = (
                draw_reply(parts, scene, context_shape)
                if reply
                else draw(parts, scene, context_shape)
            )
            if not (message.body.text or message.title.text or message.content.text):
                raise TemplateError(name, 1, f"block {'reply' if reply else 'card'} prints nothing")
    except TemplateError as error:
        source = (
            templates.by_name[error.template].source if error.template in templates.by_name else ""
        )
        return TemplateFault(
            error.template,
            error.line,
            guard.column(source, error.line, guard.quoted(str(error))),
            str(error),
        )
    return None


def render(
    templates: Templates,
    policy: Policy,
    view: View,
    part: Literal["card", "reply"],
    reply: ReplyKind | None,
    form: Form,
) -> Rendered:
    """The message that shows the view, or the reply of that kind, made to fit. Never raises: if the
    template fails, the plain text takes its place.
    """
    kind = reply if part == "reply" else None
    if kind == "document":
        return Rendered(
            listing(view, policy), "", tuple(alert.fingerprint for alert in view.alerts), ()
        )
    scene = TemplateContext(view, policy, kind)
    failed = ""
    try:
        shows = _REPLY if part == "reply" else form.shows & _OF_CARD
        parts = templates.parts(policy.template, policy.markup, shows)
        draws = draw_reply if part == "reply" else draw

        def drawn(context_shape: ContextShape) -> Drawn:
            message = _filled(draws(parts, scene, context_shape), policy.template)
            return Drawn(message, scene.longest)

        fitted = fit(drawn, form, min(len(view.alerts), _most(templates, policy)), scene.in_full)
    except TemplateError as error:
        failed, fitted = f"{error.template}:{error.line}: {error}", None
    context_shape, message = fitted or plain(
        scene, policy.template, failed.partition(": ")[2], form
    )
    shown = len(view.alerts) if part == "reply" else context_shape.shown
    return Rendered(
        message=_mentioning(message, policy, view, kind, form),
        failed=failed,
        named=tuple(name for alert in view.alerts[:shown] for name in alert.fingerprints),
        counted=tuple(name for alert in view.alerts[shown:] for name in alert.fingerprints),
    )


def _most(templates: Templates, policy: Policy) -> int:
    """How many alerts a card shows in lines of their own."""
    name = policy.template
    replaced = templates.builtin.get(name) is not templates.by_name.get(name)
    built_in = name in BUILT_IN and not (templates.builtin and replaced)
    return _MOST_LINES if built_in and policy.markup == "discord" else MOST_SHOWN


def _filled(message: Message, template: str) -> Message:
    if not (message.body.text or message.title.text or message.content.text):
        raise TemplateError(template, 1, "it prints nothing")
    return message


def render_digest(
    templates: Templates, policy: Policy, view: DigestView, form: Form
) -> RenderedDigest:
    """The message that shows the digest, made to fit. Never raises: if the template fails, the
    built-in block takes its place.
    """
    scene = DigestContext(view, policy)
    failed = ""
    try:
        fitted = _digest_of(templates, policy.template, policy.markup, scene, form)
    except TemplateError as error:
        failed = f"{error.template}:{error.line}: {error}"
        fitted = _digest_of(templates, _TELEGRAM, BUILT_IN[_TELEGRAM], scene, form)
    context_shape, message = fitted or (
        ContextShape(0, 0, 0),
        Message(body=RichText(f"🌊 ×{view.firing}")),
    )
    return RenderedDigest(message, failed, scene.named(context_shape))


def _digest_of(
    templates: Templates,
    name: str,
    markup: MarkupName,
    scene: DigestContext,
    form: Form,
) -> Fitted | None:
    parts = templates.parts(name, markup, _DIGEST)
    names = min(len(scene.view.names), _MOST_NAMES)
    most = _MOST_OPEN_LINES if markup == "none" else _MOST_DIGEST_LINES
    if name in BUILT_IN and markup == "discord":
        most = _FEW_LINES
    lines = min(len(scene.counted(ContextShape(0, names, _LONG_NAME))), most)

    def drawn(context_shape: ContextShape) -> Message:
        return _filled(draw_digest(parts, scene, context_shape), name)

    return (
        richest(lambda count: ContextShape(count, names, _LONG_NAME), 0, lines, drawn, form)
        or richest(lambda count: ContextShape(0, count, _SHORT_NAME), 0, names, drawn, form)
    )  # fmt: skip


def _mentioning(
    message: Message,
    policy: Policy,
    view: View,
    reply: ReplyKind | None,
    form: Form,
) -> Message:
    """The message with the configured mentions for its firing alerts, if they fit into it."""
    if not policy.mentions or reply in ("repeated", "resolved"):  # mentioned when it fired
        return message
    alerts: tuple[AlertView, ...] = view.about or view.alerts
    firing = [alert.labels for alert in alerts if alert.status == "firing"]
    rules = (
        rule for rule in policy.mentions if any(matches(rule.matchers, labels) for labels in firing)
    )
    mentions: tuple[Mention, ...] = tuple(dict.fromkeys(rule.mention for rule in rules))
    if not mentions:
        return message
    mentioning = replace(message, mentions=mentions)
    return mentioning if form.fits(mentioning) else message
