"""What was fed, compared with what is on the topics and in the mailbox; no service is asked."""

from __future__ import annotations

from collections.abc import Sequence

from peerline.programme import Programmes

from peerline_local.demo.comparison.attempts import compare_attempts
from peerline_local.demo.comparison.deadlines import compare_deadlines
from peerline_local.demo.comparison.findings import Fault, Finding, duplicate, of, wrong
from peerline_local.demo.comparison.mail import compare_mail
from peerline_local.demo.comparison.matches import compare_matches
from peerline_local.demo.comparison.referrals import Attribution, compare_referrals
from peerline_local.demo.ledger import Ledger
from peerline_local.demo.overlay import coordinators
from peerline_local.demo.samples import Samples
from peerline_local.mailbox import Message

__all__ = ["Attribution", "Fault", "Finding", "compare", "of"]


def compare(samples: Samples, ledger: Ledger, mail: Sequence[Message], programmes: Programmes) -> list[Finding]:
    """
    Return everything that is missing, doubled or wrong.

    A record that stands on a topic twice, with the same id, counts as doubled: without a crash of a
    relay there is no reason for it.
    """
    whose = Attribution(samples, ledger)
    return [
        *compare_referrals(samples, ledger, whose),
        *compare_matches(samples, ledger, whose),
        *compare_deadlines(samples, ledger, whose),
        *compare_attempts(ledger, whose, programmes),
        *compare_mail(samples, ledger, mail, coordinators(programmes)),
        *(duplicate("topic", f"{event} stands there again") for event in ledger.redelivered),
        *(wrong("topic", f"{place} is no event of Peerline") for place in ledger.unreadable),
    ]
