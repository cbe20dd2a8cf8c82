import shutil
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from peerline.zones import use_packaged_zones

BEFORE = zoneinfo.TZPATH


@pytest.fixture
def system_without_the_news(tmp_path: Path) -> Iterator[None]:
    """A system whose file for Vancouver still changes its clocks, as New York's does."""
    (tmp_path / "America").mkdir()
    shutil.copy(str(files("tzdata.zoneinfo.America") / "New_York"), tmp_path / "America" / "Vancouver")
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(to=BEFORE)
    zoneinfo.ZoneInfo.clear_cache()


@pytest.mark.usefixtures("system_without_the_news")
def test_row_17_zones_are_those_of_the_package_whatever_the_system_has() -> None:
    five_in_the_evening = datetime(2026, 11, 5, 17)  # noqa: DTZ001  the zone is what is asked for
    assert five_in_the_evening.replace(tzinfo=zoneinfo.ZoneInfo("America/Vancouver")).astimezone(UTC).hour == 22

    use_packaged_zones()

    vancouver = zoneinfo.ZoneInfo("America/Vancouver")
    assert five_in_the_evening.replace(tzinfo=vancouver).astimezone(UTC) == datetime(2026, 11, 6, 0, tzinfo=UTC)
