"""The roster of supporters, and the only decider of a match."""
