"""A new study: its file written from what a person gives, and the answers of `recipe-search init` checked."""
