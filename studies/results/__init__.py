"""What the commands after a search find: frozen values, read from and written to the study's folder."""
