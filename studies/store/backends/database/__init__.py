"""A study over several machines: trials in PostgreSQL, pictures and features in an object storage or a folder."""
