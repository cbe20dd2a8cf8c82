"""Intake: every door through which an incident or a request for support reaches Peerline."""
