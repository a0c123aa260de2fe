"""What a team can do, one noun a file; a later one may call an earlier one's functions.

Order: team, members, sessions, channels, agents, deliveries, messages, inbox, snapshot, audit.
"""
