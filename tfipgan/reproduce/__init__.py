"""The paper's tables as one command: what is run, and what comes out of it."""
