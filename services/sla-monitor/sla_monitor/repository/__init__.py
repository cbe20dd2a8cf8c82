"""Every SQL statement of the monitor, whole and visible; no commit."""
