"""The tables of a study file: keys with ranges, defaults and examples, and the checks of single values."""
