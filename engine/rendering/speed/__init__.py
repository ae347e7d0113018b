"""How the UNet is called: as it is, or compiled and recorded, checked against itself."""
