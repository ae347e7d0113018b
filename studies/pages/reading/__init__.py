"""What pages read of a study: never written, never locked, read again only when it changed."""
