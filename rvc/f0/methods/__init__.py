"""F0 methods, one file each; `rvc.f0.registry` lists them."""
