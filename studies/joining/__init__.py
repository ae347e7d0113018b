"""How a worker on another machine comes to a study: its inputs, published by the first one and laid out by the next."""
