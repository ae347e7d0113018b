"""What to render: one picture's settings as a frozen value, their limits, and the WebUI's text for them.

Free of torch.
"""
