"""Datasets: file names, layouts, labels, images, and pipelines of batches."""
