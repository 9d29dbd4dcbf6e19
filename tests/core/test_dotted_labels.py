"""A label with a dot in its name is asked for by an item, and the check says so."""

import pytest

from relay.core.template.template import compile as compiled

FAULTY = {
    "{{ alerts[0].labels.service.name }}": 'labels["service.name"]',
    "{% for a in alerts %}{{ a.annotations.k8s.pod }}{% endfor %}": 'annotations["k8s.pod"]',
    "{{ common_labels.service.name | upper }}": 'common_labels["service.name"]',
}
GOOD = (
    '{{ common_labels["service.name"] }}',
    "{{ common_labels.service.upper() }}",
    "{{ group_labels.SortedPairs }}",
)


@pytest.mark.parametrize(("source", "says"), FAULTY.items())
def test_a_dotted_label_is_named_as_it_has_to_be_written(source: str, says: str) -> None:
    _, (fault,) = compiled({"own.j2": source})
    assert f"for one with a dot in its name write {says}" in fault.message


@pytest.mark.parametrize("source", GOOD)
def test_what_is_no_dotted_label_passes(source: str) -> None:
    assert compiled({"own.j2": source})[1] == ()
