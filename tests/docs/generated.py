"""The generated parts of docs/: what stands between `<!-- begin NAME -->` and `<!-- end NAME -->`
of a page.

After a change of keys, metrics or flags: .venv/bin/python -m tests.docs.generated
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.docs import conversations, errors, keys, metrics, objects, verbs
from tests.docs import page_drawing as bubbles

DOCS = Path(__file__).parent.parent.parent / "docs"
PARTS: Mapping[str, Callable[[], str]] = {
    "bubbles": bubbles.drawn,
    "conversations": conversations.drawn,
    "errors": errors.tables,
    "keys": keys.tables,
    "metrics": metrics.table,
    "verbs": verbs.tables,
    "objects": objects.tables,
    "outcomes": errors.outcomes,
}
_PART = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def regenerated(page: str) -> str:
    """The page with its generated parts as they have to be now."""
    return _PART.sub(lambda found: f"{found[1]}{PARTS[found[2]]()}\n{found[3]}", page)


def parts(page: str) -> Iterator[str]:
    """The names of the page's generated parts."""
    return (found[2] for found in _PART.finditer(page))


if __name__ == "__main__":
    for path in sorted(DOCS.glob("*.md")):
        path.write_text(regenerated(path.read_text(encoding="utf-8")), encoding="utf-8")
