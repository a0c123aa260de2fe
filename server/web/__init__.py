"""HTTP in, HTTP out; no rules of its own: routes, tools and OpenAPI are derived from the registry."""
