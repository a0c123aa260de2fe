"""What a team can do, one noun a file; a later one may call an earlier one's functions.

Order: team, channels, members, sessions, agents, deliveries, messages, inbox, snapshot, audit.
"""
