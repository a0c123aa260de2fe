"""Tests of the kinds: through their interface with real files, and with the real CLIs where these are installed."""
