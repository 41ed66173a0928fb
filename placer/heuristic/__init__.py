"""Rules of thumb that place domains without proof, libxl's own among them."""
