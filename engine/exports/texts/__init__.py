"""What all exported texts have: a head that names dialect and models, and commands quoted for every shell."""
