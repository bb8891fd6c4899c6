"""Training: the encoder, the hardware, the composed configuration, and the loop."""
