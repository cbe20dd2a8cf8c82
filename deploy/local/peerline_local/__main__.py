"""`python -m peerline_local` is the command `peerline`."""

from peerline_local.cli import app

app()
