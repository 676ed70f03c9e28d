"""The translator, and the translated dataset with its manifest."""
