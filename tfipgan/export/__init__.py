"""Both networks as SavedModels, in folders of numbered versions."""
