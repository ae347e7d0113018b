"""What situations, settings and probe found, as the pages and the report show it."""
