"""What holds for the code as a whole: layers, and the acknowledgement policy of every subscriber."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from chassis import Consumer, Transactions
from chassis.subscription import Subscription
from chassis.work import Surroundings
from faststream import AckPolicy

REPOSITORY = Path(__file__).parents[2]
SERVICES = ("intake", "matcher", "notifier", "sla_monitor")


class NoPool:
    """Stands for a pool that is never asked: nothing is started here."""


@pytest.mark.parametrize("service", SERVICES)
def test_every_subscriber_acknowledges_by_hand_and_validates_nothing_by_itself(service: str) -> None:
    consumer: Consumer = importlib.import_module(f"{service}.handlers").consumer
    surroundings = Surroundings(service, None, None, None, {})  # type: ignore[arg-type]  # nothing is started

    broker = Subscription(consumer, Transactions(NoPool(), surroundings), "127.0.0.1:1").broker  # type: ignore[arg-type]  # nor asked

    assert broker.subscribers
    for subscriber in broker.subscribers:
        assert subscriber.ack_policy is AckPolicy.MANUAL
        assert subscriber._outer_config.fd_config.use_fastdepends is False


def test_the_layers_hold() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout


def test_a_broken_layer_is_found(tmp_path: Path) -> None:
    """The contracts bite: a domain that imports the chassis does not pass."""
    for name in ("planted", "chassis_of_it"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "planted" / "domain.py").write_text("import chassis_of_it\n")
    (tmp_path / "rules.toml").write_text(
        """
        [tool.importlinter]
        root_packages = ["planted", "chassis_of_it"]
        [[tool.importlinter.contracts]]
        name = "rules"
        type = "forbidden"
        source_modules = ["planted.domain"]
        forbidden_modules = ["chassis_of_it"]
        """
    )

    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--config", "rules.toml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 1
    assert "planted.domain is not allowed to import chassis_of_it" in checked.stdout
