"""MAKE IT: recipe to weights to pictures, on one device."""
