"""The functions of which scripts are made: copied from here, those that a recipe needs, docstrings and all.

They know no dialects and no recipes: tables say what becomes of each tensor. Everything is as in ``engine.merging``,
bit for bit, in fewer words; nothing but torch, NumPy and safetensors is imported.
"""
