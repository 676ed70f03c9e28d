"""Chains of commands: the demo, the paper's tables, and what came out."""
