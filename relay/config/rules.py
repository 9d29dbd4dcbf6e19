"""A configuration that can be served: resolved, without a fault, its templates compiled."""

from msgspec import structs

from relay.config.fault import Fault, faulty
from relay.config.resolve import ResolvedConfig
from relay.config.template_check import together
from relay.core.active_config import ActiveConfig


class Rules(ResolvedConfig, frozen=True):
    """A resolved configuration without faults, with compiled templates."""

    active: ActiveConfig


def decided(draft: ResolvedConfig, faults: tuple[Fault, ...]) -> Rules | None:
    """The rules, if all faults of the file, its meaning and its templates are only warnings."""
    if faulty(faults):
        return None
    templates = together(draft.template_check)
    active = ActiveConfig(
        draft.routing,
        templates,
        draft.limits,
        draft.intervals,
        draft.bots,
        draft.personal,
        draft.retention,
        draft.notices_receiver,
        draft.acting,
        sha256=draft.sha256,
    )
    return Rules(**structs.asdict(draft), active=active)
