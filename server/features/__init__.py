"""What a team can do, one noun a file; a later one may call an earlier one's functions. `catalogue` is the order."""
