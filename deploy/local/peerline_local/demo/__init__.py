"""The demo: invented samples go in at every door, played people answer, and the outcome is compared."""
