"""What Prometheus and Grafana are given: rules, queries, and the metrics they name."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from tests.support.workplace import REPOSITORY

PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
RULES, TESTS = PROMETHEUS / "rules", PROMETHEUS / "tests"
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "operations.json"


@dataclass(frozen=True)
class Query:
    """An expression of PromQL, and where it stands."""

    where: str
    expression: str


def read(file: Path) -> dict[str, Any]:
    """A file of YAML."""
    return dict(yaml.safe_load(file.read_text()))


def alerts() -> list[dict[str, Any]]:
    """Every alert of every file of rules."""
    groups = [group for file in sorted(RULES.glob("*.yml")) for group in read(file)["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[Query]:
    """Every query of the rules and of the dashboard, with Grafana's variables filled in."""
    dashboard = json.loads(DASHBOARD.read_text())
    panels = [Query(f"{p['title']} {t['refId']}", t["expr"]) for p in dashboard["panels"] for t in p.get("targets", ())]
    marked = [Query(each["name"], each["expr"]) for each in dashboard["annotations"]["list"]]
    of_rules = [Query(alert["alert"], alert["expr"]) for alert in alerts()]
    return of_rules + [Query(q.where, q.expression.replace("$__rate_interval", "5m")) for q in panels + marked]


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """The series that an expression selects; ValueError where it is no PromQL."""
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def metric_of(selector: promql_parser.VectorSelector) -> str:
    """The metric whose series are selected: a histogram's and a counter's have an ending."""
    name = selector.name or ""
    for ending in ("_total", "_bucket", "_sum", "_count"):
        name = name.removesuffix(ending)
    return name
