"""The log and the stream, through HTTP."""
