"""What an approved recipe is exported as: a checkpoint, the forms of other tools, the chain of its stages."""
