"""
The campaign: a stream of referrals through all four services, played people, and faults drawn from a seed.

    plan      what happens to whom and when, from the seed only
    ground    servers, services and the mail server, and how each is got hold of
    reports   what is reported of whom
    stream    incident systems and coordinators who hand in, and hand in again
    people    supporters who answer, and those who work off the worklists
    faults    each brings something about, and heals it
    topics    what stands on Kafka
    checks    what must hold (M, T, D, F, P), read from topics, mailboxes, worklists and logs only
    report    the JSON object
    run       all of it together

The choices are the seed's; the interleaving is the machine's.
"""
