"""Time zones come from the tzdata package, never from the machine."""

import zoneinfo


def use_packaged_zones() -> None:
    """
    Read time zones from the tzdata package only.

    Due times must not depend on the machine: British Columbia stopped changing its clocks in 2026, and
    a system without that news would answer an hour wrongly.
    """
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()
