"""What comes after the recipe: where it is weak, the settings that suit it, and what each block of its pair does."""
