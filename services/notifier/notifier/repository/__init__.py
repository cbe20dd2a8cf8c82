"""Every SQL statement of notifier, whole and visible; no commit."""
