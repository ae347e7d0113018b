"""What a person does with a study: look at it, pick, export."""
