"""Every SQL statement of intake. Nothing here commits.

Locks are taken in this order, each sorted by id: the directory, incidents, people, referrals.
"""
