"""The holder: a program of its own, one for each agent, which outlives the server that starts it.

It owns the agent's pseudo-terminal, is the agent's parent, keeps its output, records its end and ends its whole tree.
It imports nothing else of this project and little of the standard library (no pathlib, dataclasses or asyncio), since
one of it is in memory for each agent. Its modules import one another relatively, because it runs as the top package
`holder`. Frames, files and reasons: docs/holder.md.

`__main__` starts it; `loop` is the one selector; `client` one connection; `terminal` and `spool` the agent's bytes;
`tree` its processes; `record` the JSON files; `spec` what the server asks for.
"""
