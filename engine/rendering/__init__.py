"""From shots to pictures: guidance, denoising, the VAE, the second pass, batches that fit."""
