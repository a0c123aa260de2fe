"""The MCP endpoint, driven by the real SDK client in both protocol eras and by bare HTTP."""
