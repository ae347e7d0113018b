"""How much memory a model takes, what lies where, and what fits into a device; counted, without one."""
