"""The run folder: made, opened, imported from public weights, started from."""
