"""Files and folders that are whole or not there, and the formats they hold."""
