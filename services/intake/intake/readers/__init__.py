"""Readers: bytes from a door in, reports or directory entries out. No database, network or clock."""
