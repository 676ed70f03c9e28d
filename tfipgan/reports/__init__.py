"""What a person looks at: sheets of images, plots, tables and HTML pages."""
