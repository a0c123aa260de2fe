"""What differs between agent CLIs. `kind` is the interface, `catalogue` lists the kinds, one file or folder has each.

Shared by several: `environment` (the allow-list), `credentials` (keys and sign-ins), `files` and `toml_text` (private
files), `mcp_config` (how a CLI finds our bridge and tells us of itself), `instructions` (what an agent is told of its
team), `telling` (a tool call in words), `refusals` (what a refusal means), `line_records` (what a CLI writes down).
"""
