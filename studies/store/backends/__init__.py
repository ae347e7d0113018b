"""Where a study is kept and how its workers agree: a journal in its folder, or a database."""
