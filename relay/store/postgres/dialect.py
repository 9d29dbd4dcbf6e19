"""The statements of the store, as PostgreSQL reads them."""

import re
from functools import lru_cache

# Where the two differ: hints for SQLite's planner fall away, and what has another name gets it.
_DIFFERENT = (
    (re.compile(r" INDEXED BY \w+"), ""),
    (re.compile(r"\bCROSS JOIN\b"), "JOIN"),
    (
        re.compile(r"json_each\((\?\d+)\) AS (\w+)"),
        r"json_array_elements_text(CAST(\1 AS json)) AS \2 (value)",
    ),
    (re.compile(r"json_each\((\?\d+)\)"), r"json_array_elements_text(CAST(\1 AS json))"),
    (re.compile(r"\bIS (\?\d+)"), r"IS NOT DISTINCT FROM \1"),
    (re.compile(r"CAST\((\(.*?\) / 60) AS INTEGER\)"), r"CAST(trunc(\1) AS BIGINT)"),
    (
        re.compile(r"instr\(CAST\(body AS TEXT\), ('[^']*')\)"),
        r"position(CAST(\1 AS bytea) IN body)",
    ),
    # What may be too long for an index is found by its hash.
    (
        re.compile(r"(?<!SET )\b((?:\w+\.)?(?:grp|home|name)) = (\?\d+)(?=[ )]|$)"),
        r"md5(\1) = md5(\2) AND \1 = \2",
    ),
    (
        re.compile(r"\b(watched\.grp) = (wanted\.value)"),
        r"md5(\1) = md5(\2) AND \1 = \2",
    ),
    (
        re.compile(r"ON CONFLICT \(lane, grp, fingerprint\)"),
        "ON CONFLICT (lane, md5(grp), fingerprint)",
    ),
    (
        re.compile(r"ON CONFLICT \(name, by_values\)"),
        "ON CONFLICT (name, md5(by_values))",
    ),
)
_PLACEHOLDER = re.compile(r"\?(\d*)")


@lru_cache(maxsize=1000)
def translated(sql: str) -> str:
    """The statement with `?` and `?1` as `$1`, in PostgreSQL's SQL."""
    numbered = _numbered(sql)
    for pattern, instead in _DIFFERENT:
        numbered = pattern.sub(instead, numbered)
    return numbered.replace("?", "$")


def _numbered(sql: str) -> str:
    """`?` gets its number, as those have that are used more than once."""
    numbers = iter(range(1, 1000))
    return _PLACEHOLDER.sub(lambda found: f"?{found[1] or next(numbers)}", sql)
