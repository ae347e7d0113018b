"""What a person does with a study: look, pick, export."""
