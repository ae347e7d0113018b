"""How the sample world is made: pictures, VAE, UNets and text encoders, CLIP, the gate."""
