"""The dashboard of a study: what is written for it, its server, and what stands before that."""
