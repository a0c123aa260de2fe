"""Approvals: what waits for a person. `model` is a request and its row, `queue` asks, decides and expires,
`proposals` are those to change shared state."""
