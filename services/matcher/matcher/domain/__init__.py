"""
The rules of matching, pure: standard library only; time, zones and rosters come as arguments.

`facts` and `case` are the matcher's half of the protocol between matcher and notifier; `eligibility` and
`ranking` say whom to ask; `hours` says how long an answer may take; `roster` reads a roster file.
"""
