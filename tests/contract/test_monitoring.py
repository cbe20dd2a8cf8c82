"""Rules and dashboard: they ask for what the services measure, and the README says what to do."""

import json
import re
from collections.abc import Iterator
from typing import Any

import chassis.metrics
import intake.metrics
import matcher.metrics
import notifier.metrics
import promql_parser
import pytest
import sla_monitor.metrics
from chassis.failures import Cause
from chassis.keys import KeyAwaited
from chassis.metrics import REGISTRY
from peerline.events.deadlines import Firmness
from peerline_local.services import SERVICES, Options
from prometheus_client.metrics import MetricWrapperBase
from sla_monitor.domain.case import FIRST_CONTACT, MATCH

from tests.support.monitoring import DASHBOARD, PROMETHEUS, RULES, TESTS, alerts, metric_of, queries, read, selectors
from tests.support.workplace import REPOSITORY

MODULES = (intake.metrics, matcher.metrics, notifier.metrics, sla_monitor.metrics)
VALUES = {
    "what": set(sla_monitor.metrics.WHATS),
    "firmness": {*Firmness},
    "clock": {MATCH, FIRST_CONTACT},
    "cause": {*Cause},
    "error": {KeyAwaited.__name__},
    "check": {"database", "restored", "broker", "topics", "consumer", "outreach"},
    "job": {"peerline"},
}
"""What a label may be; that each check is there is seen by a real Prometheus."""
OF_THE_SCRAPE = {"job", "instance", "service"}
README = (REPOSITORY / "README.md").read_text()


def exposed() -> dict[str, set[str]]:
    """The series that the services expose, and what labels each has besides those of the scrape."""
    series = {"up": set[str](), "ALERTS": {"alertname", "alertstate"}}
    for collector in {*vars_of(*MODULES, chassis.metrics)}:
        labels = set(collector._labelnames)
        for family in collector.describe():
            match family.type:
                case "counter":
                    series[f"{family.name}_total"] = labels
                case "histogram":
                    series[f"{family.name}_bucket"] = labels | {"le"}
                    series |= {f"{family.name}_{part}": labels for part in ("sum", "count")}
                case _:
                    series[family.name] = labels
    process = [sample.name for family in REGISTRY.collect() for sample in family.samples]
    return series | {name: set[str]() for name in process if name.startswith("process_")}


def vars_of(*modules: Any) -> Iterator[MetricWrapperBase]:
    for module in modules:
        yield from (value for value in vars(module).values() if isinstance(value, MetricWrapperBase))


EXPOSED = exposed()


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.where)
def test_every_query_names_series_and_labels_that_the_services_expose(query: Any) -> None:
    found = selectors(query.expression)

    unknown = {selector.name for selector in found} - EXPOSED.keys()
    labels = {(s.name, m.name) for s in found for m in s.matchers.matchers if s.name in EXPOSED}
    assert unknown == set()
    assert {(name, label) for name, label in labels if label not in EXPOSED[name] | OF_THE_SCRAPE} == set()


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.where)
def test_what_a_query_groups_by_is_a_label_of_what_it_groups(query: Any) -> None:
    wrong = [
        label
        for label, grouped in groupings(query.expression)
        if not any(label in EXPOSED[each.name or ""] | OF_THE_SCRAPE for each in selectors(grouped))
    ]

    assert wrong == []


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.where)
def test_every_value_that_a_query_asks_for_is_one_that_is_counted(query: Any) -> None:
    asked = [
        (matcher.name, matcher.value)
        for each in selectors(query.expression)
        for matcher in each.matchers.matchers
        if matcher.name in VALUES
    ]

    assert [(label, value) for label, value in asked if value not in VALUES[label]] == []


def groupings(expression: str) -> list[tuple[str, str]]:
    """Each label by which something is grouped, with what is."""
    found: list[tuple[str, str]] = []

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            found.extend((label, node.expr.prettify()) for label in node.modifier.labels)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def test_every_metric_of_the_clocks_is_on_the_dashboard_or_in_a_rule() -> None:
    ours = {family.name for collector in vars_of(sla_monitor.metrics) for family in collector.describe()}

    asked = {metric_of(selector) for query in queries() for selector in selectors(query.expression)}

    assert ours - asked == set()


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_names_a_chapter_of_the_readme_that_names_it(alert: dict[str, Any]) -> None:
    file, _, anchor = alert["annotations"]["runbook"].partition("#")

    assert file == "README.md"
    assert f"`{alert['alert']}`" in chapter(anchor)
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"]


def chapter(anchor: str) -> str:
    """The text under the heading with this anchor, as GitHub makes them."""
    for part in re.split(r"^#+ ", README, flags=re.MULTILINE):
        heading, _, text = part.partition("\n")
        if re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") == anchor:
            return text
    raise AssertionError(f"no heading of the README has the anchor {anchor}")


def test_every_alert_of_the_readme_exists_and_every_alert_is_seen_to_fire_by_a_test_of_rules() -> None:
    names = {alert["alert"] for alert in alerts()}
    tested = {name for file in TESTS.glob("*.yml") for name in re.findall(r"Peerline[A-Z]\w+", file.read_text())}

    assert set(re.findall(r"`(Peerline[A-Z]\w+)`", README)) == names
    assert tested == names


def test_the_items_that_alarm_an_operator_are_kinds_of_the_worklist() -> None:
    [alert] = [alert for alert in alerts() if alert["alert"] == "PeerlineWorklistOperator"]

    kinds = {kind for s in selectors(alert["expr"]) for m in s.matchers.matchers for kind in m.value.split("|")}

    assert {kind for kind in kinds if f"`{kind}`" not in README} == set()


def test_all_services_are_scraped_where_a_local_stack_starts_them() -> None:
    configuration = read(PROMETHEUS / "prometheus.yml")

    [job] = configuration["scrape_configs"]
    scraped = {each["labels"]["service"]: each["targets"] for each in job["static_configs"]}
    assert scraped == {service.name: [f"127.0.0.1:{Options().port_of(service)}"] for service in SERVICES}
    assert configuration["rule_files"] == ["rules/*.yml"]
    assert list(RULES.glob("*.yml"))


def test_the_dashboard_has_its_panels_in_a_grid_without_overlaps() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]

    cells = [
        (x, y)
        for each in panels
        for x in range(each["gridPos"]["x"], each["gridPos"]["x"] + each["gridPos"]["w"])
        for y in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({each["id"] for each in panels}) == len(panels)


def test_no_metric_has_an_exemplar_or_a_label_that_could_name_somebody() -> None:
    samples = [sample for family in REGISTRY.collect() for sample in family.samples]

    assert [sample.name for sample in samples if sample.exemplar] == []
    labels = set().union(*(labels for name, labels in EXPOSED.items() if name.startswith("peerline_")))
    assert labels <= {"what", "clock", "firmness", "le", "topic", "reason", "cause", "error", "kind", "check"} | {
        *("route", "status", "door", "outcome", "decision", "fate")
    }
