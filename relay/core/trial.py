"""Templates of a configuration, compiled and tried on the samples before any alert meets them."""

from collections.abc import Iterable
from functools import lru_cache

from relay.core import template
from relay.core.fault import Fault
from relay.core.files import Files
from relay.core.lane import MarkupName, Target
from relay.core.template import BUILT_IN, TemplateFault, Templates, check

Use = tuple[str, MarkupName]


def try_templates(files: Files, targets: Iterable[Target]) -> tuple[Templates, tuple[Fault, ...]]:
    """All templates, and their faults in the template files themselves.

    Each is tried in the markup that its users write it in; one that nobody uses as plain text.
    """
    sources = files.builtin | files.templates
    uses: dict[Use, None] = {(target.policy.template, target.policy.markup): None for target in targets}
    used = {name for name, _ in uses}
    uses |= {(name, BUILT_IN.get(name, "none")): None for name in files.templates if name not in used}
    templates, found = _tried(tuple(sources.items()), tuple(uses))
    return templates, tuple(_fault(fault, files, sources) for fault in found)


@lru_cache(maxsize=2)  # a reload that leaves the templates as they are has nothing to try
def _tried(sources: tuple[tuple[str, str], ...], uses: tuple[Use, ...]) -> tuple[Templates, tuple[TemplateFault, ...]]:
    templates, found = template.compile(dict(sources))
    for name, markup in uses:
        if name in templates.by_name:
            found += check(templates, name, markup)
    return templates, tuple(dict.fromkeys(found))


def _fault(fault: TemplateFault, files: Files, sources: dict[str, str]) -> Fault:
    lines = sources.get(fault.template, "").splitlines()
    excerpt = lines[fault.line - 1] if 0 < fault.line <= len(lines) else ""
    path = files.paths.get(fault.template, fault.template)
    return Fault(path, fault.line, fault.column, fault.message, excerpt=excerpt)
