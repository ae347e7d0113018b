"""What an examination found, for people: sheets of pictures, lines for the terminal."""
