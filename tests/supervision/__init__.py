"""Agents kept as they are wanted."""
