"""The published language as files, generated from `peerline.events` and from what each service handles."""
