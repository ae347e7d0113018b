"""One module a page: from what is read of a study to what its template shows."""
