"""What differs between agent CLIs. `kind` is the interface, `catalogue` lists the kinds, one file or folder has each.

Shared by several: `environment` (the allow-list), `files` (private files), `mcp_config` (how a CLI finds our bridge),
`instructions` (what an agent is told about its team).
"""
