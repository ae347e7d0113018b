"""Recipe cards: what is known of one recipe, as Markdown, as JSON and as a picture."""
