"""The rounds of this service by name, so that whoever has work for one of them wakes no other."""

NOTICES = "notices"
OVERDUE = "overdue"
SENDING = "sending"
WATCHING = "watching"
