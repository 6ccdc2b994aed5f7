"""PFENet and its backbones."""
