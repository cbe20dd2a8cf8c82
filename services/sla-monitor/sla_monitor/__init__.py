"""The monitor of promises: clocks that start with a referral, and the deadlines that they are held to."""
