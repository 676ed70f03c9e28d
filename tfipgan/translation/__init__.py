"""The translated dataset and its manifest."""
