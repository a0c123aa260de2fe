"""Real pseudo-terminals, real processes, real holders."""
