"""The stdio bridge: relays an agent CLI's MCP lines to the server and pushes its events; knows no feature and no tool.

Standard library only. `relay` takes the lines, `http` carries them, `session` keeps the older protocol era's session,
`cache` answers when the server is late, `journal` survives a kill, `event_stream` listens, `notifications` tells.
"""
